package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"rkd/datasets"
	"rkd/models/onnx"
	"rkd/pipeline/cache"
	"rkd/pipeline/config"
	"rkd/pipeline/eval"
	"rkd/pipeline/vectors"
)

// SearchOptions say what is searched for.
type SearchOptions struct {
	// Vectors is a file of vectors or a cache folder.
	Vectors string
	// Queries are paths that Vectors has, pictures, or .npy files, each row of which is a query.
	Queries []string
	// K is the number of neighbours of each query.
	K int
	// Embed has Model and Student, which embed pictures that are none of Vectors'; without them the model that made
	// Vectors does.
	Embed EmbedOptions
}

// Found is what one query has found.
type Found struct {
	Query      string      `json:"query"`
	Neighbours []Neighbour `json:"neighbours"`
}

// Neighbour is a vector near a query.
type Neighbour struct {
	Path     string  `json:"path"`
	Class    string  `json:"class,omitempty"`
	Distance float64 `json:"distance"`
}

// searchQuery is a query and where its vector comes from.
type searchQuery struct {
	name   string
	row    int // of the gallery, which is left out of its own answer; −1 for another vector
	vector []float32
}

// Search looks for the nearest vectors of each query, exactly: all of them are compared.
//
// It returns config.ErrConfig where the number of neighbours or a query is of no use, eval.ErrInput for vectors of
// another width, cache.ErrMismatch where another model than the one that made the vectors stands in its place, and the
// errors of what it opens.
func (m Machine) Search(ctx context.Context, o SearchOptions) ([]Found, error) {
	gallery, err := openVectors(ctx, o.Vectors)
	if err != nil {
		return nil, err
	}
	queries, err := m.queries(ctx, gallery, o)
	if err != nil {
		return nil, err
	}
	var rows []float32
	own := 0 // queries that are themselves among the nearest
	for _, q := range queries {
		if q.row >= 0 {
			own = 1
		}
		rows = append(rows, q.vector...)
	}
	if most := gallery.Len() - own; o.K < 1 || o.K > most {
		return nil, fmt.Errorf("%w: -k is %d, expected 1 to %d: %q has %d vectors", config.ErrConfig, o.K, most, o.Vectors,
			gallery.Len())
	}
	hits, err := eval.Nearest(ctx, rows, gallery.Values, gallery.Dim, o.K+own)
	if err != nil {
		return nil, err
	}
	found := make([]Found, len(queries))
	for i, q := range queries {
		found[i].Query = q.name
		for _, h := range hits[i] {
			if h.Row != q.row && len(found[i].Neighbours) < o.K {
				found[i].Neighbours = append(found[i].Neighbours,
					Neighbour{gallery.Paths[h.Row], gallery.Classes[h.Row], h.Distance})
			}
		}
	}
	return found, nil
}

// openVectors reads a file of vectors, or view 0 of a cache.
func openVectors(ctx context.Context, path string) (*vectors.Set, error) {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		if err != nil {
			return nil, fmt.Errorf("opening vectors: %w", err)
		}
		return vectors.Read(path)
	}
	c, err := cache.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	rows := make([]int, c.Rows())
	for i := range rows {
		rows[i] = i
	}
	t, err := c.Select(ctx, rows) // with paths and classes
	if err != nil {
		return nil, err
	}
	s := &vectors.Set{Dim: t.Dim}
	s.Hash, s.Metric = c.Manifest().Key.Model, metricEuclidean
	for i, view := range t.Views {
		if view != 0 {
			continue
		}
		name := t.About[i].Path
		if name == "" { // an early version kept none
			name = fmt.Sprintf("#%d", t.IDs[i])
		}
		s.Paths, s.Classes = append(s.Paths, name), append(s.Classes, t.About[i].Class)
		s.Values = append(s.Values, t.Embeddings[i*t.Dim:(i+1)*t.Dim]...)
	}
	return s, nil
}

