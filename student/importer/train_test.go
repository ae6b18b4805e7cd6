package importer_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/models/onnx"
	"rkd/models/ort/orttest"
	"rkd/student/arch"
	"rkd/student/engine"
	"rkd/student/importer"
	"rkd/student/op"
)

func names(tensors []arch.Tensor) []string {
	var list []string
	for _, t := range tensors {
		list = append(list, t.Name)
	}
	return list
}

func TestImportKeepsNamesAndValuesOfTheFile(t *testing.T) {
	n, err := imported(testModel(t, "residual_raw"), importer.Options{Input: []int{3, 12, 12}},
		arch.Head{Dim: 4, Normalize: true})
	if err != nil {
		t.Fatal(err)
	}
	w := n.Init(1, tensor.Float32)
	params := []string{
		"stem.0.weight", "stem.1.weight", "stem.1.bias", "body.0.weight", "body.1.weight", "body.1.bias",
		"head.weight", "head.bias",
		"head_.0.linear.weight", "head_.0.linear.bias",
	}
	if got := names(w.Params); !slices.Equal(got, params) {
		t.Errorf("parameters are %q, expected %q", got, params)
	}
	buffers := []string{"stem.1.running_mean", "stem.1.running_var", "body.1.running_mean", "body.1.running_var"}
	if got := names(w.Buffers); !slices.Equal(got, buffers) {
		t.Errorf("buffers are %q, expected %q", got, buffers)
	}
	for _, initializer := range testModel(t, "residual_raw").Proto.Graph.Initializer {
		i := slices.Index(params, initializer.GetName())
		if i < 0 {
			continue
		}
		want, err := testModel(t, "residual_raw").Float32s(initializer)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.Params[i].Value.Data().([]float32); !slices.Equal(got, want) {
			t.Errorf("%s begins as %v, in the file it is %v", params[i], got, want)
		}
	}
	if other := n.Init(2, tensor.Float32); slices.Equal(floats(other.Params[8]), floats(w.Params[8])) {
		t.Error("the head is the same for another seed")
	}
	if same := n.Init(1, tensor.Float32); !slices.Equal(floats(same.Params[8]), floats(w.Params[8])) {
		t.Error("the head differs for the same seed")
	}
	if double := n.Init(1, tensor.Float64); double.Params[0].Value.Dtype() != tensor.Float64 {
		t.Errorf("parameters are %v, expected float64", double.Params[0].Value.Dtype())
	}
}

// Training moves what a file has, not its copy in the network: the next Init begins anew.
func TestInitGivesEveryTrainingItsOwnWeights(t *testing.T) {
	n, err := imported(testModel(t, "fire"), importer.Options{Input: []int{3, 9, 9}}, arch.Head{Dim: 4})
	if err != nil {
		t.Fatal(err)
	}
	first := n.Init(1, tensor.Float32)
	before := floats(first.Params[0])[0]
	floats(first.Params[0])[0] = 100
	if after := floats(n.Init(1, tensor.Float32).Params[0])[0]; after != before {
		t.Errorf("the first weight is %v, expected %v", after, before)
	}
}

func TestFreeze(t *testing.T) {
	tests := map[string]struct {
		model   string
		input   []int
		freeze  []string
		buffers []string
	}{
		"nothing":              {"fire", []int{3, 9, 9}, nil, nil},
		"by the weight's name": {"fire", []int{3, 9, 9}, []string{"squeeze.*"}, []string{"squeeze.weight", "squeeze.bias"}},
		"one weight":           {"fire", []int{3, 9, 9}, []string{"left.bias"}, []string{"left.bias"}},
		"by the node's name":   {"fire", []int{3, 9, 9}, []string{"/left/Conv"}, []string{"left.weight", "left.bias"}},
		"by a module's name": {
			"inverted_17",
			[]int{3, 9, 9},
			[]string{"features.[02]"},
			[]string{"features.0.weight", "features.0.bias", "features.2.weight", "features.2.bias"},
		},
		"everything": {"fire", []int{3, 9, 9}, []string{"*"}, []string{
			"squeeze.weight", "squeeze.bias", "left.weight",
			"left.bias", "right.weight", "right.bias",
		}},
		"scales of norms": {"residual_raw", []int{3, 12, 12}, []string{"*.1.weight"}, []string{
			"stem.1.running_mean",
			"stem.1.running_var", "stem.1.weight", "body.1.running_mean", "body.1.running_var", "body.1.weight",
		}},
		"bias that Add brings":  {"channels_last", []int{3, 12, 12}, []string{"b"}, []string{"mean", "std", "b"}},
		"matrix that is turned": {"channels_last", []int{3, 12, 12}, []string{"dense"}, []string{"mean", "std", "dense"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o, head := importer.Options{Input: test.input, Freeze: test.freeze}, arch.Head{Dim: 4}
			n, err := imported(testModel(t, test.model), o, head)
			if err != nil {
				t.Fatal(err)
			}
			w := n.Init(1, tensor.Float32)
			if got := names(w.Buffers); !slices.Equal(got, test.buffers) {
				t.Errorf("buffers are %q, expected %q", got, test.buffers)
			}
			o.Freeze = nil
			whole, err := imported(testModel(t, test.model), o, head)
			if err != nil {
				t.Fatal(err)
			}
			x := normal(2 * tensor.Shape(test.input).TotalSize())
			for _, training := range []bool{false, true} {
				if got, want := embed(t, n, w, x, training),
					embed(t, whole, whole.Init(1, tensor.Float32), x, training); !slices.Equal(got, want) {
					t.Errorf("freezing changes the embeddings from %v to %v", want, got)
				}
			}
		})
	}
}

