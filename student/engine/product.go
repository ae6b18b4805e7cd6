package engine

import (
	"errors"

	"gorgonia.org/tensor"

	"rkd/models/onnx"
	"rkd/models/ort"
	"rkd/student/internal/parallel"
)

// products are matrix products by ONNX Runtime for kernels in Go: a single-threaded session for each shape, which
// computes on the calling goroutine.
type products struct {
	sessions map[productShape]*ort.Session
	bindings []*ort.Binding
	tensors  []ort.Value
}

type productShape struct {
	transA, transB bool
	m, n, k        int
}

func newProducts() *products {
	return &products{sessions: make(map[productShape]*ort.Session)}
}

// Multiply prepares C = op(A)·op(B), see op.Multiplier.
func (p *products) Multiply(transA, transB bool, m, n, k int, a, b, c []float32) (func() error, error) {
	shape := productShape{transA, transB, m, n, k}
	session, ok := p.sessions[shape]
	if !ok {
		var err error
		if session, err = shape.session(); err != nil {
			return nil, err
		}
		p.sessions[shape] = session
	}
	bind := func(dims []int, data []float32) (ort.Value, error) {
		t, err := ort.NewTensor(dims, data)
		if err == nil {
			p.tensors = append(p.tensors, t)
		}
		return t, err
	}
	left, errA := bind(stored(m, k, transA), a)
	right, errB := bind(stored(k, n, transB), b)
	product, errC := bind([]int{m, n}, c)
	if err := errors.Join(errA, errB, errC); err != nil {
		return nil, err
	}
	binding, err := session.Bind([]ort.Value{left, right}, []ort.Value{product})
	if err != nil {
		return nil, err
	}
	p.bindings = append(p.bindings, binding)
	return binding.Run, nil
}

// stored is the shape in memory of a matrix that is (rows,cols) after transposition, if any.
func stored(rows, cols int, transposed bool) []int {
	if transposed {
		return []int{cols, rows}
	}
	return []int{rows, cols}
}

func (s productShape) session() (*ort.Session, error) {
	b := onnx.NewBuilder("product", opset)
	left, right := stored(s.m, s.k, s.transA), stored(s.k, s.n, s.transB)
	inputs := []string{
		b.Input("a", onnx.Float32, left[0], left[1]),
		b.Input("b", onnx.Float32, right[0], right[1]),
	}
	flag := map[bool]int64{true: 1}
	c := b.Node("Gemm", inputs, onnx.Int("transA", flag[s.transA]), onnx.Int("transB", flag[s.transB]))
	b.Output(c, onnx.Float32, s.m, s.n)
	model, err := b.Model("rkd", "")
	if err != nil {
		return nil, err
	}
	return ort.NewSession(model, ort.Options{Threads: 1})
}

func (p *products) close() error {
	var err error
	for _, b := range p.bindings {
		err = errors.Join(err, b.Close())
	}
	for _, t := range p.tensors {
		err = errors.Join(err, t.Close())
	}
	for _, s := range p.sessions {
		err = errors.Join(err, s.Close())
	}
	p.bindings, p.tensors, p.sessions = nil, nil, nil
	return err
}

// planned is an operator that is prepared by op.Operator.Plan.
type planned struct {
	what    string
	execute func() error
}

func newPlanned(t *operation, p *products, team *parallel.Team) (*planned, error) {
	inputs := make([]*tensor.Dense, len(t.inputs))
	for i, in := range t.inputs {
		inputs[i] = dense(in)
	}
	execute, err := t.op.Plan(p, team, dense(t.output), inputs)
	return &planned{t.op.String(), execute}, err
}

func (p *planned) run() error { return p.execute() }

func (*planned) close() error { return nil }
