//go:build torch

package importer_test

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"gorgonia.org/tensor"

	"rkd/models/onnx"
	"rkd/models/ort/orttest"
	"rkd/student/arch"
	"rkd/student/engine"
	"rkd/student/importer"
	"rkd/student/optim"
)

// numbers reads little-endian float32.
func numbers(t *testing.T, path string) []float32 {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	values := make([]float32, len(data)/4)
	if _, err := binary.Decode(data, binary.LittleEndian, values); err != nil {
		t.Fatal(err)
	}
	return values
}

// Torchvision's networks, exported by PyTorch and imported here, train as they do there: the same first weights, the
// same batches, SGD with momentum, on either engine. It needs a Python ($PYTHON, or python3) with torch and
// torchvision: `go test -tags torch`.
func TestTenStepsEqualPyTorchs(t *testing.T) {
	orttest.Start(t)
	// Rates small enough for rounding not to be what is compared: at 1e-2 two of the networks diverge, in PyTorch too.
	for network, rate := range map[string]float64{
		"resnet18": 1e-4, "resnet18-folded": 1e-4, "mobilenet_v2": 1e-2, "mobilenet_v2-folded": 1e-2, "squeezenet1_1": 1e-2,
		"vgg11": 1e-2, "shufflenet_v2_x0_5": 1e-2, "densenet121": 1e-5,
	} {
		t.Run(network, func(t *testing.T) {
			dir := t.TempDir()
			python := exec.CommandContext(t.Context(), cmp.Or(os.Getenv("PYTHON"), "python3"),
				filepath.Join("testdata", "steps.py"), network, fmt.Sprint(rate), dir)
			if out, err := python.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			for kind, open := range engines {
				t.Run(kind, func(t *testing.T) { expectLosses(t, dir, rate, open) })
			}
		})
	}
}

// expectLosses trains ten steps on what the script left in dir, and compares the losses with PyTorch's.
func expectLosses(t *testing.T, dir string, rate float64,
	open func(*arch.Network, *arch.Weights, int) (engine.Engine, error),
) {
	t.Helper()
	m, err := onnx.Load(filepath.Join(dir, "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	const dim, batch, momentum = 8, 4, 0.9
	n, err := imported(m, importer.Options{Input: []int{3, 64, 64}}, arch.Head{Dim: dim})
	if err != nil {
		t.Fatal(err)
	}
	w := n.Init(1, tensor.Float32)
	head := numbers(t, filepath.Join(dir, "head.bin"))
	for _, p := range w.Params[len(w.Params)-2:] {
		head = head[copy(floats(p), head):]
	}
	e, err := open(n, w, batch)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	x, targets := numbers(t, filepath.Join(dir, "batches.bin")), numbers(t, filepath.Join(dir, "targets.bin"))
	if err := e.Optimize(engine.Update{Optimizer: optim.Options{Kind: optim.SGD, Momentum: momentum}}); err != nil {
		t.Fatal(err)
	}
	worst := 0.0
	for step, want := range numbers(t, filepath.Join(dir, "losses.bin")) {
		target := targets[step*batch*dim:][:batch*dim]
		r, err := e.Step(x[step*batch*3*64*64:][:batch*3*64*64], rate, func(embedding, gradient []float32) (float64, error) {
			loss := 0.0
			for i, v := range embedding {
				d := float64(v - target[i])
				loss += d * d / (batch * dim)
				gradient[i] = float32(2 * d / (batch * dim))
			}
			return loss, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		difference := math.Abs(r.Loss-float64(want)) / math.Abs(float64(want))
		worst = max(worst, difference)
		if !(difference <= 1e-3) {
			t.Errorf("step %d: loss %g, PyTorch's %g", step, r.Loss, want)
		}
		t.Logf("step %d: loss %.6f, PyTorch's %.6f", step, r.Loss, want)
	}
	t.Logf("losses differ by at most %.2g", worst)
}

var engines = map[string]func(*arch.Network, *arch.Weights, int) (engine.Engine, error){
	"gorgonia": func(n *arch.Network, w *arch.Weights, batch int) (engine.Engine, error) {
		return engine.NewGorgonia(n, w, batch)
	},
	"onnxruntime": func(n *arch.Network, w *arch.Weights, batch int) (engine.Engine, error) {
		return engine.NewONNXRuntime(n, w, batch, engine.Options{Threads: 2})
	},
}
