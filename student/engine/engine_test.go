package engine_test

import (
	"context"
	"errors"
	"math"
	"runtime"
	"slices"
	"testing"

	"gorgonia.org/tensor"

	"rkd/models/ort/orttest"
	"rkd/student/arch"
	"rkd/student/engine"
	"rkd/student/optim"
)

// observable is an engine whose gradients a test can see.
type observable interface {
	engine.Engine
	Gradients() [][]float32 // of the last step, one slice for each of the weights' Params
}

// maker makes an engine for batches of a size.
type maker func(net *arch.Network, weights *arch.Weights, batch int) (observable, error)

func gorgoniaEngine(net *arch.Network, weights *arch.Weights, batch int) (observable, error) {
	return engine.NewGorgonia(net, weights, batch)
}

func onnxRuntimeEngine(net *arch.Network, weights *arch.Weights, batch int) (observable, error) {
	return engine.NewONNXRuntime(net, weights, batch, engine.Options{})
}

// engines pass one suite: every test that calls eachEngine.
var engines = map[string]maker{"gorgonia": gorgoniaEngine, "onnxruntime": onnxRuntimeEngine}

// eachEngine runs body for every engine.
func eachEngine[TB interface {
	testing.TB
	Run(name string, f func(TB)) bool
}](tb TB, body func(tb TB, build maker),
) {
	tb.Helper()
	orttest.Start(tb)
	for name, build := range engines {
		tb.Run(name, func(tb TB) { body(tb, build) })
	}
}

func newEngine(
	tb testing.TB, build maker, c arch.Config, input []int, dim, batch int,
) (observable, *arch.Weights) {
	tb.Helper()
	network, err := arch.New(c, input, dim, false)
	if err != nil {
		tb.Fatal(err)
	}
	weights := network.Init(1, tensor.Float32)
	e, err := build(network, weights, batch)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := e.Close(); err != nil {
			tb.Error(err)
		}
	})
	return e, weights
}

// samples are n fixed values around 0.
func samples(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(math.Sin(float64(i) * 1.7))
	}
	return x
}

// linear is the objective Σ cᵢ·eᵢ with fixed c, whose gradient is c.
func linear(embedding, gradient []float32) (float64, error) {
	sum := 0.0
	for i, v := range embedding {
		gradient[i] = float32(math.Cos(float64(i)*2.3)) / float32(len(embedding))
		sum += float64(gradient[i]) * float64(v)
	}
	return sum, nil
}

// step runs a step at a rate of 1e-3 that must succeed.
func step(tb testing.TB, e engine.Engine, x []float32, objective engine.Objective) engine.Result {
	tb.Helper()
	r, err := e.Step(x, 1e-3, objective)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func TestStepsLowerTheObjective(t *testing.T) {
	eachEngine(t, func(t *testing.T, build maker) {
		e, _ := newEngine(t, build, arch.Config{Conv: []int{4, 6}}, []int{1, 8, 8}, 3, 5)
		if err := e.Optimize(engine.Update{Optimizer: optim.Options{Kind: optim.SGD}}); err != nil {
			t.Fatal(err)
		}
		x := samples(5 * 64)
		var values []float64
		for range 20 {
			r, err := e.Step(x, 0.02, func(embedding, gradient []float32) (float64, error) {
				for i := range gradient {
					if gradient[i] != 0 {
						t.Fatalf("gradient[%d] comes in as %v, expected 0", i, gradient[i])
					}
				}
				return linear(embedding, gradient)
			})
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, r.Loss)
		}
		if !slices.IsSortedFunc(values, func(a, b float64) int {
			if a > b {
				return -1
			}
			return 1
		}) {
			t.Errorf("objective goes %v, expected it to fall with every step", values)
		}
	})
}

func TestInferenceUsesTheRunningStatistics(t *testing.T) {
	eachEngine(t, func(t *testing.T, build maker) {
		e, _ := newEngine(t, build, arch.Config{Conv: []int{4}}, []int{1, 8, 8}, 3, 6)
		x := samples(6 * 64)
		var trained []float32
		keep := func(embedding, gradient []float32) (float64, error) {
			trained = slices.Clone(embedding)
			return linear(embedding, gradient)
		}
		before, err := e.Embed(t.Context(), nil, x)
		if err != nil {
			t.Fatal(err)
		}
		for range 200 { // no weight moves, so the running statistics approach the batch's
			step(t, e, x, keep)
		}
		after, err := e.Embed(t.Context(), nil, x)
		if err != nil {
			t.Fatal(err)
		}
		far, near := 0.0, 0.0
		for i := range trained {
			far = max(far, math.Abs(float64(trained[i]-before[i])))
			near = max(near, math.Abs(float64(trained[i]-after[i])))
		}
		if near > 0.02 || far < 0.1 {
			t.Errorf("training and inference differ by %g before and %g after, expected the latter to vanish", far, near)
		}
	})
}

