package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"rkd/datasets"
	"rkd/models/onnx"
	"rkd/pipeline/cache"
	"rkd/pipeline/config"
	"rkd/teacher"
)

// Precompute runs the teacher over the training data, once, and fills the cache of the first generation. Where the cache is there, whole to the
// byte and made from the same model, preprocessing and data, nothing is done; where it is unfinished or damaged the
// missing and damaged shards are made; where it is made from others the error is cache.ErrMismatch and nothing is touched.
func (r *Runner) Precompute(ctx context.Context) (*cache.Cache, error) {
	return r.precompute(ctx, &r.Experiment.Base)
}

func (r *Runner) precompute(ctx context.Context, c *config.Config) (*cache.Cache, error) {
	dir := c.Cache.Dir
	data, err := r.dataset(ctx, "train")
	if err != nil {
		return nil, err
	}
	key, err := cacheKey(data, c)
	if err != nil {
		return nil, err
	}
	done, err := cache.Open(dir)
	if err == nil {
		if err := checkKey(done, key); err != nil {
			return nil, err
		}
		if err = cache.Verify(ctx, dir); err == nil {
			r.Progress.Say("precompute: up to date (%d rows in %s)", done.Rows(), dir)
			return done, nil
		}
	}
	if !errors.Is(err, cache.ErrNoCache) && !errors.Is(err, cache.ErrCorrupt) {
		return nil, err
	}
	if err := r.fillCache(ctx, c, data, key); err != nil {
		return nil, err
	}
	return cache.Open(dir)
}

// checkKey holds a cache against what the configuration asks for and, where they differ, says what to do.
func checkKey(c *cache.Cache, key cache.Key) error {
	if err := c.Check(key); err != nil {
		return fmt.Errorf("%w; remove that folder or set another cache.dir", err)
	}
	return nil
}

// cacheKey is what decides the embeddings that a cache holds.
func cacheKey(data datasets.Dataset, c *config.Config) (cache.Key, error) {
	model, err := onnx.Load(c.Teacher.Model)
	if err != nil {
		return cache.Key{}, err
	}
	hash, err := model.Hash()
	if err != nil {
		return cache.Key{}, err
	}
	output, err := c.Teacher.OutputName(model) // naming the default is not another experiment
	if err != nil {
		return cache.Key{}, fmt.Errorf("opening model %q: %w", c.Teacher.Model, err)
	}
	key := cache.Key{
		Model: hash, Output: output, Logits: c.Teacher.Logits, Preprocess: c.Teacher.Preprocess.Canonical(),
		Normalize: cmp.Or(c.Teacher.Normalize, teacher.NormalizeNone), Views: c.Cache.Views, DType: c.Cache.DType, Dataset: data.Fingerprint(),
	}
	if c.Cache.Views > 1 {
		key.ViewPolicy = c.Data.Augment.Canonical()
		key.ViewSeed = c.Data.ViewSeed
	}
	return key, nil
}

// fillCache makes the shards that are missing, then the manifest.
func (r *Runner) fillCache(ctx context.Context, c *config.Config, data datasets.Dataset, key cache.Key) error {
	model, _, err := r.openModel(ctx, c.Teacher, data)
	if err != nil {
		return err
	}
	defer model.Close()
	plan := cache.Plan{
		Key: key, Views: c.Cache.Views, RowsPerShard: c.Cache.RowsPerShard, Dim: model.Dim(), LogitsDim: model.LogitsDim(),
	}
	for i := range data.Len() {
		plan.Samples = append(plan.Samples, cache.Sample{ID: data.ID(i), Label: data.Label(i)})
	}
	writer, err := cache.Create(ctx, c.Cache.Dir, plan)
	if err != nil {
		return err
	}
	for _, broken := range writer.Broken() {
		r.Progress.Say("precompute: made again: %v", broken)
	}
	rows := data.Len() * c.Cache.Views
	missing := writer.Missing()
	left := 0
	for _, shard := range missing {
		left += len(writer.Rows(shard).IDs)
	}
	r.Progress.Start("precompute", "images", rows-left, rows)
	defer r.Progress.Finish()
	transform := model.Transform()
	if p, ok := transform.(*datasets.Pictures); ok {
		transform = p.WithViews(c.Data.Augment, c.Data.ViewSeed)
	}
	var skipped []datasets.Skipped
	for _, shard := range missing {
		left, err := r.fillShard(ctx, writer, shard, model, data, transform)
		if err != nil {
			return fmt.Errorf("filling shard %d of the cache: %w", shard, err)
		}
		skipped = append(skipped, left...)
	}
	saySkipped(r.Progress, "precompute", skipped, rows)
	_, err = writer.Commit(ctx)
	return err
}

// fillShard embeds and writes the rows of one shard and returns those that were left out.
func (r *Runner) fillShard(ctx context.Context, w *cache.Writer, shard int, model *teacher.Model, data datasets.Dataset,
	t datasets.Transform,
) (skipped []datasets.Skipped, err error) {
	planned := w.Rows(shard)
	requests, err := datasets.RowsOf(data, planned.IDs, planned.Views)
	if err != nil {
		return nil, err
	}
	var rows cache.Rows
	e := newEmbedder(model, data, requests, t)
	err = e.embed(ctx, e.loader.InOrder(0, e.loader.Len()), func(b *datasets.Batch, out teacher.Embeddings) error {
		for _, row := range b.Rows {
			rows.IDs = append(rows.IDs, planned.IDs[row])
			rows.Views = append(rows.Views, planned.Views[row])
			rows.Labels = append(rows.Labels, data.Label(requests[row].Sample))
		}
		rows.Embeddings = append(rows.Embeddings, out.Embedding...)
		rows.Logits = append(rows.Logits, out.Logits...)
		skipped = append(skipped, b.Skipped...)
		r.Progress.Add(b.Len() + len(b.Skipped))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return skipped, w.WriteShard(ctx, shard, rows)
}
