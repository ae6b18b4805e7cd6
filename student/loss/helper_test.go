package loss_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"testing"

	"rkd/student/internal/blas"
	"rkd/student/loss"
)

// golden is testdata/loss_golden.json, made by the script beside it.
type golden struct {
	Relational []struct {
		Name             string
		Student, Teacher goldenMatrix
		Distance, Angle  goldenLoss
	}
	Triplet []struct {
		Miner   string
		Squared bool
		Margin  float64
		Labels  []int32
		Student goldenMatrix
		Triplet goldenLoss
	}
}

type goldenMatrix struct {
	Rows, Cols int
	Data       []float64
}

func (m goldenMatrix) matrix() loss.Matrix[float64] { return loss.Matrix[float64](m) }

type goldenLoss struct {
	Value float64
	Grad  []float64 // nil where PyTorch's is no number to compare with
}

func readGolden(t *testing.T) golden {
	t.Helper()
	data, err := os.ReadFile("testdata/loss_golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Relational) == 0 || len(g.Triplet) == 0 {
		t.Fatal("loss_golden.json holds no cases")
	}
	return g
}

// gaussian is a (rows,cols) matrix of independent normal values around mean.
func gaussian[T blas.Float](rng *rand.Rand, rows, cols int, mean float64) loss.Matrix[T] {
	m := zeros[T](rows, cols)
	for i := range m.Data {
		m.Data[i] = T(mean + rng.NormFloat64())
	}
	return m
}

func zeros[T blas.Float](rows, cols int) loss.Matrix[T] {
	return loss.Matrix[T]{Rows: rows, Cols: cols, Data: make([]T, rows*cols)}
}

// gaussianBatch is a student and a teacher of independent normal values around mean.
func gaussianBatch[T blas.Float](seed uint64, n, ds, dt int, mean float64) loss.Batch[T] {
	rng := newRand(seed)
	return loss.Batch[T]{Student: gaussian[T](rng, n, ds, mean), Teacher: gaussian[T](rng, n, dt, mean)}
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

func eval[T blas.Float](t *testing.T, l loss.Loss[T], b loss.Batch[T]) (float64, []T) {
	t.Helper()
	grad := zeros[T](b.Student.Rows, b.Student.Cols)
	v, err := l.Eval(b, 1, grad)
	if err != nil {
		t.Fatal(err)
	}
	return v.Total, grad.Data
}

func norm[T blas.Float](x []T) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum)
}

// relative is the error of got: the norm of the difference over that of want, over tiny where want vanishes.
func relative[G, W blas.Float](got []G, want []W) float64 {
	difference := make([]float64, len(want))
	for i := range want {
		difference[i] = float64(got[i]) - float64(want[i])
	}
	return norm(difference) / max(norm(want), 1e-6)
}

// checkGradient compares the gradient of l with central differences of its value. reseed makes b's generator start
// anew.
func checkGradient(t *testing.T, l loss.Loss[float64], b loss.Batch[float64], reseed func(*loss.Batch[float64])) {
	t.Helper()
	const step = 1e-5
	reseed(&b)
	_, grad := eval(t, l, b)
	want := make([]float64, len(grad))
	for i, x := range b.Student.Data {
		value := func(at float64) float64 {
			b.Student.Data[i] = at
			defer func() { b.Student.Data[i] = x }()
			reseed(&b)
			v, err := l.Eval(b, 1, loss.Matrix[float64]{})
			if err != nil {
				t.Fatal(err)
			}
			return v.Total
		}
		want[i] = (value(x+step) - value(x-step)) / (2 * step)
	}
	if norm(want) < 1e-6 {
		t.Fatalf("the gradient's norm is %g, too small to check", norm(want))
	}
	if e := relative(grad, want); e > 1e-6 {
		t.Errorf("gradient is %g off central differences, expected at most 1e-6", e)
	}
}

// checkBits requires equal bits from 1, 2 and 5 threads. run returns all that a loss computes.
func checkBits[T blas.Float](t *testing.T, run func() []T) {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	runtime.GOMAXPROCS(1)
	want := run()
	for _, threads := range []int{2, 5} {
		runtime.GOMAXPROCS(threads)
		for range 5 {
			if !slices.Equal(run(), want) {
				t.Errorf("results with %d threads differ from those with 1", threads)
				break
			}
		}
	}
}

func checkNoAllocation[T blas.Float](t *testing.T, l loss.Loss[T], b loss.Batch[T]) {
	t.Helper()
	grad := zeros[T](b.Student.Rows, b.Student.Cols)
	allocs := testing.AllocsPerRun(5, func() {
		if _, err := l.Eval(b, 1, grad); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("a call allocates %v times after the first, expected none", allocs)
	}
}
