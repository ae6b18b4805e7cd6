package loss_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"rkd/student/loss"
)

func TestSumWeighsValuesAndGradients(t *testing.T) {
	b := gaussianBatch[float64](1, 15, 4, 7, 0)
	b.Labels = balanced(3, 5)
	triplet := newTriplet[float64](t, loss.TripletOptions{Margin: 0.2, Miner: loss.MinerAll})
	value := map[string]float64{}
	gradient := map[string][]float64{}
	for name, l := range map[string]loss.Loss[float64]{
		"rkd_distance": loss.NewRelational[float64](1, 0),
		"rkd_angle":    loss.NewRelational[float64](0, 1),
		"triplet":      triplet,
	} {
		value[name], gradient[name] = eval(t, l, b)
	}

	var sum loss.Sum[float64]
	sum.Add(2, loss.NewRelational[float64](1, 4))
	sum.Add(0, loss.NewRelational[float64](1, 1)) // contributes nothing
	sum.Add(0.5, triplet)
	grad := zeros[float64](15, 4)
	for i := range grad.Data {
		grad.Data[i] = math.NaN() // overwritten
	}
	got, err := sum.Eval(b, grad)
	if err != nil {
		t.Fatal(err)
	}
	want := []loss.Term{
		{Name: "rkd_distance", Weight: 2},
		{Name: "rkd_angle", Weight: 8},
		{Name: "triplet", Weight: 0.5},
	}
	if len(got.Terms) != len(want) {
		t.Fatalf("terms are %+v, expected %d", got.Terms, len(want))
	}
	total, wantGrad := 0.0, make([]float64, len(grad.Data))
	for i, term := range want {
		term.Value = value[term.Name]
		if got.Terms[i] != term {
			t.Errorf("term %d is %+v, expected %+v", i, got.Terms[i], term)
		}
		total += term.Weight * term.Value
		for k, g := range gradient[term.Name] {
			wantGrad[k] += term.Weight * g
		}
	}
	if math.Abs(got.Total-total) > 1e-14 {
		t.Errorf("total is %g, expected %g", got.Total, total)
	}
	if e := relative(grad.Data, wantGrad); e > 1e-14 {
		t.Errorf("gradient is %g off the weighted sum of gradients", e)
	}
}

func TestSumAllocatesNothing(t *testing.T) {
	b := gaussianBatch[float32](1, 30, 4, 7, 0)
	b.Labels, b.Rand = balanced(3, 10), newRand(1)
	var sum loss.Sum[float32]
	sum.Add(1, loss.NewRelational[float32](1, 2))
	sum.Add(1, newTriplet[float32](t, loss.TripletOptions{Margin: 0.2}))
	grad := zeros[float32](30, 4)
	allocs := testing.AllocsPerRun(5, func() {
		if _, err := sum.Eval(b, grad); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("a call allocates %v times after the first, expected none", allocs)
	}
}

func TestSumPassesOnTheErrorOfALoss(t *testing.T) {
	var sum loss.Sum[float32]
	sum.Add(1, loss.NewRelational[float32](1, 0))
	b := loss.Batch[float32]{Student: zeros[float32](3, 2), Teacher: zeros[float32](4, 2)}
	_, err := sum.Eval(b, zeros[float32](3, 2))
	if !errors.Is(err, loss.ErrShape) {
		t.Errorf("error is %v, expected ErrShape", err)
	}
}

func TestSumFollowsSchedules(t *testing.T) {
	b := gaussianBatch[float64](1, 6, 4, 4, 0)
	var sum loss.Sum[float64]
	sum.AddScheduled(2, loss.Schedule{Warmup: 4}, regression[float64](t, loss.RegressionMSE))
	sum.AddScheduled(3, loss.Schedule{Decay: loss.DecayLinear, From: 2, To: 2}, infoNCE[float64](t, 0.5))
	squares, squaresGrad := eval(t, regression[float64](t, loss.RegressionMSE), b)
	contrast, contrastGrad := eval(t, infoNCE[float64](t, 0.5), b)
	for _, c := range []struct {
		epoch float64
		terms []loss.Term
	}{
		{0, []loss.Term{{Name: "info_nce", Weight: 3, Value: contrast}}},
		{1, []loss.Term{{Name: "regression", Weight: 0.5, Value: squares}, {Name: "info_nce", Weight: 3, Value: contrast}}},
		{2, []loss.Term{{Name: "regression", Weight: 1, Value: squares}}},
		{8, []loss.Term{{Name: "regression", Weight: 2, Value: squares}}},
	} {
		b.Epoch = c.epoch
		grad := zeros[float64](6, 4)
		v, err := sum.Eval(b, grad)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(v.Terms, c.terms) {
			t.Errorf("epoch %g: terms are %+v, expected %+v", c.epoch, v.Terms, c.terms)
		}
		total, want := 0.0, make([]float64, len(grad.Data))
		for _, term := range c.terms {
			total += term.Weight * term.Value
			for i := range want {
				want[i] += term.Weight * map[string][]float64{"regression": squaresGrad, "info_nce": contrastGrad}[term.Name][i]
			}
		}
		if e := relative(grad.Data, want); math.Abs(v.Total-total) > 1e-14 || e > 1e-14 {
			t.Errorf("epoch %g: total is %g, expected %g; gradient is %g off", c.epoch, v.Total, total, e)
		}
	}
}
