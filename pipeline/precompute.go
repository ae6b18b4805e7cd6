package pipeline

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"rkd/datasets"
	"rkd/pipeline/cache"
	"rkd/pipeline/config"
	"rkd/teacher"
)

// Precompute runs the teacher over the training data, once, and fills the cache of the first generation. Where the
// cache is there, whole to the byte and made from the same model, preprocessing and data, nothing is done; where it is
// unfinished or damaged the missing and damaged shards are made; where samples were added, or views, those are
// computed. Where it is made by another teacher the error is cache.ErrMismatch and nothing is touched. Of several
// teachers each has a cache of its own, in the order of config.Config.EachTeacher. What a later stage would refuse is
// refused before a teacher runs.
func (r *Runner) Precompute(ctx context.Context) (filled []*cache.Cache, err error) {
	if err := r.taught(); err != nil {
		return nil, err
	}
	if err := r.check(ctx); err != nil {
		return nil, err
	}
	data, err := r.dataset(ctx, "train")
	if err != nil {
		return nil, err
	}
	if err := r.checkTeachers(ctx, data); err != nil {
		return nil, err
	}
	for _, t := range r.Experiment.Base.EachTeacher() {
		done, err := r.precompute(ctx, t, data)
		if err != nil {
			return filled, err
		}
		filled = append(filled, done)
	}
	return filled, nil
}

// taught refuses to precompute without a teacher.
func (r *Runner) taught() error {
	if r.Experiment.Base.Untaught() {
		return fmt.Errorf("%w: %s: teacher is none, so that there is nothing to precompute: \"rkd run\" or \"rkd distill\" "+
			"trains on labels", config.ErrConfig, r.Experiment.File)
	}
	return nil
}

// precomputeAll fills the caches of all teachers of a configuration.
func (r *Runner) precomputeAll(ctx context.Context, c *config.Config, data datasets.Dataset) error {
	for _, t := range c.EachTeacher() {
		if _, err := r.precompute(ctx, t, data); err != nil {
			return err
		}
	}
	return nil
}

// precompute fills the cache of one teacher with what it says of data.
func (r *Runner) precompute(ctx context.Context, of config.Taught, data datasets.Dataset) (_ *cache.Cache, err error) {
	defer func() { err = of.Named(err) }()
	filled, err := r.fillCache(ctx, of.Config, data)
	if err == nil && data == r.data["train"] {
		_, err = r.account(ctx, data, filled, of.Config.Cache.Views)
	}
	return filled, err
}

// fillCache makes the cache, or what it lacks.
func (r *Runner) fillCache(ctx context.Context, c *config.Config, data datasets.Dataset) (*cache.Cache, error) {
	dir := c.Cache.Dir
	key, err := cacheKey(data, c)
	if err != nil {
		return nil, err
	}
	done, err := cache.Open(ctx, dir)
	if err == nil {
		if err = done.Check(key); err == nil {
			err = cache.Verify(ctx, dir)
		}
		if err == nil {
			if data == r.data["train"] { // else it is the cache of the test data, a part of the evaluation
				r.Progress.Say("precompute: up to date (%d rows in %s)", done.Rows(), dir)
			}
			return done, nil
		}
	}
	if !errors.Is(err, cache.ErrNoCache) && !errors.Is(err, cache.ErrCorrupt) && !errors.Is(err, cache.ErrMismatch) {
		return nil, err
	}
	if err := cache.Admits(ctx, dir, key); err != nil { // before the teacher is opened
		return nil, refused(err)
	}
	plan, model, err := r.plan(ctx, c, data, key)
	if err != nil {
		return nil, err
	}
	defer model.Close()
	w, err := cache.Create(ctx, dir, plan)
	if err != nil {
		return nil, refused(err)
	}
	r.sayKept(w.Plan(), dir, c.Cache.RowsPerShard, 0)
	if err := r.fill(ctx, c, w, model, data); err != nil {
		return nil, errors.Join(err, w.Abandon(context.WithoutCancel(ctx)))
	}
	if _, err := w.Commit(ctx); err != nil {
		return nil, err
	}
	return cache.Open(ctx, dir)
}

// checkKey compares a cache with what the configuration asks for. Where they differ, the error says what to do.
func checkKey(ctx context.Context, c *cache.Cache, key cache.Key, data datasets.Dataset) error {
	err := c.Check(key)
	have := c.Manifest().Key
	switch {
	case err == nil:
		return nil
	case len(have.Differ(key)) > 0 || c.DrawsByID():
		return refused(err)
	case have.Dataset == key.Dataset:
		return fmt.Errorf("%w: \"rkd precompute\" computes the views that are missing", err)
	}
	changes, listErr := c.Changes(ctx, samplesOf(data))
	if listErr != nil {
		return errors.Join(err, listErr)
	}
	if was, now, ok := otherDecoder(changes, data); ok {
		if mismatch, is := errors.AsType[*cache.MismatchError](err); is {
			mismatch.Differences = []cache.Difference{{Field: "decoder", Have: was, Want: now}}
		}
		return fmt.Errorf("%w: %d files that are what they were have other pixels since; \"rkd precompute\" computes them "+
			"anew", err, len(changes.Changed))
	}
	return fmt.Errorf("%w: samples have changed since: %s; \"rkd precompute\" computes those that are missing", err,
		changes)
}

