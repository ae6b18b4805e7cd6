package sampler

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// ErrBatch reports a batch shape that is wrong in itself or that the data cannot fill.
var ErrBatch = errors.New("batch")

// Kinds of batch.
const (
	PK       = "pk"       // P classes with K rows each, for losses on pairs
	Shuffled = "shuffled" // rows in random order, for losses on single rows
	Episodes = "episodes" // few-shot episodes: N classes with a support set and queries
)

// Shape is the `train.batch` section of a configuration.
type Shape struct {
	// Kind is PK (default), Shuffled or Episodes.
	Kind string `yaml:"kind,omitempty"`
	// Classes is P of pk, the number of classes in a batch. Default 5.
	Classes int `yaml:"classes,omitempty" within:"[0,16384]"`
	// PerClass is K of pk, the number of samples of each. Default 13.
	PerClass int `yaml:"per_class,omitempty" within:"[0,16384]"`
	// Size is the number of samples of shuffled, default 64. A batch of pk is truncated to it; the classes drawn last lose
	// samples.
	Size int `yaml:"size,omitempty" within:"[0,16384]"`
	// Ways is N of episodes, the number of classes, default 5; Shots and Queries are the samples of each in the support
	// set, default 1, and beside it, default 5.
	Ways    int `yaml:"ways,omitempty" within:"[0,16384]"`
	Shots   int `yaml:"shots,omitempty" within:"[0,16384]"`
	Queries int `yaml:"queries,omitempty" within:"[0,16384]"`
	// Short says what becomes of classes with fewer samples than a batch of pk or episodes takes of one: repeat (default)
	// draws samples of theirs again, drop leaves the class out.
	Short string `yaml:"short,omitempty"`
	// Labelled is the share of a batch that samples with labels are, where some have none: of shuffled a part of Size; of
	// pk and episodes samples without labels are added to what is drawn. Default DefaultLabelled.
	Labelled float64 `yaml:"labelled,omitempty" within:"(0,1]"`
}

// Values of Shape.Short.
const (
	ShortRepeat = "repeat"
	ShortDrop   = "drop"
)

// DefaultLabelled is the share of samples with labels in a batch of both.
const DefaultLabelled = 0.5

// Mixed is the shape where some rows have labels and others none: with the default share filled in.
func (s Shape) Mixed() Shape {
	if s.Labelled == 0 {
		s.Labelled = DefaultLabelled
	}
	return s
}

// maxRows bounds a batch: losses on pairs take memory by its square.
const maxRows = 1 << 14

// CheckGiven returns ErrBatch for a 0 that was given to a key of the shape's own kind, where it would stand for the
// default. (To keys of other kinds it says that there is none.)
func (s Shape) CheckGiven(given func(key string) bool) error {
	for _, f := range s.fields() {
		if f.name == "size" && s.Kind == PK { // there 0 cuts nothing
			continue
		}
		if given(f.name) && f.value == 0 && (s.Kind == "" || slices.Contains(f.kinds, s.Kind)) {
			return fmt.Errorf("%w: %s is 0, expected 1 to %d", ErrBatch, f.name, maxRows)
		}
	}
	return nil
}

type shapeField struct {
	name  string
	value int
	kinds []string
}

// fields lists the keys that are numbers, with the kinds that have them.
func (s Shape) fields() []shapeField {
	return []shapeField{
		{"classes", s.Classes, []string{PK}},
		{"per_class", s.PerClass, []string{PK}},
		{"size", s.Size, []string{PK, Shuffled}},
		{"ways", s.Ways, []string{Episodes}},
		{"shots", s.Shots, []string{Episodes}},
		{"queries", s.Queries, []string{Episodes}},
	}
}

// WithDefaults fills in what the configuration leaves out.
func (s Shape) WithDefaults() Shape {
	if s.Kind == "" {
		s.Kind = PK
	}
	for _, d := range []struct {
		kind  string
		field *int
		value int
	}{
		{PK, &s.Classes, 5},
		{PK, &s.PerClass, 13},
		{Shuffled, &s.Size, 64},
		{Episodes, &s.Ways, 5},
		{Episodes, &s.Shots, 1},
		{Episodes, &s.Queries, 5},
	} {
		if s.Kind == d.kind && *d.field == 0 {
			*d.field = d.value
		}
	}
	return s
}

// Defaults are the keys that belong to the shape's kind and may be left out, with what they then stand for.
func (s Shape) Defaults() map[string]any {
	switch s.Kind {
	case Shuffled:
		return map[string]any{"size": 64}
	case Episodes:
		return map[string]any{"ways": 5, "shots": 1, "queries": 5}
	}
	return map[string]any{"classes": 5, "per_class": 13, "size": "the product of both"}
}

