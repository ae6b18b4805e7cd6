package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"time"

	"gorgonia.org/tensor"

	"rkd/datasets"
	"rkd/student/arch"
	"rkd/student/engine"
	"rkd/student/loss"
	"rkd/student/sampler"
)

// ErrDiverged reports a loss or a gradient that is no number.
var ErrDiverged = errors.New("training diverged")

// Observer hears how training goes.
type Observer interface {
	Start(done, total int) // steps
	Step()
	Epoch(m Metrics)
}

// Job is one training: everything that it needs, made by the caller.
type Job struct {
	Options Options // filled in by WithDefaults
	Seed    uint64
	// Key identifies the training. A checkpoint with another key is not resumed.
	Key   string
	Run   string          // its name in metrics.jsonl
	About json.RawMessage // kept in the checkpoint
	// Dir is the checkpoint folder. Resume goes on from the checkpoint there, if there is one.
	Dir    string
	Resume bool
	// Saved, where there is one, is called after every checkpoint.
	Saved func() error

	Network *arch.Network
	Engine  engine.Engine // of Network, with its first weights; Run trains them
	Loss    *loss.Sum[float32]
	Rows    Rows
	// Score measures the embeddings, (len(labels),Dim), of the selection split: higher is better. ScoreName is its metric.
	ScoreName string
	Score     func(ctx context.Context, embeddings []float32, labels []int32) (float64, error)
	// Watch, where there is one, is measured after every epoch, too. It decides nothing.
	Watch    *Watch
	Observer Observer
}

// run is a Job under way.
type run struct {
	Job
	batches    sampler.Batches
	held       []int
	store      *store
	checkpoint *Checkpoint
	sampleSize int
	teacher    side
	logits     side
}

// side is what the teacher says of a batch.
type side struct {
	dim  int
	rows []float32 // (N,dim)

	unpack   func(to, row []float32) // nil: the rows are as they are
	classes  int                     // width of what unpack makes
	unpacked []float32               // (N,classes)
}

func (s *side) gather(of []float32, rows []int) loss.Matrix[float32] {
	s.rows = gather(s.rows, of, rows, s.dim)
	if s.unpack == nil || s.dim == 0 {
		return loss.Matrix[float32]{Rows: len(rows), Cols: s.dim, Data: s.rows}
	}
	s.unpacked = slices.Grow(s.unpacked[:0], len(rows)*s.classes)[:len(rows)*s.classes]
	for i := range rows {
		s.unpack(s.unpacked[i*s.classes:(i+1)*s.classes], s.rows[i*s.dim:(i+1)*s.dim])
	}
	return loss.Matrix[float32]{Rows: len(rows), Cols: s.classes, Data: s.unpacked}
}

// Run trains until all epochs are done and returns the last checkpoint. Batches, mining and weights are functions of
// the seed and the step, and a checkpoint holds everything else, so a training that was stopped and resumed ends with
// the same bytes as one that was not.
//
// When ctx ends, Run finishes the step under way, writes a checkpoint and returns ctx's error. A loss or gradient that
// is not finite ends it with ErrDiverged, naming the step and the last checkpoint, which stays as it was. Without
// job.Resume an earlier checkpoint stays until the first new one replaces it; with it, one of another key is
// ErrCheckpoint.
func Run(ctx context.Context, job Job) (*Checkpoint, error) {
	r := &run{Job: job, sampleSize: tensor.Shape(job.Network.Input).TotalSize()}
	if err := r.prepare(); err != nil {
		return nil, err
	}
	total := job.Options.Epochs * job.Options.StepsPerEpoch
	job.Observer.Start(r.checkpoint.Step, total)
	// A training that was stopped while it scored an epoch has the score left to do.
	if r.checkpoint.Epoch.Steps == job.Options.StepsPerEpoch {
		if err := r.pause(ctx); err != nil {
			return nil, err
		}
	}
	waiting := time.Now()
	for b, err := range job.Rows.Input.Batches(ctx, r.order(total)) {
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return nil, err
		}
		r.checkpoint.Epoch.Profile.LoadMillis += millis(time.Since(waiting))
		if err := r.step(b); err != nil {
			return nil, err
		}
		r.checkpoint.Epoch.Seconds += time.Since(waiting).Seconds()
		job.Observer.Step()
		if err := r.pause(ctx); err != nil {
			return nil, err
		}
		waiting = time.Now()
	}
	if ctx.Err() != nil && r.checkpoint.Step < total {
		return nil, r.stop(ctx)
	}
	return r.checkpoint, nil
}

