package pipeline

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"rkd/datasets"
	"rkd/datasets/memory"
	"rkd/pipeline/eval"
	"rkd/teacher"
)

// embedder runs a model over rows of a data set, which are read while earlier ones are computed.
type embedder struct {
	model  *teacher.Model
	data   datasets.Dataset
	rows   []datasets.Row // nil: all samples in view 0
	loader *datasets.Loader
}

// newEmbedder returns an embedder of rows, nil for all samples in view 0.
func newEmbedder(model *teacher.Model, data datasets.Dataset, rows []datasets.Row, t datasets.Transform) *embedder {
	return &embedder{
		model: model, data: data, rows: rows,
		loader: datasets.NewLoader(data, rows, t, datasets.LoaderOptions{Batch: model.Batch()}),
	}
}

// row is row i.
func (e *embedder) row(i int) datasets.Row {
	if e.rows == nil {
		return datasets.Row{Sample: i}
	}
	return e.rows[i]
}

// outputs are a model's outputs for samples.
type outputs struct {
	eval.Outputs
	ids     []int64 // (N)
	skipped []datasets.Skipped
}

// all runs the model over every row that can be read.
func (e *embedder) all(ctx context.Context, progress Progress) (outputs, error) {
	n := e.loader.Len()
	out := outputs{Outputs: eval.Outputs{
		Dim: e.model.Dim(), Classes: e.model.LogitsDim(),
		Embeddings: memory.Make[float32](n * e.model.Dim())[:0], Logits: memory.Make[float32](n * e.model.LogitsDim())[:0],
	}}
	err := e.embed(ctx, e.loader.InOrder(0, n), func(b *datasets.Batch, batch teacher.Embeddings) error {
		out.Embeddings = append(out.Embeddings, batch.Embedding...)
		out.Logits = append(out.Logits, batch.Logits...)
		for _, row := range b.Rows {
			sample := e.row(row).Sample
			out.ids = append(out.ids, e.data.ID(sample))
			out.Labels = append(out.Labels, e.data.Label(sample))
		}
		out.skipped = append(out.skipped, b.Skipped...)
		progress.Add(b.Len() + len(b.Skipped))
		return nil
	})
	return out, err
}

// embed calls take, in order, with batches of rows and their embeddings.
func (e *embedder) embed(ctx context.Context, order iter.Seq[[]int],
	take func(b *datasets.Batch, out teacher.Embeddings) error,
) error {
	for b, err := range e.loader.Batches(ctx, order) {
		if err != nil {
			return err
		}
		var out teacher.Embeddings
		if b.Len() > 0 {
			if out, err = e.model.Run(ctx, b); err != nil {
				return e.explain(err, b.Rows)
			}
		}
		if err := take(b, out); err != nil {
			return err
		}
	}
	return nil
}

// explain names the sample behind a row number in the model's error.
func (e *embedder) explain(err error, rows []int) error {
	var notFinite *teacher.NotFiniteError
	if errors.As(err, &notFinite) && notFinite.Row < len(rows) {
		sample := e.row(rows[notFinite.Row]).Sample
		return fmt.Errorf("sample %d (%s): %w", e.data.ID(sample), e.data.Path(sample), err)
	}
	return err
}

// sayShown is how many of the skipped samples are named.
const sayShown = 5

// saySkipped tells which samples a stage left out of total, and why.
func saySkipped(p Progress, stage string, skipped []datasets.Skipped, total int) {
	if len(skipped) == 0 {
		return
	}
	p.Say("%s: skipped %d of %d rows that did not decode", stage, len(skipped), total)
	for _, s := range skipped[:min(sayShown, len(skipped))] {
		p.Say("%s: skipped: %v", stage, s.Reason)
	}
	if more := len(skipped) - sayShown; more > 0 {
		p.Say("%s: skipped: and %d more", stage, more)
	}
}