func TestEmbedTakesAnyNumberOfSamples(t *testing.T) {
	eachEngine(t, func(t *testing.T, build maker) {
		e, _ := newEngine(t, build, arch.Config{Conv: []int{4}}, []int{1, 8, 8}, 3, 4)
		x := samples(11 * 64)
		all, err := e.Embed(t.Context(), nil, x)
		if err != nil {
			t.Fatal(err)
		}
		if len(all) != 33 {
			t.Fatalf("%d values, expected 33", len(all))
		}
		for i := range 11 {
			one, err := e.Embed(t.Context(), nil, x[i*64:(i+1)*64])
			if err != nil {
				t.Fatal(err)
			}
			for j, v := range one {
				if want := all[i*3+j]; math.Abs(float64(v-want)) > 1e-5 {
					t.Errorf("sample %d is %v alone and %v among others", i, one, all[i*3:(i+1)*3])
				}
			}
		}
	})
}

func TestObjectivesErrorEndsTheStep(t *testing.T) {
	eachEngine(t, func(t *testing.T, build maker) {
		e, _ := newEngine(t, build, arch.Config{MLP: []int{4}}, []int{6}, 3, 4)
		want := errors.New("no")
		if _, err := e.Step(samples(24), 1, func(_, _ []float32) (float64, error) { return 0, want }); !errors.Is(err, want) {
			t.Errorf("error is %v, expected the objective's", err)
		}
		if _, err := e.Step(samples(24), 1, linear); err != nil {
			t.Errorf("the next step gives %v", err)
		}
	})
}

// Dropout's masks are a function of the step's number: an engine that is told where it stands goes on as one that never
// stopped.
func TestDropoutGoesOnFromAnyStep(t *testing.T) {
	eachEngine(t, func(t *testing.T, build maker) {
		dropout := arch.Config{Layers: []arch.Layer{{Kind: arch.Linear, Out: 32}, {Kind: arch.Dropout, Rate: 0.5}}}
		run := func(first, steps int) (last []float32) {
			e, _ := newEngine(t, build, dropout, []int{6}, 3, 4)
			s, err := e.State()
			if err != nil {
				t.Fatal(err)
			}
			s.Steps = first
			if err := e.Restore(s); err != nil {
				t.Fatal(err)
			}
			for range steps {
				step(t, e, samples(24), func(embedding, gradient []float32) (float64, error) {
					last = slices.Clone(embedding)
					return linear(embedding, gradient)
				})
			}
			return last
		}
		whole := run(0, 3)
		if resumed := run(2, 1); !slices.Equal(whole, resumed) {
			t.Errorf("step 2 gives %v after two steps and %v from there, expected the same", whole, resumed)
		}
		if slices.Equal(whole, run(1, 1)) {
			t.Error("steps 1 and 2 have one mask")
		}
	})
}

func TestInputThatDoesNotFit(t *testing.T) {
	eachEngine(t, func(t *testing.T, build maker) {
		e, _ := newEngine(t, build, arch.Config{MLP: []int{4}}, []int{6}, 3, 4)
		if _, err := e.Step(samples(23), 1, linear); !errors.Is(err, engine.ErrInput) {
			t.Errorf("Step gives %v, expected ErrInput", err)
		}
		if _, err := e.Embed(t.Context(), nil, samples(7)); !errors.Is(err, engine.ErrInput) {
			t.Errorf("Embed gives %v, expected ErrInput", err)
		}
	})
}

func TestEmbeddingEndsWithItsContext(t *testing.T) {
	eachEngine(t, func(t *testing.T, build maker) {
		e, _ := newEngine(t, build, arch.Config{MLP: []int{4}}, []int{6}, 3, 4)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := e.Embed(ctx, nil, samples(6)); !errors.Is(err, context.Canceled) {
			t.Errorf("Embed gives %v, expected the context's error", err)
		}
	})
}

// A run trains many students in one process: what an engine has allocated must go with it.
func TestClosedEnginesAreFreed(t *testing.T) {
	heap := func() int {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	eachEngine(t, func(t *testing.T, build maker) {
		before := heap()
		for range 5 {
			network, err := arch.New(arch.Config{Conv: []int{16}}, []int{1, 28, 28}, 4, false)
			if err != nil {
				t.Fatal(err)
			}
			e, err := build(network, network.Init(1, tensor.Float32), 64)
			if err != nil {
				t.Fatal(err)
			}
			step(t, e, samples(64*28*28), linear)
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if left := heap() - before; left > 1<<20 {
			t.Errorf("%d bytes are left of five engines, expected less than 1 MiB", left)
		}
	})
}
