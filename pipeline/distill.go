package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"
	"gorgonia.org/tensor"

	"rkd/datasets"
	"rkd/datasets/fault"
	"rkd/pipeline/cache"
	"rkd/pipeline/config"
	"rkd/pipeline/eval"
	"rkd/pipeline/objective"
	"rkd/student/arch"
	"rkd/student/loss"
	"rkd/student/train"
)

// ErrMismatch reports a student that was trained from another configuration than the one at hand.
var ErrMismatch = errors.New("another configuration")

// Distill trains the students of tasks against the cache, without the teacher. A training that is finished and made
// from the same configuration, cache and data is left alone; an unfinished one goes on from its checkpoint, to the same
// bytes as if it had not been stopped; one of fewer epochs goes on where the schedule does not depend on their number.
// What was trained from another configuration is ErrMismatch, with what differs, unless the runner overwrites. What
// evaluation would refuse later is refused before the first step.
func (r *Runner) Distill(ctx context.Context, tasks []Task) (err error) {
	if err := r.check(ctx); err != nil {
		return err
	}
	trainings, err := r.prepare(ctx, tasks)
	if err != nil {
		return err
	}
	release, err := r.holdTasks(ctx, tasks)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	return r.trainAll(ctx, trainings, func() error {
		if len(trainings) == 0 || trainings[0].Generation > 1 {
			return nil
		}
		return r.accountOnce(ctx, r.data["train"], trainings[0].source)
	})
}

// distill is Distill for a caller that holds the run directory; admitted is called before the first training begins,
// when it is clear that none is refused.
func (r *Runner) distill(ctx context.Context, tasks []Task, admitted func() error) error {
	trainings, err := r.prepare(ctx, tasks)
	if err != nil {
		return err
	}
	return r.trainAll(ctx, trainings, admitted)
}

