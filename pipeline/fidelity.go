package pipeline

import (
	"context"
	"errors"
	"slices"

	"rkd/pipeline/eval"
	"rkd/student/sampler"
)

const (
	// overlapK is the number of neighbours of Overlap.
	overlapK = 10
	// overlapRows and correlationRows bound the samples of the two measures, whose work grows with the square.
	overlapRows     = 4096
	correlationRows = 1000
)

// fidelity compares the embeddings of the test samples by students with those by the teacher.
type fidelity struct {
	teacher outputs
	rows    []int // of the teacher that are compared, ascending; none where there are too few
}

func newFidelity(teacher outputs) *fidelity {
	n := len(teacher.ids)
	f := &fidelity{teacher: teacher}
	if n <= overlapK {
		return f
	}
	f.rows = sampler.Stream(0, "fidelity", 0).Perm(n)[:min(n, overlapRows)]
	slices.Sort(f.rows)
	return f
}

// to measures a model's agreement with the teacher. A measure that is undefined, for example because all distances are
// equal, is left out; so are all of them if the model has embeddings of other samples than the teacher.
func (f *fidelity) to(ctx context.Context, model outputs) (map[string]float64, error) {
	if len(f.rows) == 0 || !slices.Equal(f.teacher.ids, model.ids) {
		return nil, nil
	}
	all := eval.Pair{
		A: f.teacher.Embeddings, DA: f.teacher.Dim, B: model.Embeddings, DB: model.Dim, N: len(f.teacher.ids),
	}
	pair := selectRows(all, f.rows)
	few := pair
	if pair.N > correlationRows {
		few = selectRows(pair, spaced(pair.N, correlationRows))
	}
	likeness := map[string]float64{}
	for _, m := range []struct {
		name    string
		measure func() (float64, error)
	}{
		{Overlap, func() (float64, error) { return eval.NeighbourOverlap(ctx, pair, overlapK) }},
		{RankCorrelation, func() (float64, error) { return eval.PairwiseSpearman(ctx, few) }},
	} {
		value, err := m.measure()
		switch {
		case err == nil:
			likeness[m.name] = value
		case !errors.Is(err, eval.ErrInput):
			return nil, err
		}
	}
	return likeness, nil
}

// spaced lists so many of n rows at equal distances.
func spaced(n, count int) []int {
	rows := make([]int, min(n, count))
	for i := range rows {
		rows[i] = i * n / len(rows)
	}
	return rows
}
