package train

import (
	"context"
	"iter"
	"slices"

	"rkd/datasets"
)

// Rows is what a student learns from: R rows, each a view of a sample with its label and the teacher's embedding.
type Rows struct {
	Labels  []int32   // (R)
	Samples []int64   // (R) identities; the views of one sample share theirs and stay on one side of the selection split
	Teacher []float32 // (R,Dt)
	Logits  []float32 // (R,C) of the teacher, nil without
	Input   Input
	// Unpack, where it is given, makes the C logits of a row of Logits, which then may be of another width.
	Unpack  func(logits, row []float32)
	Classes int // C, where Unpack is given
}

// Input gives the network's input of rows, float32 (N,Input...); datasets.Loader is one. Several sequences of batches
// may be read at a time.
type Input interface {
	// Batches reads the batches of order ahead and yields them, see datasets.Loader.Batches.
	Batches(ctx context.Context, order iter.Seq[[]int]) iter.Seq2[*datasets.Batch, error]
}

// gather copies the given rows of a matrix, (R,width), to dst, (len(rows),width).
func gather(dst, of []float32, rows []int, width int) []float32 {
	dst = slices.Grow(dst[:0], len(rows)*width)
	for _, row := range rows {
		dst = append(dst, of[row*width:(row+1)*width]...)
	}
	return dst
}
