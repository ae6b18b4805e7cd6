package engine

import (
	"errors"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/student/op"
)

func TestOperatorsThatCannotRunAreNamed(t *testing.T) {
	g := gorgonia.NewGraph()
	x, _ := leaf(g, "x", 2, 3)
	y, err := gorgonia.Transpose(x, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = newPlan(gorgonia.Nodes{y}, nil, true)
	if !errors.Is(err, ErrOperator) || !strings.Contains(err.Error(), y.Name()) {
		t.Errorf("error is %v, expected ErrOperator with the name of %q", err, y.Name())
	}
}

func TestInputsWithoutAValueAreNamed(t *testing.T) {
	x := gorgonia.NewMatrix(gorgonia.NewGraph(), tensor.Float32, gorgonia.WithShape(2, 3), gorgonia.WithName("lonely"))
	y, err := op.ReLU(x)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newPlan(gorgonia.Nodes{y}, nil, true); !errors.Is(err, ErrOperator) || !strings.Contains(err.Error(), "lonely") {
		t.Errorf("error is %v, expected ErrOperator with the name of the input", err)
	}
}

// A chain of kernels needs two buffers however long it is, and models between kernels make stages.
func TestPlanReusesMemoryAndCutsStages(t *testing.T) {
	g := gorgonia.NewGraph()
	x, _ := leaf(g, "x", 4, 8)
	y := x
	for range 6 {
		stats, err := op.BatchStats(y)
		if err != nil {
			t.Fatal(err)
		}
		gamma, _ := leaf(g, "gamma", 8)
		beta, _ := leaf(g, "beta", 8)
		if y, err = op.BatchNorm(y, stats, gamma, beta, 1e-5); err != nil {
			t.Fatal(err)
		}
	}
	last, err := op.ReLU(y)
	if err != nil {
		t.Fatal(err)
	}
	second, err := op.Add(last, y) // reads y too: ReLU stays a node of a model
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPlan(gorgonia.Nodes{second}, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	memory := make(map[*float32]bool)
	for _, task := range p.tasks {
		if v := task.output; len(v.data) == 32 && !v.kept {
			memory[&v.data[0]] = true
		}
	}
	if len(memory) != 2 {
		t.Errorf("%d buffers for a chain, expected 2", len(memory))
	}
	if len(p.runs) != 13 || len(p.runs[12]) != 2 {
		t.Errorf("%d runs, expected 12 kernels and a model of two nodes", len(p.runs))
	}
}
