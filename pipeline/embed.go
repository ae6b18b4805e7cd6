package pipeline

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"rkd/datasets"
	"rkd/pipeline/eval"
	"rkd/teacher"
)

// request is one row to embed: a view of sample index of a data set.
type request struct {
	index int
	view  int32
}

// embedder runs a model over views of a data set, reading the images of one batch while another is computed.
type embedder struct {
	model    *teacher.Model
	data     datasets.Dataset
	views    datasets.Views
	viewSeed uint64
	skip     bool // leave out samples that do not decode
}

// batchInput is a batch that is read and preprocessed.
type batchInput struct {
	requests []request // those that decoded
	skipped  []request
	input    teacher.Batch
}

// outputs are what a model says of samples.
type outputs struct {
	eval.Outputs
	ids []int64 // (N)
}

// all runs the model over every sample that decodes, in its first view.
func (e *embedder) all(ctx context.Context, progress Progress) (outputs, error) {
	requests := make([]request, e.data.Len())
	for i := range requests {
		requests[i].index = i
	}
	out := outputs{Outputs: eval.Outputs{
		Dim: e.model.Dim(), Classes: e.model.LogitsDim(),
		Embeddings: make([]float32, 0, len(requests)*e.model.Dim()), Logits: make([]float32, 0, len(requests)*e.model.LogitsDim()),
	}}
	err := e.embed(ctx, requests, func(done, skipped []request, batch teacher.Embeddings) error {
		out.Embeddings = append(out.Embeddings, batch.Embedding...)
		out.Logits = append(out.Logits, batch.Logits...)
		for _, q := range done {
			out.ids = append(out.ids, e.data.ID(q.index))
			out.Labels = append(out.Labels, e.data.Label(q.index))
		}
		progress.Add(len(done) + len(skipped))
		return nil
	})
	return out, err
}

// embed calls take, in order, with the embeddings of consecutive batches of requests and the samples that were skipped.
func (e *embedder) embed(ctx context.Context, requests []request,
	take func(done, skipped []request, out teacher.Embeddings) error,
) error {
	group, ctx := errgroup.WithContext(ctx)
	inputs := make(chan batchInput, 1)
	group.Go(func() error {
		defer close(inputs)
		for len(requests) > 0 {
			n := min(e.model.Batch(), len(requests))
			input, err := e.read(requests[:n])
			if err != nil {
				return err
			}
			requests = requests[n:]
			select {
			case inputs <- input:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	group.Go(func() error {
		for in := range inputs {
			if err := ctx.Err(); err != nil {
				return err
			}
			var out teacher.Embeddings
			if len(in.requests) > 0 {
				var err error
				if out, err = e.model.Run(ctx, in.input); err != nil {
					return e.explain(err, in.requests)
				}
			}
			if err := take(in.requests, in.skipped, out); err != nil {
				return err
			}
		}
		return nil
	})
	return group.Wait()
}

// read decodes a batch, several samples at a time, and preprocesses what decodes.
func (e *embedder) read(requests []request) (batchInput, error) {
	images := make([]datasets.Image, len(requests))
	failed := make([]error, len(requests))
	var group errgroup.Group
	group.SetLimit(8) // reading waits for the disk more than for a core
	for i, q := range requests {
		group.Go(func() error {
			img, err := e.data.Image(q.index)
			if err != nil {
				failed[i] = err
				return nil
			}
			images[i] = e.views.Apply(img, e.viewSeed, e.data.ID(q.index), q.view)
			return nil
		})
	}
	_ = group.Wait() // errors are in failed, each at its place
	var in batchInput
	kept := images[:0]
	for i, q := range requests {
		switch {
		case failed[i] == nil:
			in.requests = append(in.requests, q)
			kept = append(kept, images[i])
		case e.skip && errors.Is(failed[i], datasets.ErrDecode):
			in.skipped = append(in.skipped, q)
		default:
			return in, failed[i]
		}
	}
	if len(kept) == 0 {
		return in, nil
	}
	var err error
	in.input, err = e.model.Prepare(kept)
	return in, err
}

// explain names the sample behind a row number in the model's error.
func (e *embedder) explain(err error, requests []request) error {
	var notFinite *teacher.NotFiniteError
	if errors.As(err, &notFinite) && notFinite.Row < len(requests) {
		q := requests[notFinite.Row]
		return fmt.Errorf("sample %d (%s): %w", e.data.ID(q.index), e.data.Path(q.index), err)
	}
	return err
}