// otherDecoder says that samples have changed because another version of a decoder gave their pixels, and which.
func otherDecoder(changes *cache.Changes, data datasets.Dataset) (was, now string, ok bool) {
	if changes == nil || len(changes.Changed) == 0 {
		return "", "", false
	}
	for i := range data.Len() {
		if path := data.Rel(i); path == changes.Changed[0] {
			return datasets.Decoders(data.Sample(i), changes.Before[path])
		}
	}
	return "", "", false
}

// refused adds what to do to the error of a cache that was made from something else.
func refused(err error) error {
	if mismatch, ok := errors.AsType[*cache.MismatchError](err); ok {
		return fmt.Errorf("%w; give it what it was made with, or set another cache.dir: what is there stays useful, and "+
			"removing %q would cost computing all of it again", err, mismatch.Dir)
	}
	return err
}

// cacheKey is what decides the embeddings that a cache of a data set holds.
func cacheKey(data datasets.Dataset, c *config.Config) (cache.Key, error) {
	return cacheKeyOf(data.Fingerprint(), data.Mixed(), c)
}

// plannedKey is cacheKey of the data that a key is of, which need not be looked at for it.
func plannedKey(have cache.Key, c *config.Config) (key cache.Key, mixed bool, err error) {
	mixed = c.Teacher.Preprocess.Color == "" && have.Preprocess == c.Teacher.Preprocess.CanonicalOf(true)
	key, err = cacheKeyOf(have.Dataset, mixed, c)
	return key, mixed, err
}

func cacheKeyOf(dataset string, mixed bool, c *config.Config) (cache.Key, error) {
	hash, tap, err := teacherKey(c.Teacher)
	if err != nil {
		return cache.Key{}, err
	}
	key := cache.Key{
		Model: hash, Output: tap, Logits: logitsKey(c.Teacher.Logits), Preprocess: c.Teacher.Preprocess.CanonicalOf(mixed),
		Normalize: cmp.Or(c.Teacher.Normalize, teacher.NormalizeNone), Views: c.Cache.Views, DType: c.Cache.DType,
		PCA: c.Cache.PCA, Whiten: c.Cache.Whiten, Dataset: dataset,
	}
	if c.Cache.Views > 1 {
		key.ViewPolicy = c.Data.Augment.Canonical()
		key.ViewSeed = c.Data.ViewSeed
	}
	return key, nil
}

// declaredTap stands for the output of a teacher that is declared.
const declaredTap = "declared"

// teacherKey identifies a teacher and its output: by the model's bytes, or by the name of one that is declared.
func teacherKey(o teacher.Options) (hash, tap string, err error) {
	if o.Declared != "" {
		return sha256JSON(declaredTap, o.Declared), declaredTap, nil
	}
	model, err := loadModel(o.Model)
	if err != nil {
		return "", "", err
	}
	if hash, err = model.Hash(); err != nil {
		return "", "", err
	}
	tap, err = o.Tap(model) // naming the default is not another experiment
	if err != nil {
		return "", "", fmt.Errorf("opening model %q: %w", o.Model, err)
	}
	return hash, tap, nil
}

// samplesOf describes the samples of a data set as a plan does.
func samplesOf(data datasets.Dataset) []cache.Sample {
	classes := data.Classes()
	samples := make([]cache.Sample, data.Len())
	for i := range samples {
		samples[i] = cache.Sample{
			ID: data.ID(i), Label: data.Label(i), Class: datasets.ClassName(classes, data.Label(i)), Path: data.Rel(i),
			Content: data.Sum(i),
		}
	}
	return samples
}

// plan opens the teacher and says what the cache is to hold.
func (r *Runner) plan(ctx context.Context, c *config.Config, data datasets.Dataset, key cache.Key) (cache.Plan,
	*teacher.Model, error,
) {
	resolved, err := r.Experiment.TaughtBy(c).Resolved()
	if err != nil {
		return cache.Plan{}, nil, err
	}
	model, _, err := r.openModel(ctx, c.Teacher, data)
	if err != nil {
		return cache.Plan{}, nil, err
	}
	err = checkTop(c.Teacher.Logits, model.LogitsDim())
	if err == nil && r.checks != nil && len(r.Experiment.Base.Teachers) == 0 &&
		c.Teacher.Model == r.Experiment.Base.Teacher.Model {
		err = r.checkWidths(ctx, []outputWidths{modelWidths(c, model.Dim(), model.LogitsDim())})
	}
	if err == nil {
		err = checkDisk(c.Cache.Dir, cacheBytes(data, c.Cache.Views, model.Dim(), logitsWidth(c.Teacher.Logits,
			model.LogitsDim())))
	}
	if err != nil {
		return cache.Plan{}, nil, errors.Join(err, model.Close())
	}
	basis, err := r.basis(ctx, c, model, data)
	if err != nil {
		return cache.Plan{}, nil, errors.Join(err, model.Close())
	}
	plan := cache.Plan{
		Key: key, Basis: basis, Views: c.Cache.Views, RowsPerShard: c.Cache.RowsPerShard, Dim: model.Dim(),
		LogitsDim: logitsWidth(c.Teacher.Logits, model.LogitsDim()),
		Config:    string(resolved), Samples: samplesOf(data),
	}
	if basis != nil {
		plan.Dim = basis.Dim()
	}
	return plan, model, nil
}

