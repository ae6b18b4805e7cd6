package engine_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gorgonia.org/tensor"

	"rkd/student/arch"
	"rkd/student/engine"
	"rkd/student/optim"
)

// updated is a network with running statistics and dropout, and an objective that learns a scale for each dimension.
type updated struct {
	observable
	weights *arch.Weights
	scale   engine.Learned
}

const updatedBatch = 4

func newUpdated(t *testing.T, build maker) *updated {
	t.Helper()
	e, weights := newEngine(t, build, arch.Config{Layers: []arch.Layer{
		{Kind: arch.Linear, Out: 8}, {Kind: arch.BatchNorm}, {Kind: arch.ReLU}, {Kind: arch.Dropout, Rate: 0.5},
	}}, []int{6}, 3, updatedBatch)
	values := tensor.New(tensor.WithShape(3), tensor.WithBacking([]float32{1, -2, 0.5}))
	return &updated{e, weights, engine.Learned{
		Tensor: arch.Tensor{Name: "scale", Value: values},
		Grad:   make([]float32, 3),
	}}
}

// objective is the mean of (scale·e)².
func (u *updated) objective(embedding, gradient []float32) (float64, error) {
	scale, sum := u.scale.Value.Data().([]float32), 0.0
	clear(u.scale.Grad)
	for i, v := range embedding {
		s := scale[i%3]
		sum += float64(s * v * s * v)
		gradient[i] = 2 * s * s * v
		u.scale.Grad[i%3] += 2 * s * v * v
	}
	return sum, nil
}

func (u *updated) optimize(t *testing.T, o optim.Options, clip float64) {
	t.Helper()
	if err := u.Optimize(engine.Update{Optimizer: o, ClipNorm: clip, Learned: []engine.Learned{u.scale}}); err != nil {
		t.Fatal(err)
	}
}

// batchOf are the samples of a step.
func batchOf(step int) []float32 { return samples((step + 1) * updatedBatch * 6)[step*updatedBatch*6:] }

// bits are all numbers of a state, by tensor.
func bits(t *testing.T, e engine.Engine) map[string][]uint32 {
	t.Helper()
	s, err := e.State()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]uint32{"steps": {uint32(s.Steps)}}
	add := func(name string, values []float32) {
		for _, v := range values {
			all[name] = append(all[name], math.Float32bits(v))
		}
	}
	for _, p := range slices.Concat(s.Params, s.Buffers) {
		add(p.Name, p.Value.Data().([]float32))
	}
	for name, moments := range s.Moments {
		for i, values := range moments {
			add(name+" of "+s.Params[i].Name, values)
		}
	}
	return all
}

// A step of an engine is a step of package optim on its clipped gradients, to the bit, the objective's own parameters
// included.
func TestStepIsOneOfTheOptimizer(t *testing.T) {
	for name, test := range map[string]struct {
		options optim.Options
		clip    float64
	}{
		"adam":                  {optim.Options{}, 0},
		"adamw, clipped":        {optim.Options{Kind: optim.AdamW, WeightDecay: 0.1}, 0.1},
		"sgd with momentum":     {optim.Options{Kind: optim.SGD, Momentum: 0.9}, 0},
		"sgd, clipped, decayed": {optim.Options{Kind: optim.SGD, WeightDecay: 0.1}, 0.1},
	} {
		t.Run(name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, build maker) {
				got, want := newUpdated(t, build), newUpdated(t, build)
				got.optimize(t, test.options, test.clip)
				var params [][]float32
				var sizes []int
				for _, p := range append(slices.Clone(want.weights.Params), want.scale.Tensor) {
					params, sizes = append(params, p.Value.Data().([]float32)), append(sizes, p.Value.Shape().TotalSize())
				}
				outside, err := optim.New[float32](test.options, sizes)
				if err != nil {
					t.Fatal(err)
				}
				for i := range 5 {
					r := step(t, got, batchOf(i), got.objective)
					step(t, want, batchOf(i), want.objective) // without Optimize: the weights stay
					gradients := append(slices.Clone(want.Gradients()), want.scale.Grad)
					norm := optim.Clip(gradients, test.clip)
					outside.Step(params, gradients, 1e-3)
					if r.GradNorm != norm {
						t.Errorf("step %d: gradient norm %v, expected %v", i, r.GradNorm, norm)
					}
					for j, p := range append(slices.Clone(got.weights.Params), got.scale.Tensor) {
						if !slices.Equal(p.Value.Data().([]float32), params[j]) {
							t.Fatalf("step %d: %s is %v, expected %v", i, p.Name, p.Value, params[j])
						}
					}
				}
				for i, b := range want.weights.Buffers {
					if !slices.Equal(got.weights.Buffers[i].Value.Data().([]float32), b.Value.Data().([]float32)) {
						t.Errorf("%s is %v, expected %v", b.Name, got.weights.Buffers[i].Value, b.Value)
					}
				}
			})
		})
	}
}