// order is the rows of the batches from the checkpoint's step on.
func (r *run) order(total int) iter.Seq[[]int] {
	first := r.checkpoint.Step
	return func(yield func([]int) bool) {
		for step := first; step < total && yield(r.batches.Batch(step)); step++ {
		}
	}
}

// prepare makes the parts of a run and brings them to where the checkpoint, if any, left them.
func (r *run) prepare() error {
	if len(r.Rows.Labels) == 0 {
		return fmt.Errorf("%w: no training rows", ErrOptions)
	}
	r.teacher.dim = len(r.Rows.Teacher) / len(r.Rows.Labels)
	r.logits.dim = len(r.Rows.Logits) / len(r.Rows.Labels)
	r.logits.unpack, r.logits.classes = r.Rows.Unpack, r.Rows.Classes
	train, held, err := sampler.Split(r.Rows.Labels, r.Rows.Samples, *r.Options.Selection, r.Seed)
	if err != nil {
		return err
	}
	r.held = held
	if r.batches, err = sampler.New(r.Rows.Labels, train, r.Options.Batch, r.Seed); err != nil {
		return err
	}
	update := engine.Update{Optimizer: r.Options.optimizer(), ClipNorm: r.Options.ClipNorm}
	params := r.Loss.Params()
	for i, t := range Learned(params) {
		update.Learned = append(update.Learned, engine.Learned{Tensor: t, Grad: params[i].Grad})
	}
	if err := r.Engine.Optimize(update); err != nil {
		return err
	}
	return r.resume()
}

// resume brings the engine to the checkpoint of the folder, or begins a new one.
func (r *run) resume() error {
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		return fmt.Errorf("making the checkpoint folder: %w", err)
	}
	r.store = &store{dir: r.Dir, engine: r.Engine, saved: r.Saved}
	c, err := ReadCheckpoint(r.Dir)
	switch {
	case !r.Resume, errors.Is(err, ErrNoCheckpoint):
		// What an earlier training left stays until this one's first checkpoint takes its place.
		r.checkpoint = &Checkpoint{
			Format: CheckpointFormat, Key: r.Key, Run: r.Run, About: r.About,
			Instructions: []string{engine.Instructions()},
		}
		return nil
	case err != nil:
		return err
	case c.Key != r.Key:
		return fmt.Errorf("%w: %q was trained with another configuration, data set, cache or seed", ErrCheckpoint, r.Dir)
	case c.Step > r.Options.Epochs*r.Options.StepsPerEpoch:
		return fmt.Errorf("%w: %q has taken %d steps, expected at most %d", ErrCheckpoint, r.Dir, c.Step,
			r.Options.Epochs*r.Options.StepsPerEpoch)
	}
	if err := c.restore(r.Dir, r.Engine); err != nil {
		return err
	}
	if len(c.Instructions) == 0 || c.Elsewhere() != "" {
		c.Instructions = append(c.Instructions, engine.Instructions())
	}
	r.checkpoint = c
	if err := r.writeFigures(); err != nil {
		return err
	}
	return r.store.tidy(c)
}

// writeFigures writes the figures of the checkpoint's epochs beside it.
func (r *run) writeFigures() error {
	if err := r.checkpoint.RestoreMetrics(r.Dir); err != nil || !r.Options.TensorBoard {
		return err
	}
	return r.checkpoint.WriteEvents(r.Dir, r.ScoreName)
}

// step trains on one batch.
func (r *run) step(b *datasets.Batch) error {
	n := b.Len()
	labels := make([]int32, n)
	for i, row := range b.Rows {
		labels[i] = r.Rows.Labels[row]
	}
	var value loss.Value
	result, err := r.Engine.Step(b.Values.Float32[:n*r.sampleSize], r.rate(r.checkpoint.Step),
		func(embedding, gradient []float32) (_ float64, err error) {
			value, err = r.Loss.Eval(loss.Batch[float32]{
				Student: loss.Matrix[float32]{Rows: n, Cols: r.Network.Dim, Data: embedding},
				Teacher: r.teacher.gather(r.Rows.Teacher, b.Rows),
				Logits:  r.logits.gather(r.Rows.Logits, b.Rows),
				Labels:  labels,
				Epoch:   float64(r.checkpoint.Step) / float64(r.Options.StepsPerEpoch),
				Rand:    sampler.Stream(r.Seed, "mining", r.checkpoint.Step),
			}, loss.Matrix[float32]{Rows: n, Cols: r.Network.Dim, Data: gradient})
			return value.Total, err
		})
	if errors.Is(err, engine.ErrNotFinite) {
		return r.diverged(fmt.Sprintf("loss is %g, gradient norm %g", result.Loss, result.GradNorm))
	}
	if err != nil {
		return r.failed(err, b.Rows)
	}
	sums := &r.checkpoint.Epoch
	sums.Profile.add(Profile{
		ForwardMillis: millis(result.Forward), LossMillis: millis(result.Objective),
		BackwardMillis: millis(result.Backward), OptimizerMillis: millis(result.Update),
	}, 1)
	sums.Steps++
	sums.Loss += value.Total
	sums.GradNorm += result.GradNorm
	if sums.Terms == nil {
		sums.Terms = map[string]float64{}
	}
	for _, term := range value.Terms {
		sums.Terms[term.Name] += term.Value
	}
	r.checkpoint.Step++
	return nil
}

