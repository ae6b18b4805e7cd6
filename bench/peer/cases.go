package main

import (
	"context"
	"fmt"
	"math/rand/v2"

	"rkd/pipeline/eval"
	"rkd/student/loss"
)

// cases lists what is compared; dir is for files, mobilenet for steps.
func cases(dir, mobilenet string) []comparison {
	list := []comparison{relational(64), relational(128), relational(256)}
	list = append(list, steps(mobilenet)...)
	return append(list, retrieval(4861, 16, 5), load(dir, 30_000, 512))
}

// gaussian returns n normal values, equal ones for equal seeds.
func gaussian(seed uint64, n int) []float32 {
	rng := rand.New(rand.NewPCG(seed, 0))
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(rng.NormFloat64())
	}
	return values
}

// relationalLoss is 1·distance + 2·angle.
func relationalLoss() *loss.Sum[float32] {
	sum := new(loss.Sum[float32])
	sum.Add(1, loss.NewRelational[float32](1, 2))
	return sum
}

// relational is forward and backward of the relational losses on n rows.
func relational(n int) comparison {
	const ds, dt = 64, 512
	name := fmt.Sprintf("loss/N=%d,Ds=%d,Dt=%d", n, ds, dt)
	return comparison{name, func(_ context.Context, all peers) (side, []side, error) {
		student, teacher, grad := gaussian(1, n*ds), gaussian(2, n*dt), make([]float32, n*ds)
		sum := relationalLoss()
		batch := loss.Batch[float32]{
			Student: loss.Matrix[float32]{Rows: n, Cols: ds, Data: student},
			Teacher: loss.Matrix[float32]{Rows: n, Cols: dt, Data: teacher},
		}
		theirs, err := all.prepare("loss", array{student, []int{n, ds}}, array{teacher, []int{n, dt}})
		return local(func() (float64, error) {
			v, err := sum.Eval(batch, loss.Matrix[float32]{Rows: n, Cols: ds, Data: grad})
			return v.Total, err
		}), theirs, err
	}}
}

// retrieval is Recall@1, Recall@5 and MAP@R of n embeddings in overlapping classes; its value is MAP@R.
func retrieval(n, d, classes int) comparison {
	return comparison{fmt.Sprintf("eval/N=%d,D=%d", n, d), func(ctx context.Context, all peers) (side, []side, error) {
		centres, rows := gaussian(1, classes*d), gaussian(2, n*d)
		labels, sentLabels := make([]int32, n), make([]float32, n)
		for i := range labels {
			class := i % classes
			labels[i], sentLabels[i] = int32(class), float32(class)
			for j := range d {
				rows[i*d+j] += centres[class*d+j] / 2
			}
		}
		theirs, err := all.prepare("eval", array{rows, []int{n, d}}, array{sentLabels, []int{n}})
		return local(func() (float64, error) {
			s, err := eval.Retrieval(ctx, rows, n, d, labels, []int{1, 5})
			return s.MAPAtR, err
		}), theirs, err
	}}
}