// Validate returns ErrBatch for a shape with defaults filled in that is of no known kind, has keys of another kind or
// has fewer than 2 rows.
func (s Shape) Validate() error {
	if s.Kind != PK && s.Kind != Shuffled && s.Kind != Episodes {
		return fmt.Errorf("%w: kind is %q, expected %s, %s or %s", ErrBatch, s.Kind, PK, Shuffled, Episodes)
	}
	for _, f := range s.fields() {
		own := slices.Contains(f.kinds, s.Kind)
		switch {
		case f.value > maxRows:
			return fmt.Errorf("%w: %s is %d, expected at most %d", ErrBatch, f.name, f.value, maxRows)
		case !own && f.value != 0:
			return fmt.Errorf("%w: %s is %d, but belongs to kind %s, and kind is %s", ErrBatch, f.name, f.value,
				f.kinds[0], s.Kind)
		case f.value < 0, own && f.value < 1 && f.name != "size":
			return fmt.Errorf("%w: %s is %d, expected 1 or more", ErrBatch, f.name, f.value)
		}
	}
	if s.Short != "" && s.Short != ShortRepeat && s.Short != ShortDrop {
		return fmt.Errorf("%w: short is %q, expected %s or %s", ErrBatch, s.Short, ShortRepeat, ShortDrop)
	}
	if s.Short != "" && s.Kind == Shuffled {
		return fmt.Errorf("%w: short is %q, but kind %s draws from no class: remove it", ErrBatch, s.Short, s.Kind)
	}
	if !(s.Labelled >= 0 && s.Labelled <= 1) {
		return fmt.Errorf("%w: labelled is %g, expected a share above 0, at most 1", ErrBatch, s.Labelled)
	}
	if s.Kind == Episodes && s.Ways < 2 {
		return fmt.Errorf("%w: ways is %d, expected 2 or more", ErrBatch, s.Ways)
	}
	if s.Rows() < 2 {
		return fmt.Errorf("%w: %d rows, expected 2 or more", ErrBatch, s.Rows())
	}
	if s.Rows() > maxRows {
		return fmt.Errorf("%w: %d rows, expected at most %d", ErrBatch, s.Rows(), maxRows)
	}
	return nil
}

// Rows is the number of rows of a batch: of pk P·K, or Size where that is given and smaller; of shuffled Size; of
// episodes Ways·(Shots+Queries). Where samples without labels are mixed into pk or episodes, they are added.
func (s Shape) Rows() int {
	if s.Kind != Shuffled && s.Labelled > 0 {
		return max(s.drawn(), int(math.Round(float64(s.drawn())/s.Labelled)))
	}
	return s.drawn()
}

// drawn is Rows without what is added.
func (s Shape) drawn() int {
	switch {
	case s.Kind == Shuffled:
		return s.Size
	case s.Kind == Episodes:
		return s.Ways * (s.Shots + s.Queries)
	case s.Size > 0:
		return min(s.Size, s.Classes*s.PerClass)
	}
	return s.Classes * s.PerClass
}

// ClassesInBatch is the number of classes that a batch is sure to hold.
func (s Shape) ClassesInBatch() int {
	switch s.Kind {
	case Shuffled:
		return 1
	case Episodes:
		return s.Ways
	}
	return (s.drawn() + s.PerClass - 1) / s.PerClass
}

// Batches decides which rows make up the batches of a training. It is not safe for concurrent use.
type Batches interface {
	// Rows is the number of rows of every batch.
	Rows() int
	// Batch returns the rows of one step's batch. They depend on the seed and the step alone. The rows of an episode stand
	// class by class, the support set of a class before its queries.
	Batch(step int) []int
}

// New prepares batches over rows, given as indices into labels, negative ones of rows without. It returns ErrBatch
// where the shape is wrong or where there are too few classes or too few rows for it.
//
// Where some rows have labels and others none, a batch holds both: first rows with labels, as the kind draws them, then
// the others, in the share that the shape says.
func New(labels []int32, rows []int, shape Shape, seed uint64) (Batches, error) {
	if err := shape.Validate(); err != nil {
		return nil, err
	}
	var with, without []int
	for _, row := range rows {
		if labels[row] < 0 {
			without = append(without, row)
		} else {
			with = append(with, row)
		}
	}
	switch {
	case len(with) > 0 && len(without) > 0:
		return newMixed(labels, with, without, shape.Mixed(), seed)
	case shape.Labelled > 0 && len(without) == 0:
		return nil, fmt.Errorf("%w: labelled is %g, but all samples have labels: remove it", ErrBatch, shape.Labelled)
	case shape.Labelled > 0 || len(with) == 0 && shape.Kind != Shuffled:
		return nil, fmt.Errorf("%w: kind is %s and labelled %g, but no sample has a label: expected kind %s without labelled",
			ErrBatch, shape.Kind, shape.Labelled, Shuffled)
	}
	return newOfKind(labels, rows, shape, seed)
}

func newOfKind(labels []int32, rows []int, shape Shape, seed uint64) (Batches, error) {
	switch shape.Kind {
	case Shuffled:
		return newShuffled(rows, shape.Size, seed)
	case Episodes:
		return newPK(labels, rows, shape.pk(), seed)
	}
	return newPK(labels, rows, shape, seed)
}

// Fits returns the error that New will return for samples with these labels, in so many views each, less the share that
// Split sets aside: for a look at the data before there is a row of a cache.
func (s Shape) Fits(labels []int32, views int, aside float64, seed uint64) error {
	if err := s.Validate(); err != nil {
		return err
	}
	rows, samples := labels, []int64(nil)
	if views > 1 {
		rows = make([]int32, 0, len(labels)*views)
		for i, label := range labels {
			for range views {
				rows, samples = append(rows, label), append(samples, int64(i))
			}
		}
	}
	train, _, err := Split(rows, samples, aside, seed)
	if err == nil {
		_, err = New(rows, train, s, seed)
	}
	return err
}
