package loss

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// Several triangles at a time add up to what one at a time does, whatever is left over from whole blocks, with
// differences on both sides of huber's bend and with rows that coincide.
func TestTrianglesTogetherAreTrianglesOneByOne(t *testing.T) {
	for n := 3; n <= 44; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(n), 1))
			side := func(name string, spread float64) *pairs[float32] {
				m := Matrix[float32]{Rows: n, Cols: 3, Data: make([]float32, 3*n)}
				for i := range m.Data {
					m.Data[i] = float32(spread * rng.NormFloat64())
				}
				copy(m.row(n-1), m.row(0)) // a pair without a direction
				p := newPairs[float32](name)
				if err := p.measure(m); err != nil {
					t.Fatal(err)
				}
				return p
			}
			a := newAngle(side("student", 1), side("teacher", 5), nil)
			bent := 0
			for i := range n - 2 {
				for j := i + 1; j < n-1; j++ {
					got, want := make([]float32, n*n), make([]float32, n*n)
					for k := range got {
						got[k] = float32(k) / 100
						want[k] = got[k]
					}
					gotLoss, wantLoss := a.triangles(got, i, j), a.sumTriangles(want, i, j)
					if math.Abs(gotLoss-wantLoss) > 1e-5*(1+wantLoss) {
						t.Errorf("rows %d and %d: %g, expected %g", i, j, gotLoss, wantLoss)
					}
					if wantLoss > float64(n-j-1) {
						bent++
					}
					for k := range got {
						if d := math.Abs(float64(got[k] - want[k])); d > 1e-4*(1+math.Abs(float64(want[k]))) {
							t.Errorf("rows %d and %d: element %d of the derivative is %g, expected %g", i, j, k, got[k], want[k])
						}
					}
				}
			}
			if n > 8 && bent == 0 {
				t.Error("no difference is beyond huber's bend")
			}
		})
	}
}
