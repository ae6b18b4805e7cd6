package pipeline

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"rkd/pipeline/cache"
	"rkd/teacher"
)

// A cache that keeps the K largest of C logits of a sample has 2·K+2 numbers in its column of logits: C; the logit that
// each of the others is taken to have, r; the K logits, largest first; and their K indices. All are exact in float32. r
// is the one that leaves the others together what they had of the probability,
//
//	r = log( 1/(C-K) · Σ_{not kept} exp(z_i) ),
//
// so that softmax of the unpacked logits gives the kept classes the very probabilities of all C logits, and the rest
// the same to each.
const (
	packedClasses = iota
	packedRest
	packedHead // where the kept logits begin
)

// logitsKey is what a cache's key says of the logits: the tensor's name where all are kept.
func logitsKey(l teacher.Logits) string {
	if l.Top == 0 {
		return l.Tensor
	}
	text, _ := json.Marshal(map[string]any{"tensor": l.Tensor, "top": l.Top}) // texts and numbers always encode
	return string(text)
}

// logitsWidth is the width of a cache's column of logits of so many classes.
func logitsWidth(l teacher.Logits, classes int) int {
	if l.Top == 0 {
		return classes
	}
	return packedHead + 2*l.Top
}

// checkTop refuses to keep more logits than leave a rest.
func checkTop(l teacher.Logits, classes int) error {
	if l.Top >= max(classes, 1) && l.Top > 0 {
		return fmt.Errorf("%w: logits.top is %d, but the model has %d classes: expected fewer, or no top to keep all",
			teacher.ErrOptions, l.Top, classes)
	}
	return nil
}

// packLogits is what a cache keeps of logits, (N,C).
func packLogits(l teacher.Logits, logits []float32, classes int) []float32 {
	if l.Top == 0 || classes == 0 {
		return logits
	}
	packed := make([]float32, 0, len(logits)/classes*logitsWidth(l, classes))
	order := make([]int, classes)
	for row := range slices.Chunk(logits, classes) {
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(row[b], row[a]), a-b) })
		kept, others := order[:l.Top], order[l.Top:]
		largest := float64(row[others[0]])
		sum := 0.0
		for _, i := range others {
			sum += math.Exp(float64(row[i]) - largest)
		}
		packed = append(packed, float32(classes), float32(largest+math.Log(sum/float64(len(others)))))
		for _, i := range kept {
			packed = append(packed, row[i])
		}
		for _, i := range kept {
			packed = append(packed, float32(i))
		}
	}
	return packed
}

// unpackLogits writes the logits of all classes that a packed row stands for.
func unpackLogits(logits, packed []float32) {
	top := (len(packed) - packedHead) / 2
	for i := range logits {
		logits[i] = packed[packedRest]
	}
	for k, index := range packed[packedHead+top:] {
		logits[int(index)] = packed[packedHead+k]
	}
}

// checkPacked tells whether rows of packed logits name classes that there are, and returns their number.
func checkPacked(packed []float32, width int) (classes int, err error) {
	for row := range slices.Chunk(packed, width) {
		if classes == 0 {
			classes = int(row[packedClasses])
		}
		bad := int(row[packedClasses]) != classes || classes < 1
		for _, index := range row[packedHead+(width-packedHead)/2:] {
			bad = bad || !(index >= 0 && int(index) < classes)
		}
		if bad {
			return 0, fmt.Errorf("%w: a row of its logits names classes that are not there", cache.ErrCorrupt)
		}
	}
	return classes, nil
}
