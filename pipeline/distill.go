package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"
	"gorgonia.org/tensor"

	"rkd/datasets"
	"rkd/pipeline/cache"
	"rkd/pipeline/eval"
	"rkd/student/engine"
	"rkd/student/train"
)

// Distill trains the students of tasks against the cache, without the teacher. A training that is finished and made from
// the same configuration, cache and data is left alone. With resume an unfinished one goes on from its checkpoint, to the
// same bytes as if it had not been stopped; otherwise, and where its configuration has changed, it starts again.
func (r *Runner) Distill(ctx context.Context, tasks []Task, resume bool) error {
	data, err := r.dataset(ctx, "train")
	if err != nil {
		return err
	}
	source, err := r.openCache(data)
	if err != nil {
		return err
	}
	var table *cache.Table // read when the first training needs it
	for _, t := range tasks {
		key, a, err := r.describe(t, data, source)
		if err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
		found, err := train.ReadCheckpoint(t.Dir())
		if err != nil && !errors.Is(err, train.ErrNoCheckpoint) {
			return fmt.Errorf("%s: %w", t, err)
		}
		same := found != nil && found.Key == key
		if same && found.Done {
			if _, err := readStudent(t.Dir()); err != nil {
				return fmt.Errorf("%s: %w", t, err)
			}
			r.Progress.Say("distill %s: up to date", t)
			continue
		}
		if table == nil {
			if table, err = source.Load(ctx); err != nil {
				return err
			}
		}
		if err := r.train(ctx, t, key, a, data, table, resume && same); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	return nil
}

// openCache opens the cache of the experiment and holds it against the configuration.
func (r *Runner) openCache(data datasets.Dataset) (*cache.Cache, error) {
	c, err := cache.Open(r.Experiment.Base.Cache.Dir)
	if err != nil {
		return nil, err
	}
	key, err := r.cacheKey(data)
	if err != nil {
		return nil, err
	}
	return c, r.checkKey(c, key)
}

// describe returns what identifies a training, and the description of its student.
func (r *Runner) describe(t Task, data datasets.Dataset, source *cache.Cache) (string, *about, error) {
	c := t.Config
	img, err := firstImage(data, c.Data.Train.OnError == "skip")
	if err != nil {
		return "", nil, err
	}
	input, err := c.Student.Preprocess.Shape(img)
	if err != nil {
		return "", nil, fmt.Errorf("student.preprocess: %w", err)
	}
	if c.Student.Preprocess.Layout == "NHWC" {
		return "", nil, fmt.Errorf("%w: student.preprocess.layout is \"NHWC\", expected NCHW: the student's operators take (N,C,H,W)", ErrConfig)
	}
	resolved, err := yaml.Marshal(c)
	if err != nil {
		return "", nil, fmt.Errorf("writing out the configuration: %w", err)
	}
	m := source.Manifest()
	a := &about{
		Variant: t.Variant, Seed: t.Seed, Input: input, Pixels: [3]int{img.Height, img.Width, img.Channels},
		Teacher: m.Key.Model, Cache: m.KeyHash, Config: string(resolved),
	}
	key, err := fingerprint(m.KeyHash, input, c.Student, c.Loss, c.Train, t.Seed, c.Data.Augment, c.Data.ViewSeed)
	return key, a, err
}

// train runs one training.
func (r *Runner) train(ctx context.Context, t Task, key string, a *about, data datasets.Dataset, table *cache.Table,
	resume bool,
) error {
	network, err := newNetwork(t.Config, a.Input)
	if err != nil {
		return err
	}
	if err := t.Config.Loss.checkWidths(network.Dim, table.Dim); err != nil {
		return err
	}
	objective, err := t.Config.Loss.build()
	if err != nil {
		return err
	}
	samples, err := newSamples(data, t.Config, table, a.Input)
	if err != nil {
		return err
	}
	weights := network.Init(t.Seed, tensor.Float32)
	options := t.Config.Train.WithDefaults(len(table.IDs))
	machine, err := engine.NewGorgonia(network, weights, options.Batch.Rows())
	if err != nil {
		return err
	}
	defer machine.Close()
	description, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("describing the student: %w", err)
	}
	defer r.Progress.Finish()
	_, err = train.Run(ctx, train.Job{
		Options: options, Seed: t.Seed, Key: key, About: description, Dir: t.Dir(), Resume: resume,
		Network: network, Weights: weights, Engine: machine, Loss: objective,
		Rows:     train.Rows{Labels: table.Labels, Samples: table.IDs, Teacher: table.Embeddings, Load: samples.load},
		Score:    mapAtRScore(network.Dim),
		Observer: &trainingProgress{task: t, progress: r.Progress, epochs: options.Epochs},
	})
	return err
}

// mapAtRScore scores the embeddings of a selection split by MAP@R: on classes that training has seen Recall@1 is near 1
// from the first epoch on, and its noise would choose.
func mapAtRScore(dim int) func(context.Context, []float32, []int32) (float64, error) {
	return func(ctx context.Context, embeddings []float32, labels []int32) (float64, error) {
		scores, err := eval.Retrieval(ctx, embeddings, len(labels), dim, labels, nil)
		if err != nil {
			return 0, err
		}
		return scores.MAPAtR, nil
	}
}

// trainingProgress tells a training's progress.
type trainingProgress struct {
	task     Task
	progress Progress
	epochs   int
}

// Start begins the stage.
func (p *trainingProgress) Start(done, total int) {
	p.progress.Start("distill "+p.task.String(), "steps", done, total)
}

// Step counts one step.
func (p *trainingProgress) Step() { p.progress.Add(1) }

// Epoch tells an epoch's figures.
func (p *trainingProgress) Epoch(m train.Metrics) {
	line := fmt.Sprintf("distill %s: epoch %d/%d, loss %.4f", p.task, m.Epoch, p.epochs, m.Loss)
	if m.Selection != nil {
		line += fmt.Sprintf(", map@r %.4f on the selection split", *m.Selection)
	}
	p.progress.Say("%s, %.1f ms a step", line, m.StepMillis)
}
