package op

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/student/internal/blas"
	"rkd/student/internal/parallel"
)

// DropoutOptions are the attributes of Dropout.
type DropoutOptions struct {
	Rate float64 // the share of elements that are dropped
	// Key identifies the stream of this layer's masks: it differs between layers and between seeds.
	Key [2]uint64
}

// dropout is the operator of Dropout: a Mul whose second factor, the mask, is a constant.
type dropout struct{ operator }

// Dropout is inverted dropout, y = x·m of any shape but a scalar, with a mask m whose elements are 0 with probability
// Rate and 1/(1−Rate) otherwise. The mask is a function of the key, of the step and of the element's place: the same
// step draws the same mask on every machine, so a resumed training goes on as if it had not been stopped.
//
// step is (1), the number of the step as an element of x's type: a whole number from 0 to 2²⁴, which float32 holds
// exactly. Whoever runs the graph sets it before every run; running with anything else, NaN among it, is ErrOption. The
// mask is a node of its own without gradient that depends on step alone; forward and backward pass share it. In
// inference there is no dropout, and no node.
//
// It returns ErrShape when step is not (1), and ErrOption unless 0 < Rate < 1.
//
// Source: Srivastava et al., JMLR 15, 2014. Deviation: as in PyTorch the scaling is done in training.
func Dropout(x, step *gorgonia.Node, opts DropoutOptions) (*gorgonia.Node, error) {
	if x == nil || rank(x) == 0 {
		return nil, fmt.Errorf("Dropout: %w: input 0 is nil or a scalar, expected a tensor", ErrShape)
	}
	if !(opts.Rate > 0 && opts.Rate < 1) {
		return nil, fmt.Errorf("Dropout: %w: rate is %g, expected a number between 0 and 1", ErrOption, opts.Rate)
	}
	shape := x.Shape().Clone()
	mask, err := apply(&operator{ // it has no ONNX form: the mask is drawn here on either engine
		name:  fmt.Sprintf("DropoutMask{rate=%g,key=%x,shape=%v}", opts.Rate, opts.Key, shape),
		ranks: []int{1, rank(x)},
		infer: func(in []tensor.Shape) (tensor.Shape, error) { return shape.Clone(), expectShape(in, 0, 1) },
		exec: func(team *parallel.Team, out gorgonia.Value, in []gorgonia.Value) error {
			number, err := stepNumber(in[0])
			if err != nil {
				return err
			}
			return kernels(
				func(a args[float32]) { drawMask(a, opts, number) },
				func(a args[float64]) { drawMask(a, opts, number) })(team, out, in)
		},
	}, step)
	if err != nil {
		return nil, err
	}
	return apply(&dropout{operator{
		name:  "Dropout",
		ranks: []int{rank(x), rank(x), rank(x)},
		infer: sameShape,
		exec:  kernels(mulForward[float32], mulForward[float64]),
		lower: onnxNode("Mul"),
	}}, x, mask)
}

// stepNumber reads the value of a step, (1).
func stepNumber(v gorgonia.Value) (uint64, error) {
	var step float64
	switch data := v.Data().(type) {
	case []float32:
		step = float64(data[0])
	case []float64:
		step = data[0]
	}
	if !(step >= 0 && step <= 1<<24 && step == math.Trunc(step)) {
		return 0, fmt.Errorf("%w: step is %g, expected a whole number from 0 to 2^24", ErrOption, step)
	}
	return uint64(step), nil
}

// maskBlock is the number of elements that one generator draws. It is fixed, so that masks do not depend on the number
// of processors.
const maskBlock = 4096

func drawMask[T blas.Float](a args[T], opts DropoutOptions, step uint64) {
	choice := [2]T{T(1 / (1 - opts.Rate)), 0} // by index: chance would mispredict every other branch
	limit := uint64(math.Round(opts.Rate * (1 << 32)))
	a.team.For((len(a.out)+maskBlock-1)/maskBlock, func(block int) {
		var seed [32]byte
		for i, word := range []uint64{opts.Key[0], opts.Key[1], step, uint64(block)} {
			binary.LittleEndian.PutUint64(seed[8*i:], word)
		}
		generator := rand.NewChaCha8(seed)
		mask := a.out[block*maskBlock : min(len(a.out), (block+1)*maskBlock)]
		var bits uint64
		for i := range mask {
			if i%2 == 0 {
				bits = generator.Uint64()
			}
			below := (bits&math.MaxUint32 - limit) >> 63 // 1 where 32 random bits are below the limit
			mask[i] = choice[below]
			bits >>= 32
		}
	})
}

// DiffWRT says that x has a gradient, the mask not.
func (*dropout) DiffWRT(int) []bool { return []bool{true, false} }

// SymDiff returns gx = gy·m, and nil for the mask.
func (*dropout) SymDiff(inputs gorgonia.Nodes, _, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	gx, err := Mul(gy, inputs[1])
	return gorgonia.Nodes{gx, nil}, err
}
