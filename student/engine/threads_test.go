package engine_test

import (
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

// Weights and running statistics after some steps are the same bytes whatever the number of threads.
func TestWeightsDoNotDependOnTheNumberOfThreads(t *testing.T) {
	orttest.Start(t)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8)) // a team has no more workers than that
	for name, n := range networks() {
		t.Run(name, func(t *testing.T) {
			const batch, steps = 67, 3
			var want []*tensor.Dense
			for _, threads := range []int{1, 2, 3, 8} {
				build := func(net *arch.Network, weights *arch.Weights, batch int) (observable, error) {
					return engine.NewONNXRuntime(net, weights, batch, engine.Options{Threads: threads})
				}
				tr := newTraining(t, n, build, batch, optim.Adam)
				for range steps {
					tr.step(t, samples(batch*tensor.Shape(n.input).TotalSize()))
				}
				var got []*tensor.Dense
				for i, w := range slices.Concat(tr.weights.Params, tr.weights.Buffers) {
					got = append(got, w.Value)
					if want != nil && !sameBits(w.Value.Data().([]float32), want[i].Data().([]float32)) {
						t.Errorf("%d threads give another %s than one thread", threads, w.Name)
					}
				}
				if want == nil {
					want = got
				}
			}
		})
	}
}

func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) })
}