func millis(d time.Duration) float64 { return 1000 * d.Seconds() }

// rate is the learning rate of a step, from 0.
func (r *run) rate(step int) float64 {
	o := r.Options
	return o.Schedule.Rate(o.LR, step, o.StepsPerEpoch, o.Epochs*o.StepsPerEpoch)
}

// failed names the step of an error, and the sample where it is about a row of the batch, else the batch's samples.
func (r *run) failed(err error, rows []int) error {
	var row *loss.RowError
	if errors.As(err, &row) && row.Row < len(rows) {
		err = fmt.Errorf("sample %d: %w", r.Rows.Samples[rows[row.Row]], err)
	} else if errors.Is(err, loss.ErrDegenerate) || errors.Is(err, loss.ErrBatch) {
		ids := make([]int64, len(rows))
		for i, row := range rows {
			ids[i] = r.Rows.Samples[row]
		}
		err = fmt.Errorf("samples %v: %w", ids, err)
	}
	if errors.Is(err, loss.ErrNotFinite) {
		return r.diverged(err.Error())
	}
	return fmt.Errorf("step %d: %w", r.checkpoint.Step+1, err)
}

func (r *run) diverged(how string) error {
	last := "there is no checkpoint yet"
	if r.checkpoint.Last.File != "" {
		last = fmt.Sprintf("the last good checkpoint is step %d in %q", r.checkpoint.Last.Step, r.Dir)
	}
	return fmt.Errorf("%w at step %d: %s; %s", ErrDiverged, r.checkpoint.Step+1, how, last)
}

// pause does what is due between two steps: the end of an epoch, or a checkpoint within one.
func (r *run) pause(ctx context.Context) error {
	c := r.checkpoint
	if c.Step%r.Options.StepsPerEpoch != 0 {
		if every := r.Options.CheckpointSteps; every > 0 && c.Step%every == 0 {
			return r.store.save(c)
		}
		return nil
	}
	m := c.Epoch.mean(c.Step/r.Options.StepsPerEpoch, c.Step, r.rate(c.Step-1))
	watched, err := r.watch(ctx)
	if ctx.Err() != nil {
		return r.stop(ctx)
	}
	if err != nil {
		return fmt.Errorf("measuring after step %d: %w", c.Step, err)
	}
	m.Watched = watched
	if len(r.held) > 0 {
		score, err := r.score(ctx)
		if ctx.Err() != nil {
			return r.stop(ctx)
		}
		if err != nil {
			return fmt.Errorf("scoring the selection split after step %d: %w", c.Step, err)
		}
		m.Selection, m.SelectionMetric = &score, r.ScoreName
		if c.Best == nil || score > c.Best.Score {
			best, err := r.store.best(c.Step, score)
			if err != nil {
				return err
			}
			c.Best = best
		}
	}
	c.Epochs = append(c.Epochs, m)
	c.Epoch = epochSums{}
	c.Done = c.Step == r.Options.Epochs*r.Options.StepsPerEpoch
	if err := r.store.save(c); err != nil {
		return err
	}
	if err := r.writeFigures(); err != nil {
		return err
	}
	r.Observer.Epoch(m)
	return nil
}

// stop writes a checkpoint because ctx has ended.
func (r *run) stop(ctx context.Context) error {
	if r.checkpoint.Step > 0 {
		if err := r.store.save(r.checkpoint); err != nil {
			return errors.Join(err, ctx.Err())
		}
	}
	return fmt.Errorf("stopped after step %d, checkpoint in %q: %w", r.checkpoint.Step, r.Dir, ctx.Err())
}