func TestFreezeNamesWhatItDoesNotKnow(t *testing.T) {
	for pattern, want := range map[string]string{
		"sqeeze.weight": `freeze: pattern "sqeeze.weight" matches no weight and no node, nearest are "squeeze.weight", ` +
			`"left.weight", "right.weight", "squeeze.bias", "/squeeze/Conv"`,
		"features.*": `matches no weight and no node`,
		"[":          `freeze: pattern "[": syntax error in pattern`,
	} {
		_, err := imported(testModel(t, "fire"), importer.Options{Input: []int{3, 9, 9}, Freeze: []string{"left.*", pattern}},
			arch.Head{Dim: 4})
		if err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, arch.ErrConfig) ||
			errors.Is(err, onnx.ErrFormat) {
			t.Errorf("%s: error is %v, expected %s", pattern, err, want)
		}
	}
}

// Every parameter of every file gets the gradient that central differences give along a random direction, and none of a
// folded or frozen one is asked for.
func TestGradientsOfImportedStudents(t *testing.T) {
	for name, file := range importable {
		t.Run(name, func(t *testing.T) {
			n, err := imported(testModel(t, name), importer.Options{Input: file.input}, arch.Head{Dim: 3})
			if err != nil {
				t.Fatal(err)
			}
			w := n.Init(5, tensor.Float64)
			shape := append([]int{2}, file.input...)
			x := make([]float64, tensor.Shape(shape).TotalSize())
			for i, v := range normal(len(x)) {
				x[i] = float64(v)
			}
			in := gorgonia.NewTensor(gorgonia.NewGraph(), tensor.Float64, len(shape), gorgonia.WithShape(shape...),
				gorgonia.WithName("input"), gorgonia.WithValue(tensor.New(tensor.WithShape(shape...), tensor.WithBacking(x))))
			graph, err := n.Build(in, w, true)
			if err != nil {
				t.Fatal(err)
			}
			objective := 0.0 // Σ cᵢ·eᵢ
			bridge, err := op.Bridge(graph.Embedding, func(in, out gorgonia.Value) error {
				e, c := in.Data().([]float64), out.Data().([]float64)
				objective = 0
				for i := range e {
					c[i] = math.Cos(float64(i)*2.3) + 0.1
					objective += c[i] * e[i]
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			grads, err := gorgonia.Backpropagate(gorgonia.Nodes{graph.Embedding}, gorgonia.Nodes{bridge}, graph.Params)
			if err != nil {
				t.Fatal(err)
			}
			values := make([]gorgonia.Value, len(grads))
			for i, g := range grads {
				gorgonia.Read(g, &values[i])
			}
			vm := gorgonia.NewTapeMachine(in.Graph())
			defer func() { _ = vm.Close() }()
			run := func() float64 {
				if err := vm.RunAll(); err != nil {
					t.Fatal(err)
				}
				vm.Reset()
				return objective
			}
			run()
			analytic := make([][]float64, len(values))
			for i, v := range values {
				analytic[i] = slices.Clone(v.Data().([]float64))
			}
			for i, p := range w.Params {
				data, direction := p.Value.Data().([]float64), normal(p.Value.Size())
				const h = 1e-6
				move := func(step float64) {
					for j := range data {
						data[j] += step * float64(direction[j])
					}
				}
				move(h)
				up := run()
				move(-2 * h)
				numeric := (up - run()) / (2 * h)
				move(h)
				want, size := 0.0, 0.0
				for j, g := range analytic[i] {
					want += g * float64(direction[j])
					size += g * g
				}
				if math.Abs(numeric-want) > 1e-5*(1+math.Sqrt(size)) {
					t.Errorf("%s: derivative is %g, by central differences %g", p.Name, want, numeric)
				}
				if size == 0 {
					t.Errorf("%s gets no gradient", p.Name)
				}
			}
		})
	}
}

// A step on either engine gives the same gradients, every operator of the import in it.
func TestImportedStudentsTrainAlikeOnBothEngines(t *testing.T) {
	orttest.Start(t)
	for name, file := range importable {
		t.Run(name, func(t *testing.T) {
			n, err := imported(testModel(t, name), importer.Options{Input: file.input}, arch.Head{Dim: 3})
			if err != nil {
				t.Fatal(err)
			}
			const batch = 4
			x := normal(batch * tensor.Shape(file.input).TotalSize())
			objective := func(embedding, gradient []float32) (float64, error) {
				for i, v := range embedding {
					gradient[i] = v - float32(i%2)
				}
				return 0, nil
			}
			reference, err := engine.NewGorgonia(n, n.Init(5, tensor.Float32), batch)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = reference.Close() }()
			e, err := engine.NewONNXRuntime(n, n.Init(5, tensor.Float32), batch, engine.Options{Threads: 2})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = e.Close() }()
			for _, e := range []engine.Engine{reference, e} {
				if _, err := e.Step(x, 1e-3, objective); err != nil {
					t.Fatal(err)
				}
			}
			for i, p := range n.Init(5, tensor.Float32).Params {
				want, got := reference.Gradients()[i], e.Gradients()[i]
				largest, worst := 1e-3, 0.0
				for j := range want {
					largest = max(largest, math.Abs(float64(want[j])))
					worst = max(worst, math.Abs(float64(want[j]-got[j])))
				}
				if !(worst <= 1e-4*largest) {
					t.Errorf("%s: gradients differ by %g of %g, expected 1e-4 of it", p.Name, worst, largest)
				}
			}
		})
	}
}
