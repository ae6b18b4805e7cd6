package engine

import (
	"errors"
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/models/onnx"
	"rkd/models/ort"
	"rkd/student/internal/parallel"
	"rkd/student/op"
)

// run is an executable part of a plan. All runs share the memory of the plan.
type run interface {
	run() error
	close() error
}

// compile makes the runs of a plan.
func (p *plan) compile(o ort.Options, products *products, team *parallel.Team) (_ []run, err error) {
	var runs []run
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll(runs))
		}
	}()
	users := p.users()
	for time, operations := range p.runs {
		var r run
		switch t := operations[0]; {
		case t.plans:
			r, err = newPlanned(t, products, team)
		case t.kernel:
			r = newKernel(t, team)
		default:
			r, err = newModel(operations, users, time, o, team)
		}
		if err != nil {
			return nil, err
		}
		runs = append(runs, r)
	}
	return runs, nil
}

func runAll(runs []run) error {
	for _, r := range runs {
		if err := r.run(); err != nil {
			return err
		}
	}
	return nil
}

func closeAll(runs []run) error {
	var err error
	for _, r := range runs {
		err = errors.Join(err, r.close())
	}
	return err
}

// kernel runs an operator's kernel in Go.
type kernel struct {
	op     op.Operator
	team   *parallel.Team
	output gorgonia.Value
	inputs []gorgonia.Value
}

func newKernel(t *operation, team *parallel.Team) *kernel {
	k := &kernel{op: t.op, team: team, output: dense(t.output)}
	for _, in := range t.inputs {
		k.inputs = append(k.inputs, dense(in))
	}
	return k
}

func dense(v *value) *tensor.Dense {
	return tensor.New(tensor.WithShape(v.node.Shape()...), tensor.WithBacking(v.data))
}

func (k *kernel) run() error {
	return k.op.Compute(k.team, k.output, k.inputs...)
}

func (*kernel) close() error { return nil }

// model is an ONNX model bound to the memory of its inputs and outputs.
type model struct {
	session *ort.Session
	binding *ort.Binding
	tensors []ort.Value
	team    *parallel.Team
}

// newModel lowers the operations of one run. Values computed by other runs are its inputs, those that other runs read
// its outputs.
func newModel(operations []*operation, users map[*value][]*operation, time int, o ort.Options,
	team *parallel.Team,
) (_ *model, err error) {
	m := &model{team: team}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.close())
		}
	}()
	b := onnx.NewBuilder("student", opset)
	inside := make(map[*gorgonia.Node]bool) // computed here
	outside := make(map[*gorgonia.Node]*value)
	for _, t := range operations {
		inside[t.output.node] = true
		for _, in := range t.inputs {
			if in.base.operation != nil && in.base.operation.time == time {
				inside[in.node] = true // a view of what is computed here
			} else {
				outside[in.node] = in
			}
		}
	}
	var inputs, outputs []ort.Value
	bind := func(v *value) (ort.Value, error) {
		t, err := ort.NewTensor(v.node.Shape(), v.data)
		if err == nil {
			m.tensors = append(m.tensors, t)
		}
		return t, err
	}
	l := &lowering{builder: b, names: make(map[*gorgonia.Node]string), leaf: func(n *gorgonia.Node) (string, error) {
		v, ok := outside[n]
		if !ok {
			return "", nil
		}
		t, err := bind(v)
		inputs = append(inputs, t)
		return b.Input(fmt.Sprintf("value_%d", n.ID()), onnx.Float32, dims(v)...), err
	}}
	for _, t := range operations {
		name, err := l.node(t.output.node)
		if err != nil {
			return nil, err
		}
		v := t.output
		if !v.kept && !slices.ContainsFunc(users[v], func(user *operation) bool { return user.time != time }) {
			continue
		}
		out, err := bind(v)
		if err != nil {
			return nil, err
		}
		outputs = append(outputs, out)
		b.Output(name, onnx.Float32, dims(v)...)
	}
	proto, err := b.Model("rkd", "")
	if err != nil {
		return nil, err
	}
	if m.session, err = ort.NewSession(proto, o); err != nil {
		return nil, err
	}
	m.binding, err = m.session.Bind(inputs, outputs)
	return m, err
}

func dims(v *value) []any {
	var list []any
	for _, d := range v.node.Shape() {
		list = append(list, d)
	}
	return list
}

func (m *model) run() error {
	m.team.Rest() // the runtime computes on threads of its own
	return m.binding.Run()
}

func (m *model) close() error {
	var err error
	if m.binding != nil {
		err = m.binding.Close()
	}
	for _, t := range m.tensors {
		err = errors.Join(err, t.Close())
	}
	if m.session != nil {
		err = errors.Join(err, m.session.Close())
	}
	return err
}
