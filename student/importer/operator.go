package importer

import (
	"fmt"
	"maps"
	"slices"

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
		"Sum":                (*call).sum,
		"Sub":                (*call).difference,
		"Mul":                (*call).product,
		"Div":                (*call).quotient,
		"Pow":                (*call).power,
		"Relu":               elementwise(op.ReLU),
		"Sigmoid":            elementwise(op.Sigmoid),
		"Tanh":               elementwise(op.Tanh),
		"HardSwish":          elementwise(op.HardSwish),
		"Clip":               (*call).clip,
		"Elu":                (*call).elu,
		"Erf":                elementwise(op.Erf),
		"LeakyRelu":          (*call).leakyRelu,
		"Mish":               (*call).mish,
		"PRelu":              (*call).prelu,
		"Softplus":           elementwise(op.Softplus),
		"HardSigmoid":        (*call).hardSigmoid,
		"Swish":              (*call).swish,
		"Softmax":            (*call).softmax,
		"ReduceL2":           (*call).length,
		"Max":                (*call).boundedLength,
		"Expand":             (*call).expand,
		"LpNormalization":    (*call).normalize,
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

// cast changes nothing: the student computes in float32, and of an integer input it gets the numbers as they are.
func (c *call) cast() ([]value, error) {
	x, err := c.movable(0)
	if err != nil {
		return nil, err
	}
	to := onnx.ElemType(c.int("to", 0))
	switch {
	case to.IsFloat():
		x.integer = false
	case !x.integer:
		return nil, fmt.Errorf("a cast of floating-point numbers to %s is %w: expected a floating-point type", to, errImport)
	}
	return []value{x}, nil
}