// After a step that is not finite, or whose objective fails, training continues as if that step had not been tried.
func TestStepThatFailsChangesNothing(t *testing.T) {
	nan := float32(math.NaN())
	for name, test := range map[string]struct {
		spoil func(u *updated, gradient []float32, loss *float64) error
		want  error
	}{
		"loss is NaN": {
			func(_ *updated, _ []float32, loss *float64) error { *loss = math.NaN(); return nil },
			engine.ErrNotFinite,
		},
		"loss is infinite": {
			func(_ *updated, _ []float32, loss *float64) error { *loss = math.Inf(1); return nil },
			engine.ErrNotFinite,
		},
		"gradient is NaN": {func(_ *updated, g []float32, _ *float64) error { g[1] = nan; return nil }, engine.ErrNotFinite},
		"gradient of the objective's parameter is NaN": {
			func(u *updated, _ []float32, _ *float64) error { u.scale.Grad[2] = nan; return nil }, engine.ErrNotFinite,
		},
		"objective fails": {func(*updated, []float32, *float64) error { return errTest }, errTest},
	} {
		t.Run(name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, build maker) {
				u, undisturbed := newUpdated(t, build), newUpdated(t, build)
				for _, u := range []*updated{u, undisturbed} {
					u.optimize(t, optim.Options{}, 1)
					step(t, u, batchOf(0), u.objective)
				}
				before := bits(t, u)
				_, err := u.Step(batchOf(7), 1e-3, func(embedding, gradient []float32) (float64, error) {
					loss, _ := u.objective(embedding, gradient)
					err := test.spoil(u, gradient, &loss)
					return loss, err
				})
				if !errors.Is(err, test.want) {
					t.Errorf("error is %v, expected %v", err, test.want)
				}
				if diff := cmp.Diff(before, bits(t, u)); diff != "" {
					t.Errorf("the step changes the state (-before +after):\n%s", diff)
				}
				for _, u := range []*updated{u, undisturbed} {
					step(t, u, batchOf(1), u.objective)
				}
				if diff := cmp.Diff(bits(t, undisturbed), bits(t, u)); diff != "" {
					t.Errorf("the next step ends elsewhere (-undisturbed +got):\n%s", diff)
				}
			})
		})
	}
}

var errTest = errors.New("no")

// clone is a copy of a state in memory of its own, as one read from a checkpoint is.
func clone(s engine.State) engine.State {
	tensors := func(of []arch.Tensor) []arch.Tensor {
		copies := make([]arch.Tensor, len(of))
		for i, p := range of {
			copies[i] = arch.Tensor{Name: p.Name, Value: p.Value.Clone().(*tensor.Dense)}
		}
		return copies
	}
	c := engine.State{
		Steps: s.Steps, Params: tensors(s.Params), Buffers: tensors(s.Buffers),
		Moments: map[string][][]float32{},
	}
	for name, moments := range s.Moments {
		for _, values := range moments {
			c.Moments[name] = append(c.Moments[name], slices.Clone(values))
		}
	}
	return c
}

func TestRestoredEngineContinuesToTheSameBits(t *testing.T) {
	for _, o := range []optim.Options{{}, {Kind: optim.SGD, Momentum: 0.9}} {
		eachEngine(t, func(t *testing.T, build maker) {
			straight, resumed := newUpdated(t, build), newUpdated(t, build)
			straight.optimize(t, o, 1)
			for i := range 3 {
				step(t, straight, batchOf(i), straight.objective)
			}
			s, err := straight.State()
			if err != nil {
				t.Fatal(err)
			}
			resumed.optimize(t, o, 1)
			if err := resumed.Restore(clone(s)); err != nil {
				t.Fatal(err)
			}
			for i := 3; i < 6; i++ {
				step(t, straight, batchOf(i), straight.objective)
				step(t, resumed, batchOf(i), resumed.objective)
			}
			if diff := cmp.Diff(bits(t, straight), bits(t, resumed)); diff != "" {
				t.Errorf("the states differ (-straight +resumed):\n%s", diff)
			}
		})
	}
}

func TestRestoreRefusesOtherTensors(t *testing.T) {
	for name, change := range map[string]func(*engine.State){
		"a parameter is missing": func(s *engine.State) { s.Params = s.Params[1:] },
		"a buffer is missing":    func(s *engine.State) { s.Buffers = s.Buffers[1:] },
		"another name":           func(s *engine.State) { s.Params[0].Name = "other" },
		"another shape":          func(s *engine.State) { s.Params[0].Value = s.Params[1].Value },
		"moments are missing":    func(s *engine.State) { delete(s.Moments, "exp_avg") },
		"a moment is too short":  func(s *engine.State) { s.Moments["exp_avg"][0] = s.Moments["exp_avg"][0][1:] },
	} {
		t.Run(name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, build maker) {
				u := newUpdated(t, build)
				u.optimize(t, optim.Options{}, 0)
				before := bits(t, u)
				s, err := u.State()
				if err != nil {
					t.Fatal(err)
				}
				s = clone(s)
				s.Steps = 9
				change(&s)
				if err := u.Restore(s); !errors.Is(err, engine.ErrState) {
					t.Errorf("error is %v, expected ErrState", err)
				}
				if diff := cmp.Diff(before, bits(t, u)); diff != "" {
					t.Errorf("a refused state changes the engine (-before +after):\n%s", diff)
				}
			})
		})
	}
}

func TestOptimizerOutOfRange(t *testing.T) {
	eachEngine(t, func(t *testing.T, build maker) {
		u := newUpdated(t, build)
		if err := u.Optimize(engine.Update{Optimizer: optim.Options{Kind: "lion"}}); !errors.Is(err, optim.ErrOptions) {
			t.Errorf("error is %v, expected optim.ErrOptions", err)
		}
	})
}