// trainAll runs trainings, or the rest of those that were interrupted.
func (r *Runner) trainAll(ctx context.Context, trainings []*training, admitted func() error) (err error) {
	data, err := r.dataset(ctx, "train")
	if err != nil {
		return err
	}
	states := make([]state, len(trainings))
	for i, t := range trainings { // all of them, before the first one trains
		if states[i], err = r.found(t); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	if err := admitted(); err != nil {
		return err
	}
	var from *source       // that table is of
	var table *cache.Table // read when the first training needs it
	samples := new(input)
	defer func() { err = errors.Join(err, samples.close(), table.Close()) }()
	for i, t := range trainings {
		switch states[i] {
		case upToDate:
			r.Progress.Say("distill %s: up to date", t)
			continue
		case extended:
			r.Progress.Say("distill %s: goes on to epoch %d", t, t.options.Epochs)
		}
		if from != t.source {
			from = t.source
			if err := table.Close(); err != nil {
				return err
			}
			c := &r.Experiment.Base
			keep := c.Data.Keep(0, workDir(c), nil)
			if table, err = from.Load(ctx, keep.Memory, keep.Dir); err != nil {
				return err
			}
		}
		if err := samples.open(r, t, data, table); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
		train := fault.Guard(func() error { return r.train(ctx, t, samples, states[i] != fresh) })
		if err := train(); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	return nil
}

// training is a task with all that it needs but rows, checked.
type training struct {
	Task
	key       string // what identifies it
	about     *about
	source    *source
	options   train.Options
	network   *arch.Network
	objective *objective.Objective
	classes   []string // of the data
}

// trainingOptions are those of a training on so many rows, of which some have labels and others none where they are
// mixed.
func trainingOptions(c *config.Config, rows int, mixed bool) train.Options {
	o := c.Train.WithDefaults(rows)
	if mixed {
		o.Batch = o.Batch.Mixed()
	}
	return o
}

// prepare makes the trainings of all tasks before the first one begins, so that none fails late over its configuration.
func (r *Runner) prepare(ctx context.Context, tasks []Task) ([]*training, error) {
	data, err := r.dataset(ctx, "train")
	if err != nil {
		return nil, err
	}
	mixed := mixes(data)
	var all []*training
	var from *source
	dir := "" // of from
	for _, task := range tasks {
		if dir != task.Config.Cache.Dir {
			var err error
			if from, err = openSource(ctx, data, task.Config); err != nil {
				return nil, err
			}
			dir = task.Config.Cache.Dir
		}
		t := &training{
			Task: task, source: from, options: trainingOptions(task.Config, from.Rows(), mixed), classes: data.Classes(),
		}
		if err := t.describe(ctx, data); err != nil {
			return nil, fmt.Errorf("%s: %w", t, err)
		}
		all = append(all, t)
	}
	return all, nil
}

// openCache opens the cache of a configuration and compares the two.
func openCache(ctx context.Context, data datasets.Dataset, c *config.Config) (*cache.Cache, error) {
	source, err := cache.Open(ctx, c.Cache.Dir)
	if err != nil {
		return nil, err
	}
	key, err := cacheKey(data, c)
	if err != nil {
		return nil, err
	}
	return source, checkKey(ctx, source, key, data)
}

// describe makes the network and what it is trained for, and fills in what identifies the training and describes its
// student.
func (t *training) describe(ctx context.Context, data datasets.Dataset) error {
	c := t.Config
	_, img, err := datasets.First(ctx, data)
	if err != nil {
		return err
	}
	input, err := studentInput(c, img)
	if err != nil {
		return err
	}
	img = c.Student.Preprocess.Developed(img)
	resolved, err := yaml.Marshal(c)
	if err != nil {
		return fmt.Errorf("writing out the configuration: %w", err)
	}
	widths, width := t.source.widths(), 0
	if c.Student.DropIn {
		width = widths.Teacher
	}
	var start string
	if t.network, start, err = newNetwork(c, input, width); err != nil {
		return err
	}
	cacheKey, model := t.source.identity()
	t.about = &about{
		Variant: t.Variant, Seed: t.Seed, Start: start, Input: input, Pixels: [3]int{img.Height, img.Width, img.Channels},
		Teacher: model, Cache: cacheKey, Config: string(resolved), Width: width, Mixed: data.Mixed(),
	}
	if c.Loss.OnLogits() {
		t.about.Classes = c.Loss.Classes(len(data.Classes()), widths.Logits)
	}
	widths.Student, widths.Classes, widths.Shots = t.network.Dim, t.about.Classes, t.options.Batch.Shots
	t.objective, err = c.Loss.Build(widths, c.Student.Head, t.Seed)
	if err != nil {
		return err
	}
	if err := t.options.Batch.Fits(labelsOf(data), c.Cache.Views, *t.options.Selection, t.Seed); err != nil {
		return err
	}
	if err := checkMemory(t.network, t.options, t.options.Batch.Rows()); err != nil {
		return err
	}
	t.key, err = t.about.key(c, t.source.Rows())
	return err
}

// train runs one training.
func (r *Runner) train(ctx context.Context, t *training, samples *input, resume bool) error {
	weights := t.network.Init(t.Seed, tensor.Float32)
	trainer, err := r.openEngine(t.Config.Engine, t.network, weights, t.options.Batch.Rows())
	if err != nil {
		return err
	}
	defer trainer.Close()
	description, err := json.Marshal(t.about)
	if err != nil {
		return fmt.Errorf("describing the student: %w", err)
	}
	watch, watched, err := r.watch(ctx, t, samples.KeptMemory())
	if err != nil {
		return err
	}
	if watched != nil {
		defer watched.Close()
	}
	table := samples.table
	defer r.Progress.Finish()
	score, err := r.newScore(t, table, t.classes)
	if err != nil {
		return err
	}
	_, err = train.Run(ctx, train.Job{
		Options: t.options, Seed: t.Seed, Key: t.key, Run: t.Config.Name + "/" + t.path(), About: description, Dir: t.Dir(),
		Resume:  resume,
		Network: t.network, Engine: trainer, Loss: t.objective.Sum,
		Rows: train.Rows{
			Labels: table.Labels, Samples: table.IDs, Teacher: table.Embeddings, Logits: table.Logits, Input: samples.Loader,
			Unpack: t.source.unpack(), Classes: t.source.widths().Logits,
		},
		ScoreName: score.metric, Score: score.of, Watch: watch, Saved: func() error { return r.saved(ctx, t.Task) },
		Observer: newTrainingProgress(t, r.Progress, score.metric, resume),
	})
	return err
}

// watch returns the test data as a training follows them over the epochs, and what reads them, or nil where the
// configuration asks for no curve. used is the memory that the training data keep.
func (r *Runner) watch(ctx context.Context, t *training, used int64) (*train.Watch, *datasets.Loader, error) {
	c, dim, head := t.Config, t.network.Dim, t.objective.Head
	if !c.Eval.Curve {
		return nil, nil, nil
	}
	data, err := r.dataset(ctx, "test")
	if err != nil {
		return nil, nil, err
	}
	labels, ids := make([]int32, data.Len()), make([]int64, data.Len())
	for i := range labels {
		labels[i], ids[i] = data.Label(i), data.ID(i)
	}
	samples, err := r.studentLoader(t, data, nil, used, false)
	if err != nil {
		return nil, nil, err
	}
	return &train.Watch{
		Rows: train.Rows{Labels: labels, Samples: ids, Input: samples},
		Measure: func(ctx context.Context, embeddings []float32, labels []int32) (map[string]float64, error) {
			out := eval.Outputs{Embeddings: embeddings, Dim: dim, Labels: labels}
			if head != nil {
				var err error
				if out.Logits, err = head.Forward(nil, loss.Matrix[float32]{Rows: len(labels), Cols: dim, Data: embeddings}); err !=
					nil {
					return nil, err
				}
				out.Classes = len(out.Logits) / len(labels)
			}
			figures, err := measure(ctx, c.Eval, out, Quiet{}, 0)
			return figures.Values, err
		},
	}, samples, nil
}
