package importer

import (
	"fmt"
	"slices"
	"strings"

	"gorgonia.org/gorgonia"

	"rkd/models/onnx"
	"rkd/student/arch"
	"rkd/student/op"
)

// translator translates the nodes of a model one after another.
type translator struct {
	options Options
	model   *onnx.Model
	opset   int64
	batch   int64 // the number of samples that the file is fixed to, 0 for any
	program *program
	freeze  *freezer
	values  map[string]value
	initial map[string]*onnx.TensorProto
	weights map[string]weight // by the constant's name and how it is read
	names   map[string]bool   // of weights, in the file and in the network

	// graph has every step with two samples and no values: the operators say what fits and what comes out.
	graph *gorgonia.ExprGraph
	nodes gorgonia.Nodes // of the program's values
}

// value is a translated tensor of the file: a constant, or a value of the program.
type value struct {
	constant *constant
	place    int
	shape    []int // of one sample
	// source is the value that this one is a reshape of, itself for others.
	source      int
	sourceShape []int
	learned     bool // a weighted node stands before it
	integer     bool // an integer input: only Cast reads it
	// length, where the value stands for the lengths of the rows of another one, is that value: Div makes L2 normalisation
	// of the two. Nothing computes the lengths themselves.
	length      *length
	channelLast bool // the input of a model that wants (N,H,W,C): Transpose makes it (N,C,H,W), as it is with us
}

// argument is an input of a step under way.
type argument struct {
	operand
	node *gorgonia.Node
}

// weight is a constant that has become a parameter or a buffer.
type weight struct {
	argument
	name   string // of the constant
	values []float32
}

// argument is a value of the program as a step's input.
func (tr *translator) argument(v value) argument {
	return argument{operand{fromValues, v.place}, tr.nodes[v.place]}
}

func newTranslator(m *onnx.Model, o Options, f *freezer) (*translator, error) {
	tr := &translator{
		options: o, model: m, opset: m.Opset(), freeze: f,
		program: new(program),
		values:  make(map[string]value), initial: make(map[string]*onnx.TensorProto),
		weights: make(map[string]weight), names: map[string]bool{"input": true},
		graph: gorgonia.NewGraph(),
	}
	g := m.Proto.GetGraph()
	for _, t := range g.GetInitializer() {
		tr.initial[t.GetName()] = t
	}
	if s := g.GetSparseInitializer(); len(s) > 0 {
		return nil, fmt.Errorf("initializer %q is sparse, expected dense weights", s[0].GetValues().GetName())
	}
	return tr, tr.input()
}

// input fits the model's input to the samples.
func (tr *translator) input() error {
	inputs := tr.model.Inputs()
	if len(inputs) != 1 {
		return fmt.Errorf("the tensor depends on %d inputs, expected one: %v", len(inputs), inputs)
	}
	in, shape := inputs[0], tr.options.Input
	if in.Elem != onnx.Undefined && !in.Elem.IsFloat() && !in.Elem.IsInteger() {
		return fmt.Errorf("input %v, expected numbers", in)
	}
	tr.nodes = gorgonia.Nodes{variable(tr.graph, "input", append([]int{2}, shape...))}
	v := value{shape: shape, sourceShape: shape, integer: in.Elem.IsInteger()}
	if len(in.Shape) > 0 && in.Shape[0].Fixed() {
		tr.batch = in.Shape[0].Value
	}
	at := func(axis int) int { return int(in.Shape[axis].Value) } // 0: the file does not say
	var err error
	switch {
	case in.Shape == nil:
	case len(in.Shape) == 4 && len(shape) == 3:
		if at(1) != shape[0] && at(3) == shape[0] {
			v.channelLast, v.shape = true, []int{shape[1], shape[2], shape[0]}
		} else if at(1) != 0 && at(1) != shape[0] {
			return fmt.Errorf("input %v, expected %d channels as the samples %s have", in, shape[0], samples(shape))
		}
	case len(in.Shape) == 2 && (at(1) == 0 || at(1) == size(shape)):
		v, err = tr.reshape(nil, v, []int{size(shape)})
	default:
		return fmt.Errorf("input %v, expected one that takes samples %s", in, samples(shape))
	}
	tr.values[in.Name] = v
	return err
}

// run translates every node.
func (tr *translator) run() error {
	operators := operators()
	for _, n := range tr.model.Proto.GetGraph().GetNode() {
		c := &call{translator: tr, proto: n, name: n.GetName()}
		if c.name == "" && len(n.Output) > 0 {
			c.name = n.Output[0]
		}
		if err := tr.node(c, operators); err != nil {
			return fmt.Errorf("node %q (%s): %w", clip(c.name), clip(n.GetOpType()), err)
		}
	}
	return nil
}

func (tr *translator) node(c *call, operators map[string]operator) error {
	kind := c.proto.GetOpType()
	if d := c.proto.GetDomain(); d != "" && d != "ai.onnx" {
		return fmt.Errorf("operators of domain %q are %w, expected standard ones", clip(d), errImport)
	}
	translate, fold := operators[kind], folds(kind)
	if translate == nil && !fold {
		return fmt.Errorf("%s %w, expected one of %s", unsupported(kind), errImport, strings.Join(supported(operators), ", "))
	}
	constants := true
	for _, name := range c.proto.GetInput() {
		v, err := tr.value(name)
		if err != nil {
			return err
		}
		c.in = append(c.in, v)
		constants = constants && v.constant != nil
	}
	var outputs []value
	var err error
	switch {
	case fold && (constants || translate == nil):
		var folded *constant
		if folded, err = c.fold(); err == nil {
			outputs = []value{{constant: folded}}
		}
	default:
		outputs, err = translate(c)
	}
	if err != nil {
		return err
	}
	for i, name := range c.proto.GetOutput() {
		if name == "" {
			continue
		}
		if i >= len(outputs) { // a mask or statistics
			tr.values[name] = value{constant: &constant{unavailable: true}}
			continue
		}
		if k := outputs[i].constant; k != nil && k.name == "" {
			k.name = name
		}
		tr.values[name] = outputs[i]
	}
	return nil
}

