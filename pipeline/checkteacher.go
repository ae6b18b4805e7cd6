package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"rkd/datasets"
	"rkd/pipeline/cache"
	"rkd/pipeline/config"
	"rkd/teacher"
)

// ErrDeviates says that a cache does not hold what its teacher says.
var ErrDeviates = errors.New("the cache is not what the teacher says")

// leastCosines are the cosines that a stored row and the teacher's must have: of float32, float16 and bfloat16 that
// which other processors and versions of ONNX Runtime keep, of int8 that which rounding to 1/127 of the largest number
// keeps.
var leastCosines = map[string]float64{
	cache.Float32: 0.9999, cache.Float16: 0.9999, cache.BFloat16: 0.9999, cache.Int8: 0.999,
}

// mostStretch is by how much the lengths may differ, as a share: the cosine does not see that all rows are scaled.
const mostStretch = 0.02

// TeacherCheck says how alike stored rows and those of the teacher are.
type TeacherCheck struct {
	Rows       int           `json:"rows"`
	Bound      float64       `json:"bound"` // on the cosine
	Least      float64       `json:"least_cosine"`
	Mean       float64       `json:"mean_cosine"`
	Deviations int           `json:"deviations"` // rows below the bound, or of another length
	Worst      []ComparedRow `json:"worst"`      // the most deviating rows first
	Seed       uint64        `json:"seed"`       // that chose the rows
}

// ComparedRow is a row as stored and as the teacher says now.
type ComparedRow struct {
	ID      int64   `json:"id"`
	View    int32   `json:"view"`
	Path    string  `json:"path"`
	Cosine  float64 `json:"cosine"`
	Stretch float64 `json:"length"` // stored over fresh
}

func (c ComparedRow) String() string {
	return fmt.Sprintf("%s (id %d, view %d): cosine %.6f, %.3f times as long", c.Path, c.ID, c.View, c.Cosine, c.Stretch)
}

func (c ComparedRow) deviates(bound float64) bool {
	return c.Cosine < bound || math.Abs(c.Stretch-1) > mostStretch
}

// CheckTeacher embeds n random rows of the experiment's cache again, views and all, and compares them with what is
// stored. The data that these rows are of must be there and unchanged. Where a row is below its type's bound the error
// is ErrDeviates, and names the worst ones.
func (r *Runner) CheckTeacher(ctx context.Context, n int, seed uint64) (*TeacherCheck, error) {
	c := &r.Experiment.Base
	source, err := cache.Open(ctx, c.Cache.Dir)
	if err != nil {
		return nil, err
	}
	m := source.Manifest()
	if c.Teacher.Declared != "" {
		return nil, fmt.Errorf("%w: teacher %q is declared: it is not here to be asked again", config.ErrConfig,
			c.Teacher.Declared)
	}
	key, mixed, err := plannedKey(m.Key, c)
	if err != nil {
		return nil, err
	}
	if diffs := m.Key.Differ(key); len(diffs) > 0 {
		return nil, refused(&cache.MismatchError{Dir: c.Cache.Dir, Differences: diffs})
	}
	chosen := rand.New(rand.NewPCG(seed, 0)).Perm(m.Rows)[:min(n, m.Rows)]
	slices.Sort(chosen)
	stored, err := source.Select(ctx, chosen)
	if err != nil {
		return nil, err
	}
	fresh, err := r.embedAgain(ctx, c, source, stored, mixed)
	if err != nil {
		return nil, changed(err)
	}
	return compareRows(stored, fresh, leastCosines[m.Key.DType], seed)
}

