package loss_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"rkd/student/internal/blas"
	"rkd/student/loss"
)

func newTriplet[T blas.Float](t *testing.T, o loss.TripletOptions) *loss.Triplet[T] {
	t.Helper()
	l, err := loss.NewTriplet[T](o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// balanced is labels of a batch with perClass rows of each class, interleaved.
func balanced(classes, perClass int) []int32 {
	labels := make([]int32, classes*perClass)
	for i := range labels {
		labels[i] = int32(i % classes)
	}
	return labels
}

// referenceTriplet is the mean over all triplets, from the formula.
func referenceTriplet(m loss.Matrix[float64], labels []int32, margin float64, squared bool) float64 {
	sum, count := 0.0, 0
	measure := func(i, j int) float64 {
		_, d := referenceDifference(m, i, j)
		if squared {
			return d * d
		}
		return d
	}
	for a := range labels {
		for p := range labels {
			for n := range labels {
				if a != p && labels[a] == labels[p] && labels[a] != labels[n] {
					sum += max(0, measure(a, p)-measure(a, n)+margin)
					count++
				}
			}
		}
	}
	return sum / float64(count)
}

func TestTripletAgreesWithTheFormula(t *testing.T) {
	for _, squared := range []bool{false, true} {
		labels := balanced(4, 6)
		s := gaussian[float64](newRand(1), len(labels), 5, 3)
		l := newTriplet[float64](t, loss.TripletOptions{Margin: 0.7, Miner: loss.MinerAll, Squared: squared})
		got, _ := eval(t, l, loss.Batch[float64]{Student: s, Labels: labels})
		if want := referenceTriplet(s, labels, 0.7, squared); math.Abs(got-want) > 1e-12*want {
			t.Errorf("squared %v: value is %.15g, expected %.15g", squared, got, want)
		}
	}
}

func TestTripletAgreesWithPyTorch(t *testing.T) {
	for i, c := range readGolden(t).Triplet {
		t.Run(fmt.Sprintf("%d/%s/squared=%v", i, c.Miner, c.Squared), func(t *testing.T) {
			l := newTriplet[float64](t, loss.TripletOptions{Margin: c.Margin, Miner: c.Miner, Squared: c.Squared})
			value, grad := eval(t, l, loss.Batch[float64]{Student: c.Student.matrix(), Labels: c.Labels})
			if math.Abs(value-c.Triplet.Value) > 1e-12 {
				t.Errorf("value is %.15g, expected %.15g", value, c.Triplet.Value)
			}
			if e := relative(grad, c.Triplet.Grad); e > 1e-10 {
				t.Errorf("gradient is %g off, expected at most 1e-10", e)
			}
		})
	}
}

func TestTripletGradientIsTheDerivative(t *testing.T) {
	labels := balanced(3, 4)
	for _, miner := range loss.Miners() {
		for _, squared := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/squared=%v", miner, squared), func(t *testing.T) {
				b := loss.Batch[float64]{Student: gaussian[float64](newRand(8), len(labels), 6, 0), Labels: labels}
				for i := range b.Student.Data {
					b.Student.Data[i] *= 0.4
				}
				l := newTriplet[float64](t, loss.TripletOptions{Margin: 0.2, Miner: miner, Squared: squared})
				checkGradient(t, l, b, func(b *loss.Batch[float64]) { b.Rand = newRand(11) })
			})
		}
	}
}

func TestTripletIsAFunctionOfTheGenerator(t *testing.T) {
	labels := balanced(5, 13)
	s := gaussian[float32](newRand(1), len(labels), 16, 0)
	for i := range s.Data {
		s.Data[i] /= 5
	}
	for _, miner := range []string{loss.MinerDistanceWeighted, loss.MinerRandom} {
		l := newTriplet[float32](t, loss.TripletOptions{Margin: 0.2, Miner: miner})
		run := func(seed uint64) []float32 {
			value, grad := eval(t, l, loss.Batch[float32]{Student: s, Labels: labels, Rand: newRand(seed)})
			return append(grad, float32(value))
		}
		if slices.Equal(run(1), run(2)) {
			t.Errorf("%s: two seeds give the same triplets", miner)
		}
		checkBits(t, func() []float32 { return run(1) })
	}
}