// unsupported says what kind of operator it is that Import does not know.
func unsupported(kind string) string {
	switch {
	case slices.Contains([]string{"If", "Loop", "Scan", "SequenceMap"}, kind):
		return "control flow is"
	case strings.HasPrefix(kind, "QLinear"), strings.HasSuffix(kind, "uantizeLinear"), strings.HasSuffix(kind, "Integer"):
		return "quantised arithmetic is"
	}
	return "the operator is"
}

// value is the translation of a tensor of the file. An optional input that is left out is a constant without elements.
func (tr *translator) value(name string) (value, error) {
	if v, ok := tr.values[name]; ok || name == "" {
		if name == "" {
			v.constant = &constant{shape: []int{0}}
		}
		if v.constant != nil && v.constant.unavailable {
			return v, fmt.Errorf("input %q is an optional output of another node, which is %w", clip(name), errImport)
		}
		return v, nil
	}
	t := tr.initial[name]
	if t == nil {
		return value{}, fmt.Errorf("input %q is defined nowhere", clip(name))
	}
	k, err := tr.decode(t)
	if err != nil {
		return value{}, err
	}
	k.name = name
	tr.values[name] = value{constant: k}
	return tr.values[name], nil
}

// add appends a step and returns its value; c is nil for a step without a node in the file.
func (tr *translator) add(
	c *call, f apply, x value, others ...argument,
) (value, error) {
	if x.channelLast {
		return value{}, fmt.Errorf("the input is (N,H,W,C), which is %w unless Transpose makes it (N,C,H,W) first", errImport)
	}
	s := step{name: "input", kind: "Reshape", in: x.shape, apply: f}
	if c != nil {
		s.name, s.kind = c.name, c.proto.GetOpType()
	}
	in := gorgonia.Nodes{tr.nodes[x.place]}
	s.inputs = []operand{{fromValues, x.place}}
	for _, o := range others {
		s.inputs = append(s.inputs, o.operand)
		in = append(in, o.node)
	}
	y, err := f(in)
	if err != nil {
		return value{}, err
	}
	shape := []int(y.Shape()[1:].Clone())
	if size(shape) < 0 {
		return value{}, fmt.Errorf("a sample becomes %v, expected fewer than %d elements", shape, largest)
	}
	s.out = shape
	tr.program.steps = append(tr.program.steps, s)
	tr.nodes = append(tr.nodes, y)
	place := len(tr.nodes) - 1
	return value{
		place: place, shape: shape, source: place, sourceShape: shape, learned: x.learned,
		integer: x.integer,
	}, nil
}

// reshape gives the samples of v another shape. Reshapes in a row are one.
func (tr *translator) reshape(c *call, v value, shape []int) (value, error) {
	if size(shape) != size(v.shape) {
		return v, fmt.Errorf("samples of shape %v cannot become %v", v.shape, shape)
	}
	if slices.Equal(shape, v.shape) {
		return v, nil
	}
	y := v
	y.place, y.shape = v.source, slices.Clone(shape)
	if slices.Equal(shape, v.sourceShape) {
		return y, nil
	}
	source := v
	source.place = v.source
	r, err := tr.add(c, func(in gorgonia.Nodes) (*gorgonia.Node, error) { return op.Reshape(in[0], shape...) }, source)
	y.place = r.place
	return y, err
}

// reading is how a node reads a constant.
type reading struct {
	how     string // transposed, negated, …; empty for as it is
	shape   []int
	values  []float32
	trained bool
}

// weight makes a parameter or a buffer of a constant, or finds the one that it has become for another node.
func (tr *translator) weight(c *call, k *constant, r reading) (argument, error) {
	key := fmt.Sprintf("%s %s %v", k.name, r.how, r.shape)
	if w, ok := tr.weights[key]; ok && slices.Equal(w.values, r.values) {
		return w.argument, nil
	}
	if r.trained {
		for _, w := range tr.weights {
			if w.name == k.name {
				return argument{}, fmt.Errorf("weight %q is read in two ways by different nodes, which is %w",
					clip(k.name), errImport)
			}
		}
	}
	name := tr.unique(k.name)
	frozen := tr.freeze.frozen(k.name, c.name) || !r.trained
	w := weight{argument: argument{operand: operand{source: fromParams}}, name: k.name, values: r.values}
	if frozen {
		w.source = fromBuffers
	}
	w.place = tr.program.add(arch.TensorSpec{Name: name, Shape: slices.Clone(r.shape), Buffer: frozen, Values: r.values})
	w.node = variable(tr.graph, name, r.shape)
	tr.weights[key] = w
	return w.argument, nil
}

// unique is the name, or the name with underscores appended, such that no weight has it.
func (tr *translator) unique(name string) string {
	for tr.names[name] || name == "" {
		name += "_"
	}
	tr.names[name] = true
	return name
}