// embedAgain computes the rows of a table anew, of data that are mixed or not.
func (r *Runner) embedAgain(ctx context.Context, c *config.Config, source *cache.Cache, stored *cache.Table,
	mixed bool,
) ([]float32, error) {
	var sums map[string][32]byte
	if !source.DrawsByID() {
		sums = map[string][32]byte{}
		for _, a := range stored.About {
			sums[a.Path] = a.Content
		}
	}
	data, err := r.openData(ctx, "train", sums, mixed)
	if err != nil {
		return nil, err
	}
	model, _, err := r.openModel(ctx, c.Teacher, data)
	if err != nil {
		return nil, err
	}
	defer model.Close()
	basis, err := cache.ReadBasis(ctx, c.Cache.Dir)
	if err != nil {
		return nil, err
	}
	transform := model.Transform()
	if p, ok := transform.(*datasets.Pictures); ok {
		transform = p.WithViews(c.Data.Augment, c.Data.ViewSeed, source.DrawsByID())
	}
	places, byID := map[string]int{}, map[int64]int{}
	for i := range data.Len() {
		places[data.Rel(i)], byID[data.ID(i)] = i, i
	}
	requests := make([]datasets.Row, len(stored.IDs))
	for i, a := range stored.About {
		at, ok := places[a.Path]
		if source.DrawsByID() {
			at, ok = byID[stored.IDs[i]]
		}
		if !ok {
			return nil, fmt.Errorf("%w: the data have changed since: %q is not there any more", cache.ErrMismatch, a.Path)
		}
		requests[i] = datasets.Row{Sample: at, View: stored.Views[i]}
	}
	e := newEmbedder(model, data, requests, transform)
	r.Progress.Start("verify", "images", 0, len(requests))
	defer r.Progress.Finish()
	out := make([]float32, len(stored.Embeddings))
	err = e.embed(ctx, e.loader.InOrder(0, e.loader.Len()), func(b *datasets.Batch, got teacher.Embeddings) error {
		values := got.Embedding
		if basis != nil {
			values = basis.Reduce(values)
		}
		for i, row := range b.Rows {
			copy(out[row*stored.Dim:(row+1)*stored.Dim], values[i*stored.Dim:(i+1)*stored.Dim])
		}
		r.Progress.Add(b.Len() + len(b.Skipped))
		if len(b.Skipped) > 0 {
			return fmt.Errorf("%w: a sample that the cache holds does not decode any more: %w", cache.ErrMismatch,
				b.Skipped[0].Reason)
		}
		return nil
	})
	return out, err
}

// compareRows compares what is stored with what the teacher says now.
func compareRows(stored *cache.Table, fresh []float32, bound float64, seed uint64) (*TeacherCheck, error) {
	check := &TeacherCheck{Rows: len(stored.IDs), Bound: bound, Least: 1, Seed: seed, Worst: []ComparedRow{}}
	var all []ComparedRow
	for i, id := range stored.IDs {
		a, b := stored.Embeddings[i*stored.Dim:(i+1)*stored.Dim], fresh[i*stored.Dim:(i+1)*stored.Dim]
		row := ComparedRow{ID: id, View: stored.Views[i], Path: stored.About[i].Path}
		row.Cosine, row.Stretch = alike(a, b)
		check.Least, check.Mean = min(check.Least, row.Cosine), check.Mean+row.Cosine/float64(len(stored.IDs))
		if row.deviates(bound) {
			check.Deviations++
		}
		all = append(all, row)
	}
	slices.SortStableFunc(all, func(a, b ComparedRow) int {
		return cmp.Or(cmp.Compare(a.Cosine, b.Cosine), cmp.Compare(math.Abs(b.Stretch-1), math.Abs(a.Stretch-1)))
	})
	check.Worst = all[:min(len(all), sayShown)]
	if check.Deviations == 0 {
		return check, nil
	}
	err := fmt.Errorf("%w: %d of %d rows have a cosine below %g, or another length", ErrDeviates, check.Deviations,
		check.Rows, bound)
	for _, w := range check.Worst {
		if w.deviates(bound) {
			err = fmt.Errorf("%w; %s", err, w)
		}
	}
	return check, err
}

// alike returns the cosine of two vectors and how many times as long as b a is. Two zeros are alike.
func alike(a, b []float32) (cosine, stretch float64) {
	var ab, aa, bb float64
	for i, v := range a {
		x, y := float64(v), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	switch {
	case aa == 0 && bb == 0:
		return 1, 1
	case aa == 0 || bb == 0:
		return 0, 0
	}
	return ab / math.Sqrt(aa*bb), math.Sqrt(aa / bb)
}
