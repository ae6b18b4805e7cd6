package train_test

import (
	"context"
	"errors"
	"iter"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"gorgonia.org/tensor"

	"rkd/datasets"
	"rkd/models/ort/orttest"
	"rkd/student/arch"
	"rkd/student/engine"
	"rkd/student/loss"
	"rkd/student/sampler"
	"rkd/student/train"
)

// observer can do something after a step.
type observer struct {
	after func(step int)
	step  int
	total int
}

func (o *observer) Start(done, total int) { o.step, o.total = done, total }

func (o *observer) Epoch(train.Metrics) {}

func (o *observer) Step() {
	o.step++
	if o.after != nil {
		o.after(o.step)
	}
}

// engines are what a training may run on.
var engines = map[string]func(*arch.Network, *arch.Weights, int) (engine.Engine, error){
	"gorgonia": func(n *arch.Network, w *arch.Weights, batch int) (engine.Engine, error) {
		return engine.NewGorgonia(n, w, batch)
	},
	"onnxruntime": func(n *arch.Network, w *arch.Weights, batch int) (engine.Engine, error) {
		return engine.NewONNXRuntime(n, w, batch, engine.Options{Threads: 2})
	},
}

// newJob is a small training on 3 noisy classes of 8×8 images, on the default engine: two epochs of 5 steps.
func newJob(t *testing.T, dir string) train.Job {
	t.Helper()
	return newJobOn(t, dir, "onnxruntime")
}

// fixed is an Input whose rows are in memory.
type fixed struct {
	values []float32 // (R,size)
	size   int
}

// Batches copies rows.
func (f fixed) Batches(ctx context.Context, order iter.Seq[[]int]) iter.Seq2[*datasets.Batch, error] {
	return func(yield func(*datasets.Batch, error) bool) {
		for rows := range order {
			b := &datasets.Batch{Rows: rows}
			for _, row := range rows {
				b.Values.Float32 = append(b.Values.Float32, f.values[row*f.size:(row+1)*f.size]...)
			}
			if ctx.Err() != nil {
				yield(nil, ctx.Err())
				return
			}
			if !yield(b, nil) {
				return
			}
		}
	}
}

func newJobOn(t *testing.T, dir, kind string) train.Job {
	t.Helper()
	orttest.Start(t)
	const perClass, side, teacherDim = 12, 8, 6
	r := rand.New(rand.NewPCG(1, 2))
	var rows train.Rows
	var pixels []float32
	for i := range 3 * perClass {
		class := i % 3
		rows.Labels = append(rows.Labels, int32(class))
		rows.Samples = append(rows.Samples, int64(i))
		for p := range side * side {
			pixels = append(pixels, float32(math.Sin(float64(p*(class+1)))+0.3*r.NormFloat64()))
		}
		for d := range teacherDim {
			rows.Teacher = append(rows.Teacher, float32(math.Cos(float64(d*class))+0.1*r.NormFloat64()))
		}
	}
	rows.Input = fixed{pixels, side * side}
	network, err := arch.New(arch.Config{Layers: []arch.Layer{
		{Kind: arch.Conv, Out: 4, Pad: 1},
		{Kind: arch.BatchNorm},
		{Kind: arch.ReLU},
		{Kind: arch.MaxPool},
		{Kind: arch.Dropout, Rate: 0.2},
		{Kind: arch.Flatten},
	}}, []int{1, side, side}, 3, false)
	if err != nil {
		t.Fatal(err)
	}
	weights := network.Init(9, tensor.Float32)
	share := 0.25
	options := train.Options{
		Batch: sampler.Shape{Kind: sampler.PK, Classes: 3, PerClass: 4}, Epochs: 2, StepsPerEpoch: 5, LR: 0.01, ClipNorm: 5,
		Selection:       &share,
		CheckpointSteps: 2,
	}.WithDefaults(len(rows.Labels))
	trainer, err := engines[kind](network, weights, options.Batch.Rows())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { trainer.Close() })
	sum := new(loss.Sum[float32])
	sum.Add(1, loss.NewRelational[float32](1, 2))
	triplet, err := loss.NewTriplet[float32](loss.TripletOptions{Margin: 0.2, Miner: "distance_weighted"})
	if err != nil {
		t.Fatal(err)
	}
	sum.Add(0.5, triplet)
	regression, err := loss.NewRegression[float32](loss.RegressionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	projection, err := loss.NewProjection[float32]("regression", loss.ProjectionOptions{Bias: true},
		network.Dim, teacherDim, r)
	if err != nil {
		t.Fatal(err)
	}
	sum.AddScheduled(1, loss.Schedule{Warmup: 1.5}, loss.NewProjected(projection, regression))
	return train.Job{
		Options: options, Seed: 9, Key: "k", Dir: dir, Resume: true, Network: network, Engine: trainer, Loss: sum,
		Rows: rows, Observer: &observer{},
		Score: func(_ context.Context, embeddings []float32, labels []int32) (float64, error) {
			if len(embeddings) != 3*len(labels) || len(labels) != 9 {
				t.Errorf("%d values for %d labels, expected 3 for each of 9", len(embeddings), len(labels))
			}
			return float64(embeddings[0]), nil
		},
	}
}

func TestTrainingLowersTheLoss(t *testing.T) {
	job := newJob(t, t.TempDir())
	job.Options.Epochs = 8
	c, err := train.Run(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	first, last := c.Epochs[0], c.Epochs[7]
	if !(last.Loss < 0.7*first.Loss) {
		t.Errorf("loss goes from %g to %g, expected a fall by 30 %%", first.Loss, last.Loss)
	}
	for _, name := range []string{"rkd_distance", "rkd_angle", "triplet"} {
		if _, ok := last.Terms[name]; !ok {
			t.Errorf("terms %v lack %s", last.Terms, name)
		}
	}
}

func TestBestIsTheHighestScore(t *testing.T) {
	job := newJob(t, t.TempDir())
	job.Options.Epochs = 4
	scores := []float64{0.5, 0.9, 0.9, 0.7}
	job.Score = func(context.Context, []float32, []int32) (float64, error) {
		s := scores[0]
		scores = scores[1:]
		return s, nil
	}
	c, err := train.Run(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Chosen(); got.Step != 10 || got.Score != 0.9 {
		t.Errorf("chosen %+v, expected the first of the highest, step 10", got)
	}
	if got := c.Last; got.Step != 20 {
		t.Errorf("last is step %d, expected 20", got.Step)
	}
}

// poisoned is an Input with a number that is none in its fourth batch.
type poisoned struct{ train.Input }

// Batches yields those of the input.
func (p poisoned) Batches(ctx context.Context, order iter.Seq[[]int]) iter.Seq2[*datasets.Batch, error] {
	return func(yield func(*datasets.Batch, error) bool) {
		n := 0
		for b, err := range p.Input.Batches(ctx, order) {
			if n++; n == 4 {
				b.Values.Float32[70] = float32(math.NaN())
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

func TestDivergenceNamesStepSampleAndCheckpoint(t *testing.T) {
	dir := t.TempDir()
	job := newJob(t, dir)
	job.Rows.Input = poisoned{job.Rows.Input}
	_, err := train.Run(t.Context(), job)
	if !errors.Is(err, train.ErrDiverged) {
		t.Fatalf("error is %v, expected ErrDiverged", err)
	}
	for _, part := range []string{"at step 4", "sample", "last good checkpoint is step 2", dir} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
	if c, err := train.ReadCheckpoint(dir); err != nil || c.Step != 2 {
		t.Errorf("checkpoint is %+v (%v), expected the one of step 2 untouched", c, err)
	}
}
