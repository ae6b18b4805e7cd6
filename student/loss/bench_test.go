package loss_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"rkd/student/loss"
)

func BenchmarkRelational(b *testing.B) {
	for _, size := range []struct{ n, ds, dt int }{{64, 64, 512}, {128, 64, 512}, {256, 64, 512}, {1024, 128, 512}} {
		b.Run(fmt.Sprintf("N=%d,Ds=%d,Dt=%d", size.n, size.ds, size.dt), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 1))
			batch := loss.Batch[float32]{
				Student: gaussian[float32](rng, size.n, size.ds, 0),
				Teacher: gaussian[float32](rng, size.n, size.dt, 0),
			}
			grad := zeros[float32](size.n, size.ds)
			l := loss.NewRelational[float32](1, 2)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := l.Eval(batch, 1, grad); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkProjected(b *testing.B) {
	for _, size := range []struct{ n, ds, dt int }{{64, 16, 128}, {64, 64, 512}, {128, 64, 512}} {
		b.Run(fmt.Sprintf("N=%d,Ds=%d,Dt=%d", size.n, size.ds, size.dt), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 1))
			batch := loss.Batch[float32]{
				Student: gaussian[float32](rng, size.n, size.ds, 0),
				Teacher: gaussian[float32](rng, size.n, size.dt, 0),
			}
			p, err := loss.NewProjection[float32]("regression", loss.ProjectionOptions{Bias: true}, size.ds, size.dt, rng)
			if err != nil {
				b.Fatal(err)
			}
			inner, err := loss.NewRegression[float32](loss.RegressionOptions{})
			if err != nil {
				b.Fatal(err)
			}
			var sum loss.Sum[float32]
			sum.Add(1, loss.NewProjected(p, inner))
			grad := zeros[float32](size.n, size.ds)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := sum.Eval(batch, grad); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
