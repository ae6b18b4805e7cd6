package pipeline

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"rkd/datasets"
	"rkd/pipeline/cache"
	"rkd/pipeline/eval"
	"rkd/teacher"
)

// Kinds of sets that can be compared.
const (
	kindCache  = "cache"
	kindModel  = "model"
	kindMatrix = "matrix"
)

// sampleView names a row by what it was made from.
type sampleView struct {
	id   int64
	view int32
}

// embeddingSet is one side of a comparison.
type embeddingSet struct {
	ComparedSet
	samples []sampleView // (N), nil for a matrix, whose rows have no names
	labels  []int32      // (N), nil for a matrix
	data    string       // fingerprint of the data set, empty for a matrix
	values  []float32    // (N,Dim)
}

// setKind tells what is at a path.
func setKind(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("opening embeddings: %w", err)
	}
	switch ext := filepath.Ext(path); {
	case info.IsDir():
		return kindCache, nil
	case ext == ".onnx":
		return kindModel, nil
	case ext == ".npy":
		return kindMatrix, nil
	}
	return "", fmt.Errorf("%w: %q is neither a cache folder nor a file ending in .onnx or .npy", eval.ErrInput, path)
}

// openSets reads both sets, models last: beside a cache they run on its data.
func (m Machine) openSets(ctx context.Context, paths [2]string, o CompareOptions) (sets [2]*embeddingSet, err error) {
	var kinds [2]string
	for i, path := range paths {
		if kinds[i], err = setKind(path); err != nil {
			return sets, err
		}
	}
	var beside *embeddingSet // the cache
	for i, path := range paths {
		switch kinds[i] {
		case kindCache:
			sets[i], err = loadCacheSet(ctx, path)
			beside = sets[i]
		case kindMatrix:
			sets[i], err = loadMatrixSet(path)
		}
		if err != nil {
			return sets, err
		}
	}
	for i, path := range paths {
		if kinds[i] == kindModel {
			if sets[i], err = m.runModelSet(ctx, path, o, beside); err != nil {
				return sets, err
			}
		}
	}
	return sets, nil
}

func loadCacheSet(ctx context.Context, dir string) (*embeddingSet, error) {
	c, err := cache.Open(ctx, dir)
	if err != nil {
		return nil, err
	}
	t, err := c.Load(ctx)
	if err != nil {
		return nil, err
	}
	s := &embeddingSet{
		ComparedSet: ComparedSet{Path: dir, Kind: kindCache, Rows: len(t.IDs), Dim: t.Dim},
		labels:      t.Labels, data: c.Manifest().Key.Dataset, values: t.Embeddings,
	}
	for i, id := range t.IDs {
		s.samples = append(s.samples, sampleView{id, t.Views[i]})
	}
	return s, nil
}

func loadMatrixSet(path string) (*embeddingSet, error) {
	m, err := datasets.ReadNPY(path)
	if err != nil {
		return nil, err
	}
	return &embeddingSet{
		ComparedSet: ComparedSet{Path: path, Kind: kindMatrix, Rows: m.Rows, Dim: m.Cols}, values: m.Values,
	}, nil
}

// runModelSet embeds with a model the test data or, where there is a cache beside it, the data of that.
func (m Machine) runModelSet(ctx context.Context, path string, o CompareOptions,
	beside *embeddingSet,
) (*embeddingSet, error) {
	options, err := modelOptions(o.Experiment, path)
	if err != nil {
		return nil, err
	}
	runner := &Runner{Machine: m, Experiment: o.Experiment}
	data, err := runner.comparedData(ctx, beside)
	if err != nil {
		return nil, err
	}
	return runner.embedSet(ctx, options, data)
}

// comparedData opens the test data, or the part of the data that a cache was made from.
func (r *Runner) comparedData(ctx context.Context, beside *embeddingSet) (datasets.Dataset, error) {
	test, err := r.dataset(ctx, "test")
	if err != nil || beside == nil || test.Fingerprint() == beside.data {
		return test, err
	}
	train, err := r.dataset(ctx, "train")
	if err == nil && train.Fingerprint() != beside.data {
		err = fmt.Errorf("%w: cache %q was made from neither the training data (%s) nor the test data (%s) of "+
			"configuration %q",
			cache.ErrMismatch, beside.Path, train.Name(), test.Name(), r.Experiment.Base.Name)
	}
	return train, err
}

// embedSet runs a model over a data set.
func (r *Runner) embedSet(ctx context.Context, o teacher.Options, data datasets.Dataset) (*embeddingSet, error) {
	model, _, err := r.openModel(ctx, o, data)
	if err != nil {
		return nil, err
	}
	defer model.Close()
	r.Progress.Start("embed", "images", 0, data.Len())
	defer r.Progress.Finish()
	out, err := newEmbedder(model, data, nil, model.Transform()).all(ctx, r.Progress)
	saySkipped(r.Progress, "embed", out.skipped, data.Len())
	s := &embeddingSet{
		ComparedSet: ComparedSet{Path: o.Model, Kind: kindModel, Rows: len(out.ids), Dim: out.Dim, Data: data.Name()},
		labels:      out.Labels, data: data.Fingerprint(), values: out.Embeddings,
	}
	for _, id := range out.ids {
		s.samples = append(s.samples, sampleView{id: id})
	}
	return s, err
}

// match brings the rows of both sets into one order and says what they were matched by.
func match(sets [2]*embeddingSet) (p eval.Pair, by string, err error) {
	a, b := sets[0], sets[1]
	p = eval.Pair{A: a.values, B: b.values, N: a.Rows, DA: a.Dim, DB: b.Dim}
	if a.samples == nil || b.samples == nil {
		if a.Rows != b.Rows {
			err = fmt.Errorf("%w: %q has %d rows and %q has %d, expected equal numbers",
				eval.ErrInput, a.Path, a.Rows, b.Path, b.Rows)
		}
		return p, "position", err
	}
	place := make(map[sampleView]int, b.Rows)
	for j, s := range b.samples {
		place[s] = j
	}
	var rowsA, rowsB []int
	for i, s := range a.samples {
		j, ok := place[s]
		if !ok {
			continue
		}
		if a.labels[i] != b.labels[j] {
			return p, "", fmt.Errorf("%w: sample %d has label %d in %q and %d in %q, expected sets made from the same data",
				eval.ErrInput, s.id, a.labels[i], a.Path, b.labels[j], b.Path)
		}
		rowsA, rowsB = append(rowsA, i), append(rowsB, j)
	}
	if len(rowsA) == 0 {
		return p, "", fmt.Errorf("%w: %q and %q have no sample and view in common", eval.ErrInput, a.Path, b.Path)
	}
	p.A, p.B, p.N = gather(a, rowsA), gather(b, rowsB), len(rowsA)
	return p, "sample and view", nil
}

// gather returns some rows of a set, without a copy where they are all there in order.
func gather(s *embeddingSet, rows []int) []float32 {
	if len(rows) == s.Rows {
		ordered := true
		for i, row := range rows {
			ordered = ordered && i == row
		}
		if ordered {
			return s.values
		}
	}
	out := make([]float32, 0, len(rows)*s.Dim)
	for _, row := range rows {
		out = append(out, s.values[row*s.Dim:(row+1)*s.Dim]...)
	}
	return out
}
