package conv

import (
	"fmt"
	"testing"

	"rkd/student/internal/instruction/instructiontest"
	"rkd/student/internal/parallel"
)

// BenchmarkPlan measures convolutions of resnet20, the demo's student and MobileNetV2 in GFLOP/s and in percent of the
// processor's peak.
func BenchmarkPlan(b *testing.B) {
	const threads = 2
	team := parallel.NewTeam(threads)
	defer team.Close()
	for _, c := range []struct{ n, channels, filters, size, kernel, stride, groups int }{
		{64, 16, 16, 32, 3, 1, 1},
		{64, 16, 32, 32, 3, 2, 1},
		{64, 32, 32, 16, 3, 1, 1},
		{64, 64, 64, 8, 3, 1, 1},
		{64, 3, 16, 32, 3, 1, 1},
		{128, 32, 64, 14, 3, 1, 1},
		{64, 8, 16, 14, 3, 1, 1},
		{64, 16, 32, 7, 3, 1, 1},
		{16, 24, 144, 24, 1, 1, 1},
		{16, 160, 960, 3, 1, 1, 1},
		{16, 144, 144, 24, 3, 1, 144},
	} {
		x, w := []int{c.n, c.channels, c.size, c.size}, []int{c.filters, c.channels / c.groups, c.kernel, c.kernel}
		g, ok := convCase{
			x, w, Options{Stride: [2]int{c.stride, c.stride}, Pad: [2]int{c.kernel / 2, c.kernel / 2}, Groups: c.groups},
		}.geometry()
		if !ok {
			b.Fatalf("%v does not fit %v", w, x)
		}
		p := newProblem(g, 1)
		flop := 2 * float64(len(p.gy)*g.patch())
		for kind, what := range []string{Convolution: "y", InputGradient: "gx", WeightGradient: "gw"} {
			b.Run(fmt.Sprintf("%v*%v,stride=%d/%s", x, w, c.stride, what), func(b *testing.B) {
				kind := Kind(kind)
				run, err := Plan(kind, g, Linear, gonumMultiplier{}, team, p.result(kind), p.inputs(kind))
				if err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					if err := run(); err != nil {
						b.Fatal(err)
					}
				}
				instructiontest.ReportShare(b, flop, threads)
			})
		}
	}
}
