package importer

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"

	"rkd/student/arch"
	"rkd/student/op"
)

// Matrix products and normalisations.

// linear is a matrix product with alpha times the constant input 1, which is (I,O), or (O,I) if transposed.
func (c *call) linear(x value, transposed bool, alpha float64) (argument, int, error) {
	k, err := c.floats(1)
	if err != nil {
		return argument{}, 0, err
	}
	if len(k.shape) != 2 || size(k.shape) < 1 {
		return argument{}, 0, fmt.Errorf("weight %q is %v, expected a matrix", clip(k.name), k.shape)
	}
	r := reading{shape: k.shape, values: k.floats, trained: true}
	if !transposed {
		t := k.transposed([]int{1, 0})
		r = reading{how: "transposed", shape: t.shape, values: t.floats, trained: true}
	}
	if r.shape[1] != x.shape[0] {
		return argument{}, 0, fmt.Errorf("weight %q takes %d features, but the input has %d", clip(k.name),
			r.shape[1], x.shape[0])
	}
	w, err := c.weight(c, k, r.times(alpha))
	return w, r.shape[0], err
}

// times is r with every number multiplied by factor.
func (r reading) times(factor float64) reading {
	if factor == 1 {
		return r
	}
	r.how += fmt.Sprintf(" times %g", factor)
	r.values = slices.Clone(r.values)
	for i, v := range r.values {
		r.values[i] = float32(factor * float64(v))
	}
	return r
}

func (c *call) gemm() ([]value, error) {
	x, err := c.variable(0, 2)
	if err != nil {
		return nil, err
	}
	if err := c.expect("transA", 0, 0); err != nil {
		return nil, err
	}
	w, outputs, err := c.linear(x, c.int("transB", 0) != 0, c.float("alpha", 1))
	if err != nil {
		return nil, err
	}
	arguments := []argument{w}
	if beta := c.float("beta", 1); c.has(2) && beta != 0 {
		k, err := c.floats(2)
		if err != nil {
			return nil, err
		}
		values, ok := k.channels([]int{outputs})
		if !ok {
			return nil, fmt.Errorf("bias %q is %v, expected [%d]", clip(k.name), k.shape, outputs)
		}
		r := reading{shape: []int{outputs}, values: values, trained: true}
		b, err := c.weight(c, k, r.times(beta))
		if err != nil {
			return nil, err
		}
		arguments = append(arguments, b)
	}
	x.learned = true
	return c.one(func(in gorgonia.Nodes) (*gorgonia.Node, error) { return op.Linear(in[0], in[1], bias(in)) },
		x, arguments...)
}

func (c *call) matMul() ([]value, error) {
	x, err := c.variable(0, 2)
	if err != nil {
		return nil, err
	}
	w, _, err := c.linear(x, false, 1)
	if err != nil {
		return nil, err
	}
	x.learned = true
	return c.one(func(in gorgonia.Nodes) (*gorgonia.Node, error) { return op.Linear(in[0], in[1], nil) }, x, w)
}

func (c *call) batchNorm() ([]value, error) {
	x, err := c.variable(0, 2, 4)
	if err != nil {
		return nil, err
	}
	if c.int("training_mode", 0) != 0 && !c.options.TrainBatchNorm {
		return nil, fmt.Errorf("training_mode is 1, which is %w with frozen statistics: expected batch_norm: train",
			errImport)
	}
	if err := c.expect("spatial", 1, 1); err != nil {
		return nil, err
	}
	var arguments [4]argument // mean, variance, gamma, beta, of which the file has the last two first
	for i, input := range []int{3, 4, 1, 2} {
		k, err := c.floats(input)
		if err != nil {
			return nil, err
		}
		if !slices.Equal(k.shape, x.shape[:1]) {
			return nil, fmt.Errorf("input %q is %v, expected %v", clip(k.name), k.shape, x.shape[:1])
		}
		r := reading{shape: k.shape, values: k.floats, trained: input < 3}
		if arguments[i], err = c.weight(c, k, r); err != nil {
			return nil, err
		}
	}
	epsilon := c.float("epsilon", 1e-5)
	x.learned = true
	out, err := c.one(func(in gorgonia.Nodes) (*gorgonia.Node, error) {
		return op.BatchNormInference(in[0], in[1], in[2], in[3], in[4], epsilon)
	}, x, arguments[:]...)
	if err == nil && c.options.TrainBatchNorm && arguments[2].source == fromParams && arguments[3].source == fromParams {
		c.program.steps[len(c.program.steps)-1].norm = &arch.Normalization{
			Mean: arguments[0].place, Variance: arguments[1].place,
			Weight: arguments[2].place, Bias: arguments[3].place, Epsilon: epsilon,
		}
	}
	return out, err
}

func (c *call) layerNorm() ([]value, error) {
	x, err := c.variable(0)
	if err != nil {
		return nil, err
	}
	a, err := axis(c.int("axis", -1), len(x.shape)+1)
	if err != nil {
		return nil, err
	}
	if a == 0 {
		return nil, fmt.Errorf("axis is 0, which is %w: expected the samples to be apart", errImport)
	}
	if !c.has(2) {
		return nil, fmt.Errorf("a layer normalisation without bias is %w", errImport)
	}
	var arguments [2]argument
	for i := range arguments {
		if arguments[i], err = c.trained(1+i, x.shape[a-1:]...); err != nil {
			return nil, err
		}
	}
	epsilon := c.float("epsilon", 1e-5)
	x.learned = true
	return c.one(func(in gorgonia.Nodes) (*gorgonia.Node, error) {
		return op.LayerNorm(in[0], in[1], in[2], epsilon)
	}, x, arguments[:]...)
}
