package op

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"gorgonia.org/tensor"

	"rkd/student/internal/blas"
)

// BenchmarkPlannedConv measures convolutions of resnet20, the demo's student and MobileNetV2 in GFLOP/s.
func BenchmarkPlannedConv(b *testing.B) {
	team := blas.NewTeam(2)
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
		o, err := ConvOptions{Stride: [2]int{c.stride, c.stride}, Pad: [2]int{c.kernel / 2, c.kernel / 2}, Groups: c.groups}.normalised()
		if err != nil {
			b.Fatal(err)
		}
		x, w := tensor.Shape{c.n, c.channels, c.size, c.size}, tensor.Shape{c.filters, c.channels / c.groups, c.kernel, c.kernel}
		y, err := o.infer(x, w)
		if err != nil {
			b.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(1, 2))
		values := func(s tensor.Shape) *tensor.Dense { return dense[float32](random(rng, s...)) }
		flop := 2 * float64(y.TotalSize()*w[1:].TotalSize())
		for kind, what := range []string{"y", "gx", "gw"} {
			in, out := []*tensor.Dense{values(x), values(w), values(y)}, y
			switch convKind(kind) {
			case convOutput:
				in = in[:2]
			case convInput:
				out = x
			case convWeight:
				out = w
			}
			b.Run(fmt.Sprintf("%v*%v,stride=%d/%s", x, w, c.stride, what), func(b *testing.B) {
				run, err := convKind(kind).plan(o, notRectified, y, gonumMultiplier{2, team}, tensor.New(tensor.Of(tensor.Float32), tensor.WithShape(out...)), in)
				if err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					if err := run(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(flop*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
			})
		}
	}
}
