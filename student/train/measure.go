package train

import (
	"context"
	"slices"

	"rkd/datasets/memory"
)

// Watch is data whose figures are followed over the epochs.
type Watch struct {
	Rows    Rows // without teacher
	Measure func(ctx context.Context, embeddings []float32, labels []int32) (map[string]float64, error)
}

// score embeds the selection split and has it measured.
func (r *run) score(ctx context.Context) (float64, error) {
	embeddings, labels, err := r.embed(ctx, r.Rows, r.held)
	if err != nil {
		return 0, err
	}
	return r.Score(ctx, embeddings, labels)
}

// watch measures what is to be followed, or returns nil where there is nothing.
func (r *run) watch(ctx context.Context) (map[string]float64, error) {
	if r.Watch == nil {
		return nil, nil
	}
	all := make([]int, len(r.Watch.Rows.Labels))
	for i := range all {
		all[i] = i
	}
	embeddings, labels, err := r.embed(ctx, r.Watch.Rows, all)
	if err != nil {
		return nil, err
	}
	return r.Watch.Measure(ctx, embeddings, labels)
}

// embed runs the student on some rows and returns embeddings, (N,Dim), and labels of the N of them that could be read.
func (r *run) embed(ctx context.Context, rows Rows, of []int) ([]float32, []int32, error) {
	embeddings := memory.Make[float32](len(of) * r.Network.Dim)[:0]
	labels := make([]int32, 0, len(of))
	for b, err := range rows.Input.Batches(ctx, slices.Chunk(of, r.batches.Rows())) {
		if err != nil {
			return nil, nil, err
		}
		if embeddings, err = r.Engine.Embed(ctx, embeddings, b.Values.Float32[:b.Len()*r.sampleSize]); err != nil {
			return nil, nil, err
		}
		for _, row := range b.Rows {
			labels = append(labels, rows.Labels[row])
		}
	}
	return embeddings, labels, nil
}