// fill makes the shards that a writer misses.
func (r *Runner) fill(ctx context.Context, c *config.Config, w *cache.Writer, model *teacher.Model,
	data datasets.Dataset,
) error {
	for _, broken := range w.Broken() {
		r.Progress.Say("precompute: made again: %v", broken)
	}
	w.Describe(func(s cache.Sample, view int32) string {
		if view == 0 {
			return ""
		}
		return fmt.Sprintf(`{"seed":%d,"by":%d,"view":%d}`, c.Data.ViewSeed,
			int64(binary.LittleEndian.Uint64(s.Content[:])), view)
	}) // with the policy, which is in the key, all that Views.Draw takes
	transform := model.Transform()
	if p, ok := transform.(*datasets.Pictures); ok {
		transform = p.WithViews(c.Data.Augment, c.Data.ViewSeed, false)
	}
	basis, err := w.Basis(ctx)
	if err != nil {
		return err
	}
	if basis != nil && basis.Width() != model.Dim() {
		return fmt.Errorf("%w: the teacher gives %d numbers, the principal components of the plan are of %d",
			cache.ErrMismatch, model.Dim(), basis.Width())
	}
	f := &filler{
		w: w, model: model, basis: basis, logits: c.Teacher.Logits, data: data, transform: transform, progress: r.Progress,
		places: map[string]int{},
	}
	for i := range data.Len() {
		f.places[data.Rel(i)] = i
	}
	rows, left := w.Planned()
	if left == 0 {
		return nil
	}
	r.Progress.Start("precompute", "images", rows-left, rows)
	defer r.Progress.Finish()
	for _, shard := range w.Missing() {
		if err := f.fill(ctx, shard); err != nil {
			return fmt.Errorf("filling shard %d of the cache: %w", shard, err)
		}
	}
	saySkipped(r.Progress, "precompute", f.skipped, rows)
	if p, ok := transform.(*datasets.Pictures); ok {
		if warning := p.Warning(); warning != "" {
			r.Progress.Say("precompute: warning: %s", warning)
		}
	}
	return nil
}

// filler computes the rows of shards.
type filler struct {
	w         *cache.Writer
	model     *teacher.Model
	logits    teacher.Logits
	basis     *cache.Basis // nil without
	data      datasets.Dataset
	places    map[string]int // of samples in data, by their paths
	transform datasets.Transform
	progress  Progress
	skipped   []datasets.Skipped
}

// fill makes a shard. What was computed before an interruption is kept, by this process or the next one.
func (f *filler) fill(ctx context.Context, shard int) (err error) {
	s, err := f.w.Fill(ctx, shard)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Keep(context.WithoutCancel(ctx)))
		}
	}()
	f.progress.Add(s.Done())
	planned := s.Rows(s.Planned())
	requests := make([]datasets.Row, len(planned.IDs))
	for i, a := range planned.About {
		at, ok := f.places[a.Path]
		if !ok {
			return fmt.Errorf("%w: the data have changed since the plan was written: %q is not there any more; "+
				"write a new plan with \"rkd precompute --plan\"", cache.ErrMismatch, a.Path)
		}
		requests[i] = datasets.Row{Sample: at, View: planned.Views[i]}
	}
	if len(requests) > 0 {
		e := newEmbedder(f.model, f.data, requests, f.transform)
		err = e.embed(ctx, e.loader.InOrder(0, e.loader.Len()), func(b *datasets.Batch, out teacher.Embeddings) error {
			rows := cache.Rows{Embeddings: out.Embedding, Logits: packLogits(f.logits, out.Logits, f.model.LogitsDim())}
			if f.basis != nil {
				rows.Embeddings = f.basis.Reduce(out.Embedding)
			}
			for _, row := range b.Rows {
				rows.IDs = append(rows.IDs, planned.IDs[row])
				rows.Views = append(rows.Views, planned.Views[row])
				rows.Labels = append(rows.Labels, planned.Labels[row])
			}
			f.skipped = append(f.skipped, b.Skipped...)
			f.progress.Add(b.Len() + len(b.Skipped))
			return s.Add(ctx, b.Len()+len(b.Skipped), rows)
		})
		if err != nil {
			return changed(err)
		}
	}
	return s.Finish(ctx)
}
