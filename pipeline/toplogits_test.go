package pipeline

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"rkd/student/loss"
	"rkd/teacher"
)

// HKD on the kept logits is the formula with the rest of the probability spread evenly.
func TestTopLogits(t *testing.T) {
	const n, classes, top = 5, 12, 3
	random := rand.New(rand.NewPCG(1, 2))
	full, student := make([]float32, n*classes), make([]float32, n*classes)
	for i := range full {
		full[i], student[i] = float32(4*random.NormFloat64()), float32(random.NormFloat64())
	}
	l := teacher.Logits{Tensor: "logits", Top: top}
	packed := packLogits(l, full, classes)
	width := logitsWidth(l, classes)
	if len(packed) != n*width {
		t.Fatalf("got %d numbers, want %d", len(packed), n*width)
	}
	if got, err := checkPacked(packed, width); err != nil || got != classes {
		t.Fatalf("got %d classes (error %v), want %d", got, err, classes)
	}
	unpacked := make([]float32, n*classes)
	want := 0.0
	for i := range n {
		row := unpacked[i*classes : (i+1)*classes]
		unpackLogits(row, packed[i*width:(i+1)*width])
		p, q := softmax(full[i*classes:(i+1)*classes]), softmax(student[i*classes:(i+1)*classes])
		kept := slices.Clone(p)
		slices.Sort(kept)
		rest := 1.0
		for _, v := range kept[classes-top:] {
			rest -= v
		}
		for c := range classes {
			of := p[c]
			if of < kept[classes-top] {
				of = rest / (classes - top)
			}
			want += of * math.Log(of/q[c]) / n
		}
	}
	hkd, err := loss.NewSoftTarget[float32](loss.SoftTargetOptions{Temperature: 1})
	if err != nil {
		t.Fatal(err)
	}
	got, err := hkd.Eval(loss.Batch[float32]{
		Student: loss.Matrix[float32]{Rows: n, Cols: classes, Data: student},
		Logits:  loss.Matrix[float32]{Rows: n, Cols: classes, Data: unpacked},
	}, 1, loss.Matrix[float32]{})
	if err != nil || math.Abs(got.Total-want) > 1e-6 {
		t.Errorf("got %v (error %v), want %v", got.Total, err, want)
	}
	packed[width+packedHead+top] = classes
	if _, err := checkPacked(packed, width); err == nil {
		t.Error("got no error for a class that is not there")
	}
}

func softmax(z []float32) []float64 {
	p, sum := make([]float64, len(z)), 0.0
	for i, v := range z {
		p[i] = math.Exp(float64(v))
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}
