package loss_test

import (
	"fmt"
	"math/rand/v2"

	"rkd/student/loss"
)

// A classifier's head on embeddings learns from labels and from the teacher's logits; the sum lists its weights once,
// for an optimiser.
func ExampleNewProjected() {
	const rows, width, classes = 4, 3, 2
	rng := rand.New(rand.NewPCG(1, 1))
	head, err := loss.NewProjection[float64]("head", loss.ProjectionOptions{Bias: true}, width, classes, rng)
	if err != nil {
		fmt.Println(err)
		return
	}
	labels, err := loss.NewCrossEntropy[float64](loss.CrossEntropyOptions{Smoothing: 0.1})
	if err != nil {
		fmt.Println(err)
		return
	}
	soft, err := loss.NewSoftTarget[float64](loss.SoftTargetOptions{Temperature: 4})
	if err != nil {
		fmt.Println(err)
		return
	}
	var sum loss.Sum[float64]
	sum.Add(1, loss.NewProjected(head, labels))
	sum.AddScheduled(16, loss.Schedule{Warmup: 1}, loss.NewProjected(head, soft))

	batch := loss.Batch[float64]{
		Student: loss.Matrix[float64]{Rows: rows, Cols: width, Data: []float64{1, 0, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0}},
		Logits:  loss.Matrix[float64]{Rows: rows, Cols: classes, Data: []float64{9, 1, 0, 5, 7, 1, 2, 6}},
		Labels:  []int32{0, 1, 0, 1},
	}
	grad := loss.Matrix[float64]{Rows: rows, Cols: width, Data: make([]float64, rows*width)}
	first, last := 0.0, 0.0
	for step := range 200 {
		batch.Epoch = float64(step) / 50
		value, err := sum.Eval(batch, grad)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, p := range sum.Params() {
			for i, g := range p.Grad {
				p.Value[i] -= 0.1 * g
			}
		}
		if step == 50 { // the warm-up is over
			first = value.Total
		}
		last = value.Total
	}
	for _, p := range sum.Params() {
		fmt.Println(p.Name, p.Shape)
	}
	fmt.Println("less than at first:", last < first)
	// Output:
	// head.weight [2 3]
	// head.bias [2]
	// less than at first: true
}