// queries finds the vector of each query.
func (m Machine) queries(ctx context.Context, gallery *vectors.Set, o SearchOptions) ([]searchQuery, error) {
	place := make(map[string]int, gallery.Len())
	for i, p := range gallery.Paths {
		place[filepath.Clean(p)] = i
	}
	var queries []searchQuery
	var pictures []string
	for _, q := range o.Queries {
		row, known := place[filepath.Clean(q)]
		switch {
		case known && o.Embed.Model == "":
			queries = append(queries, searchQuery{q, row, gallery.Row(row)})
		case strings.HasSuffix(q, ".npy"):
			matrix, err := datasets.ReadNPY(q)
			if err != nil {
				return nil, err
			}
			if matrix.Cols != gallery.Dim {
				return nil, width(q, matrix.Cols, gallery.Dim, o.Vectors)
			}
			for i := range matrix.Rows {
				queries = append(queries, searchQuery{
					fmt.Sprintf("%s#%d", q, i), -1, matrix.Values[i*matrix.Cols : (i+1)*matrix.Cols],
				})
			}
		case datasets.IsImageName(q):
			pictures = append(pictures, q)
			queries = append(queries, searchQuery{name: q, row: -1})
		default:
			return nil, fmt.Errorf("%w: query %q is none of the paths in %q, no picture and no .npy file", config.ErrConfig, q,
				o.Vectors)
		}
	}
	if len(pictures) == 0 {
		return queries, nil
	}
	embedded, err := m.embedQueries(ctx, gallery, pictures, o)
	if err != nil {
		return nil, err
	}
	next := 0
	for i := range queries {
		if queries[i].vector == nil {
			queries[i].vector = embedded.Row(next)
			next++
		}
	}
	return queries, nil
}

// embedQueries runs the model of the vectors, or the one that is named, on pictures.
func (m Machine) embedQueries(ctx context.Context, gallery *vectors.Set, pictures []string, o SearchOptions) (
	*vectors.Set, error,
) {
	named := o.Embed.Model != ""
	if !named {
		o.Embed.Model = gallery.Model
	}
	if o.Embed.Model == "" {
		return nil, fmt.Errorf("%w: %q does not say which model made it: name one with --model to search with %s",
			config.ErrConfig, o.Vectors, strings.Join(pictures, ", "))
	}
	model, err := chooseModel(o.Embed.Model, o.Embed.Student, o.Embed.As)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return nil, fmt.Errorf("%q was made by a model that is not there any more: name one with --model: %w", o.Vectors, err)
	}
	if err == nil {
		err = o.Embed.check(model)
	}
	if err != nil {
		return nil, err
	}
	data, err := datasets.OpenFiles(ctx, pictures, datasets.Resources{})
	if err != nil {
		return nil, err
	}
	set, _, err := m.vectorize(ctx, model, data)
	if err != nil {
		return nil, err
	}
	if err := checkSpaces(model.Model, set, gallery, o.Vectors); err != nil {
		return nil, err
	}
	switch {
	case !named && set.Hash != gallery.Hash:
		return nil, fmt.Errorf("%w: %q was made by another model than %q is now: name the one to search with, --model",
			cache.ErrMismatch, o.Vectors, model.Model)
	case set.Dim != gallery.Dim:
		return nil, width(model.Model, set.Dim, gallery.Dim, o.Vectors)
	case set.Len() != len(pictures):
		missing := slices.DeleteFunc(slices.Clone(pictures), func(p string) bool {
			return slices.Contains(set.Paths, filepath.Clean(p))
		})
		return nil, fmt.Errorf("%w: %s", datasets.ErrDecode, strings.Join(missing, ", "))
	}
	return set, nil
}

// checkSpaces refuses, with cache.ErrMismatch, a student whose vectors are known to be in another space than the
// gallery's: one that searches the vectors of its teacher, and was not trained to, or those of another teacher.
func checkSpaces(path string, set, gallery *vectors.Set, name string) error {
	m, err := onnx.Load(path)
	if err != nil || m.Metadata()[studentEntry] == "" || gallery.Hash == "" || gallery.Hash == set.Hash {
		return err
	}
	c, err := readCard(m)
	if err != nil || gallery.Hash != c.Teacher || c.DropIn {
		return err
	}
	return fmt.Errorf("%w: %q has the vectors of the teacher of %q, which was not trained to search them: "+
		"student.drop_in: true trains one that is", cache.ErrMismatch, name, path)
}

func width(what string, has, wanted int, path string) error {
	return fmt.Errorf("%w: vectors of %q have %d numbers, those in %q %d, expected as many", eval.ErrInput, what, has,
		path,
		wanted)
}