func TestTripletOfCollapsedRowsIsTheMargin(t *testing.T) {
	labels := balanced(3, 3)
	for _, o := range []loss.TripletOptions{{Margin: 0.2}, {Margin: 0.2, Squared: true}} {
		for _, o.Miner = range loss.Miners() {
			for _, spread := range []float64{0, 1e-9} { // both below the distance at which rows coincide
				s := gaussian[float64](newRand(1), len(labels), 4, 0)
				for i := range s.Data {
					s.Data[i] = 0.1 + spread*s.Data[i]
				}
				b := loss.Batch[float64]{Student: s, Labels: labels, Rand: newRand(1)}
				value, grad := eval(t, newTriplet[float64](t, o), b)
				if size := norm(grad); math.Abs(value-0.2) > 1e-12 || size != 0 {
					t.Errorf("%+v, spread %g: value is %g, gradient's norm %g, expected 0.2 and 0", o, spread, value, size)
				}
			}
		}
	}
}

func TestTripletAllocatesNothing(t *testing.T) {
	labels := balanced(5, 6)
	for _, miner := range loss.Miners() {
		s := gaussian[float32](newRand(1), len(labels), 16, 0)
		b := loss.Batch[float32]{Student: s, Labels: labels, Rand: newRand(1)}
		checkNoAllocation(t, newTriplet[float32](t, loss.TripletOptions{Margin: 0.2, Miner: miner}), b)
	}
}

func TestTripletRefusesBadBatches(t *testing.T) {
	nan := gaussian[float32](newRand(1), 4, 2, 0)
	nan.Data[5] = float32(math.NaN())
	four := gaussian[float32](newRand(1), 4, 2, 0)
	rng := newRand(1)
	for _, c := range []struct {
		name    string
		student loss.Matrix[float32]
		labels  []int32
		rng     *rand.Rand
		want    error
		expect  string
	}{
		{"one class", four, []int32{3, 3, 3, 3}, rng, loss.ErrBatch, "no triplet among 4 rows of 1 classes"},
		{"one row a class", four, []int32{0, 1, 2, 3}, rng, loss.ErrBatch, "no triplet among 4 rows of 4 classes"},
		{"no labels", four, nil, rng, loss.ErrShape, "0 labels for student (4,2)"},
		{"no generator", four, []int32{0, 0, 1, 1}, nil, loss.ErrBatch, "needs a random generator"},
		{"NaN", nan, []int32{0, 0, 1, 1}, rng, loss.ErrNotFinite, "student row 2 has NaN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := loss.Batch[float32]{Student: c.student, Labels: c.labels, Rand: c.rng}
			_, err := newTriplet[float32](t, loss.TripletOptions{Margin: 0.2}).Eval(b, 1, zeros[float32](4, 2))
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.expect) {
				t.Errorf("error is %q, expected one of %q that says %q", err, c.want, c.expect)
			}
		})
	}
}

func TestNewTripletRefusesBadOptions(t *testing.T) {
	for _, c := range []struct {
		options loss.TripletOptions
		expect  string
	}{
		{loss.TripletOptions{Margin: -0.1}, "margin is -0.1"},
		{loss.TripletOptions{Margin: math.NaN()}, "margin is NaN"},
		{loss.TripletOptions{Margin: math.Inf(1)}, "margin is +Inf"},
		{loss.TripletOptions{Miner: "easy"}, `miner is "easy", expected one of distance_weighted, all, random, hard`},
	} {
		_, err := loss.NewTriplet[float32](c.options)
		if !errors.Is(err, loss.ErrOption) || !strings.Contains(err.Error(), c.expect) {
			t.Errorf("%+v: error is %v, expected ErrOption that says %q", c.options, err, c.expect)
		}
	}
}
