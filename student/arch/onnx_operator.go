package arch

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"gorgonia.org/gorgonia"

	"rkd/models/onnx"
	"rkd/student/op"
)

// operator translates a node.
type operator func(c *call) ([]value, error)

// supported are the names of the operators that Import knows, those on constants alone included.
func supported(operators map[string]operator) []string {
	names := slices.Collect(maps.Keys(operators))
	for _, name := range []string{"Shape", "Size", "Constant", "ConstantOfShape", "Gather", "Floor", "Ceil", "Neg"} {
		names = append(names, name+" (of shapes)")
	}
	return slices.Sorted(slices.Values(names))
}

// operators are the ONNX operators that become one of package op's, or nothing at all.
func operators() map[string]operator {
	return map[string]operator{
		"Conv":               (*call).conv,
		"ConvTranspose":      (*call).convTranspose,
		"Gemm":               (*call).gemm,
		"MatMul":             (*call).matMul,
		"BatchNormalization": (*call).batchNorm,
		"LayerNormalization": (*call).layerNorm,
		"Add":                (*call).sum,
		"Sub":                (*call).difference,
		"Mul":                (*call).product,
		"Div":                (*call).quotient,
		"Relu":               elementwise(op.ReLU, true),
		"Sigmoid":            elementwise(op.Sigmoid, true),
		"Tanh":               elementwise(op.Tanh, false),
		"HardSwish":          elementwise(op.HardSwish, false),
		"Clip":               (*call).clip,
		"LeakyRelu":          (*call).leakyRelu,
		"HardSigmoid":        (*call).hardSigmoid,
		"Softmax":            (*call).softmax,
		"Gelu":               (*call).gelu,
		"MaxPool":            (*call).maxPool,
		"AveragePool":        (*call).averagePool,
		"GlobalAveragePool":  globalPool(op.GlobalAvgPool),
		"GlobalMaxPool":      globalPool(op.GlobalMaxPool),
		"ReduceMean":         (*call).reduceMean,
		"Pad":                (*call).pad,
		"Concat":             (*call).concatNode,
		"Split":              (*call).split,
		"Slice":              (*call).sliceNode,
		"Flatten":            (*call).flatten,
		"Reshape":            (*call).reshapeNode,
		"Squeeze":            (*call).squeezeNode,
		"Unsqueeze":          (*call).unsqueezeNode,
		"Transpose":          (*call).transposeNode,
		"Identity":           (*call).identity,
		"Dropout":            (*call).identity,
		"Cast":               (*call).cast,
	}
}

// trained makes a parameter of input i, a constant of the given shape.
func (c *call) trained(i int, shape ...int) (argument, error) {
	k, err := c.floats(i)
	if err != nil {
		return argument{}, err
	}
	if !slices.Equal(k.shape, shape) {
		return argument{}, fmt.Errorf("input %q is %v, expected %v", clip(c.proto.Input[i]), k.shape, shape)
	}
	return c.weight(c, k, reading{shape: shape, values: k.floats, trained: true})
}

func elementwise(f func(*gorgonia.Node) (*gorgonia.Node, error), positive bool) operator {
	return func(c *call) ([]value, error) {
		x, err := c.variable(0)
		if err != nil {
			return nil, err
		}
		return c.elementwise(x, positive, f)
	}
}

func (c *call) elementwise(x value, positive bool, f func(*gorgonia.Node) (*gorgonia.Node, error)) ([]value, error) {
	out, err := c.one(func(in gorgonia.Nodes) (*gorgonia.Node, error) { return f(in[0]) }, x)
	out[0].positive = positive // one always returns one value
	return out, err
}

// bound is a limit of Clip, an attribute in old files and an input in new ones.
func (c *call) bound(attribute string, input int, def float64) (float64, error) {
	if !c.has(input) {
		return c.float(attribute, def), nil
	}
	k, err := c.floats(input)
	if err != nil {
		return 0, err
	}
	return k.scalar()
}

func (c *call) clip() ([]value, error) {
	x, err := c.variable(0)
	if err != nil {
		return nil, err
	}
	low, err := c.bound("min", 1, -math.MaxFloat32)
	if err != nil {
		return nil, err
	}
	high, err := c.bound("max", 2, math.MaxFloat32)
	if err != nil {
		return nil, err
	}
	switch {
	case low == 0 && high == 6:
		return c.elementwise(x, true, op.ReLU6)
	case low == 0 && high >= math.MaxFloat32:
		return c.elementwise(x, true, op.ReLU)
	}
	return nil, fmt.Errorf("limits of %g and %g are %w: expected 0 and 6, or 0 alone", low, high, errImport)
}

func (c *call) leakyRelu() ([]value, error) {
	x, err := c.variable(0)
	if err != nil {
		return nil, err
	}
	slope := c.float("alpha", 0.01)
	return c.elementwise(x, false, func(n *gorgonia.Node) (*gorgonia.Node, error) { return op.LeakyReLU(n, slope) })
}

func (c *call) hardSigmoid() ([]value, error) {
	x, err := c.variable(0)
	if err != nil {
		return nil, err
	}
	alpha, beta := c.float("alpha", 0.2), c.float("beta", 0.5)
	return c.elementwise(x, true, func(n *gorgonia.Node) (*gorgonia.Node, error) { return op.HardSigmoid(n, alpha, beta) })
}

func (c *call) softmax() ([]value, error) {
	x, err := c.variable(0, 2)
	if err != nil {
		return nil, err
	}
	def := int64(-1)
	if c.opset < 13 {
		def = 1
	}
	if a, err := axis(c.int("axis", def), 2); err != nil || a != 1 {
		return nil, fmt.Errorf("axis is %d, which is %w: expected 1", c.int("axis", def), errImport)
	}
	return c.elementwise(x, true, op.Softmax)
}

func (c *call) gelu() ([]value, error) {
	x, err := c.variable(0)
	if err != nil {
		return nil, err
	}
	if kind := c.string("approximate", "none"); kind != "none" {
		return nil, fmt.Errorf("approximate is %q, which is %w: expected none", clip(kind), errImport)
	}
	return c.elementwise(x, false, op.GELU)
}

func (c *call) cast() ([]value, error) {
	x, err := c.variable(0)
	if err != nil {
		return nil, err
	}
	if to := onnx.ElemType(c.int("to", 0)); !to.IsFloat() {
		return nil, fmt.Errorf("a cast to %s is %w: expected a floating-point type", to, errImport)
	}
	return []value{x}, nil
}
