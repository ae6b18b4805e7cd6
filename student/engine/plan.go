package engine

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/datasets/memory"
	"rkd/student/op"
)

// value is the result of a node or, for a leaf, its contents.
type value struct {
	node      *gorgonia.Node
	base      *value     // the owner of the memory: itself, unless it is a view
	operation *operation // computes it; nil for leaves and views
	data      []float32
	// kept is set if the value is read between or after the runs, so that its memory must not be reused.
	kept bool
}

// operation computes one value, as a node of an ONNX model or by a kernel in Go.
type operation struct {
	output *value
	op     op.Operator // of output's node, or the fused operator
	inputs []*value
	kernel bool
	plans  bool // a kernel that is prepared by op.Operator.Plan
	phase  int  // 0: forward, 1: backward
	// stage is the number of switches between kernels and models on the longest path to this operation within its phase.
	stage int
	// time is the index of the run; operations of one model share it.
	time int
}

// plan is the order in which a graph is computed: operations by time.
type plan struct {
	values     map[*gorgonia.Node]*value
	operations []*operation // in topological order
	runs       [][]*operation
	phases     [2]int                 // the number of runs after each phase
	uses       map[*gorgonia.Node]int // how often a node is read
	// processor is set if models run on the CPU provider, where some kernels are faster.
	processor bool
}

// newPlan plans forward, the nodes needed before the gradient on the embedding is known, and then backward.
func newPlan(forward, backward gorgonia.Nodes, processor bool) (*plan, error) {
	p := &plan{values: make(map[*gorgonia.Node]*value), uses: make(map[*gorgonia.Node]int), processor: processor}
	p.count(slices.Concat(forward, backward))
	for phase, roots := range []gorgonia.Nodes{forward, backward} {
		for _, n := range roots {
			v, err := p.add(n, phase)
			if err != nil {
				return nil, err
			}
			v.base.kept = true
		}
	}
	p.schedule()
	p.allocate()
	return p, nil
}

// count adds the uses of all nodes that roots depend on.
func (p *plan) count(roots []*gorgonia.Node) {
	for _, n := range roots {
		p.uses[n]++
		if p.uses[n] == 1 && !n.IsVar() {
			p.count(op.Inputs(n))
		}
	}
}

// fuse returns the operator of n and its inputs; on a processor that may be an operator which does the work of an input
// too.
func (p *plan) fuse(n *gorgonia.Node) (_ op.Operator, inputs []*gorgonia.Node, fused bool) {
	operator, inputs := op.Of(n), op.Inputs(n)
	if operator == nil || !p.processor {
		return operator, inputs, false
	}
	for _, inner := range inputs {
		if inner.IsVar() || p.values[inner] != nil { // a value that is computed already can be read
			continue
		}
		both, of := operator.Fuse(op.Site{Node: n, Inner: inner, Exclusive: p.uses[inner] == 1})
		if both != nil {
			return both, of, true
		}
	}
	return operator, inputs, false
}

// add returns the value of n after those of its inputs.
func (p *plan) add(n *gorgonia.Node, phase int) (*value, error) {
	if v, ok := p.values[n]; ok {
		return v, nil
	}
	v := &value{node: n}
	v.base = v
	if n.IsVar() {
		t, ok := n.Value().(*tensor.Dense)
		if !ok || t.Dtype() != tensor.Float32 {
			return nil, fmt.Errorf("%w: input %q has no float32 value", ErrOperator, n.Name())
		}
		v.data = t.Data().([]float32)
		p.values[n] = v
		return v, nil
	}
	operator, inputs, fused := p.fuse(n)
	if operator == nil {
		return nil, fmt.Errorf("%w: node %q is a %v, which has no kernel either", ErrOperator, n.Name(), n.Op())
	}
	t := &operation{output: v, op: operator, phase: phase}
	for _, child := range inputs {
		in, err := p.add(child, phase)
		if err != nil {
			return nil, err
		}
		t.inputs = append(t.inputs, in)
	}
	p.values[n] = v
	if operator.IsView() {
		v.base = t.inputs[0].base
		return v, nil
	}
	if p.processor {
		t.plans = operator.Plans(shapes(inputs))
	}
	t.kernel = t.plans || fused || p.processor && operator.Native() || !operator.Lowers()
	v.operation = t
	for _, in := range t.inputs {
		if before := in.base.operation; before != nil && before.phase == phase {
			stage := before.stage
			if before.kernel != t.kernel {
				stage++
			}
			t.stage = max(t.stage, stage)
		}
	}
	p.operations = append(p.operations, t)
	return v, nil
}

func shapes(nodes []*gorgonia.Node) []tensor.Shape {
	list := make([]tensor.Shape, len(nodes))
	for i, n := range nodes {
		list[i] = n.Shape()
	}
	return list
}

// schedule groups the operations into runs: for each stage its kernels, one run each, then all other operations as one
// model.
func (p *plan) schedule() {
	for phase := range p.phases {
		var stages [][2][]*operation
		for _, t := range p.operations {
			if t.phase != phase {
				continue
			}
			for len(stages) <= t.stage {
				stages = append(stages, [2][]*operation{})
			}
			kind := 1
			if t.kernel {
				kind = 0
			}
			stages[t.stage][kind] = append(stages[t.stage][kind], t)
		}
		for _, s := range stages {
			for _, t := range s[0] {
				p.runs = append(p.runs, []*operation{t})
			}
			if s[1] != nil {
				p.runs = append(p.runs, s[1])
			}
		}
		p.phases[phase] = len(p.runs)
	}
	for time, run := range p.runs {
		for _, t := range run {
			t.time = time
		}
	}
}

// users maps each value to the operations that read its memory, through views too.
func (p *plan) users() map[*value][]*operation {
	users := make(map[*value][]*operation)
	for _, t := range p.operations {
		for _, in := range t.inputs {
			users[in.base] = append(users[in.base], t)
		}
	}
	return users
}

// allocate assigns memory to every value that is read outside its run, and reuses that of values no longer needed.
func (p *plan) allocate() {
	users := p.users()
	dying := make([][][]float32, len(p.runs))
	var free [][]float32
	for time, run := range p.runs {
		for _, t := range run {
			v, last := t.output, time
			for _, user := range users[v] {
				last = max(last, user.time)
			}
			size := v.node.Shape().TotalSize()
			switch {
			case v.kept:
				v.data = memory.Make[float32](size)
			case last > time || t.kernel:
				v.data, free = take(free, size)
				dying[last] = append(dying[last], v.data)
			}
		}
		free = append(free, dying[time]...)
	}
	for _, v := range p.values {
		v.data = v.base.data
	}
}

// take returns memory of a size, the smallest buffer of free that is large enough or else a new one, and the rest of
// free.
func take(free [][]float32, size int) (data []float32, left [][]float32) {
	best := -1
	for i, f := range free {
		if cap(f) >= size && (best < 0 || cap(f) < cap(free[best])) {
			best = i
		}
	}
	if best < 0 {
		return memory.Make[float32](size), free
	}
	return free[best][:size], slices.Delete(free, best, best+1)
}
