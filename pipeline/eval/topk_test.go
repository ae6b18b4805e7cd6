package eval

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestTopKByHand(t *testing.T) {
	logits := []float32{ // (4,3)
		0.1, 0.7, 0.2, // ranks of the classes: 3, 1, 2
		5, -1, 0, // 1, 3, 2
		2, 2, 1, // the two that are equal are both second
		4, 4, 4, // all are third
	}
	got, err := TopK(logits, 4, 3, []int32{1, 2, 0, 1}, []int{1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	sameAccuracies(t, got, map[int]float64{1: 0.25, 2: 0.75, 3: 1})
}

func TestTopKAgreesWithScikitLearn(t *testing.T) {
	for i, tt := range readClassificationGolden(t).TopK {
		got, err := TopK(tt.Logits, tt.N, tt.C, tt.Labels, slices.Collect(maps.Keys(tt.Want)))
		if err != nil {
			t.Fatalf("case %d: %v", i, err)
		}
		sameAccuracies(t, got, tt.Want)
	}
}

func TestTopKAgreesWithTheFormula(t *testing.T) {
	const n, c = 200, 7
	rng := rand.New(rand.NewPCG(5, 6))
	logits, labels := make([]float32, n*c), make([]int32, n)
	for i := range logits {
		logits[i] = float32(rng.IntN(6)) // with many ties
	}
	want := map[int]float64{1: 0, 2: 0, 5: 0, c: 0}
	for i := range labels {
		labels[i] = int32(rng.IntN(c))
		ahead := 0
		for j, v := range logits[i*c : (i+1)*c] {
			if j != int(labels[i]) && v >= logits[i*c+int(labels[i])] {
				ahead++
			}
		}
		for k := range want {
			if ahead < k {
				want[k] += 1. / n
			}
		}
	}
	got, err := TopK(logits, n, c, labels, slices.Collect(maps.Keys(want)))
	if err != nil {
		t.Fatal(err)
	}
	sameAccuracies(t, got, want)
}

func TestTopKRefuses(t *testing.T) {
	inf := float32(math.Inf(-1))
	for _, tt := range []struct {
		name   string
		logits []float32
		n, c   int
		labels []int32
		ks     []int
		text   string
	}{
		{"no samples", nil, 0, 2, nil, nil, "0 samples, expected at least 1"},
		{"one class", []float32{1}, 1, 1, []int32{0}, nil, "logits of 1 classes, expected at least 2"},
		{"too many logits", []float32{1, 2, 3}, 1, 2, []int32{0}, nil, "3 logits, expected 1×2"},
		{"too few labels", []float32{1, 2}, 1, 2, nil, nil, "0 labels for 1 samples"},
		{"K of 0", []float32{1, 2}, 1, 2, []int32{0}, []int{1, 0}, "top-0 accuracy of 2 classes"},
		{"K above C", []float32{1, 2}, 1, 2, []int32{0}, []int{5}, "top-5 accuracy of 2 classes, expected K between 1 and 2"},
		{"label of C", []float32{1, 2, 3, 4}, 2, 2, []int32{0, 2}, nil, "row 1 has label 2, expected one between 0 and 1"},
		{"a negative label", []float32{1, 2}, 1, 2, []int32{-1}, nil, "row 0 has label -1"},
		{"an infinity", []float32{1, 2, inf, 4}, 2, 2, []int32{0, 1}, nil, "row 1 of the logits holds -Inf"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := TopK(tt.logits, tt.n, tt.c, tt.labels, tt.ks)
			if !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %v, want ErrInput about %q", err, tt.text)
			}
		})
	}
}

func ExampleTopK() {
	logits := []float32{ // (2,3)
		0.1, 2.5, 0.3,
		1.2, 0.4, 0.9,
	}
	accuracy, err := TopK(logits, 2, 3, []int32{1, 2}, []int{1, 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("top-1 %.1f, top-2 %.1f\n", accuracy[1], accuracy[2])
	// Output: top-1 0.5, top-2 1.0
}
