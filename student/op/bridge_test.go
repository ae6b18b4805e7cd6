package op

import (
	"errors"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

func TestBridgesOnOneNodeAreNeverMerged(t *testing.T) {
	in := inputs([]int{2, 3})
	var runs []string
	bridge := func(name string, factor float32) gorgonia.Value {
		n, err := Bridge(in[0], func(x, out gorgonia.Value) error {
			runs = append(runs, name)
			for i, v := range x.Data().([]float32) {
				out.Data().([]float32)[i] = factor * v
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		var v gorgonia.Value = tensor.New(tensor.Of(tensor.Float32), tensor.WithShape(2, 3))
		gorgonia.Read(n, &v)
		return v
	}
	double, triple := bridge("double", 2), bridge("triple", 3)
	vm := gorgonia.NewTapeMachine(in[0].Graph())
	defer func() { _ = vm.Close() }()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	x := in[0].Value().Data().([]float32)
	for i, v := range x {
		if d, tr := double.Data().([]float32)[i], triple.Data().([]float32)[i]; d != 2*v || tr != 3*v {
			t.Fatalf("element %d: %v and %v, want %v and %v", i, d, tr, 2*v, 3*v)
		}
	}
	if len(runs) != 2 {
		t.Errorf("ran %v, want each bridge once", runs)
	}
}

func TestBridgePassesErrorsOn(t *testing.T) {
	in, broken := inputs([]int{2, 3}), errors.New("no triplet in this batch")
	if _, err := Bridge(in[0], func(_, _ gorgonia.Value) error { return broken }); err != nil {
		t.Fatal(err)
	}
	vm := gorgonia.NewTapeMachine(in[0].Graph())
	defer func() { _ = vm.Close() }()
	if err := vm.RunAll(); err == nil || !strings.Contains(err.Error(), broken.Error()) {
		t.Errorf("error %v, want one that says %q", err, broken)
	}
}

func TestBridgeIsNotDifferentiable(t *testing.T) {
	in := inputs([]int{2, 3})
	n, err := Bridge(in[0], func(_, _ gorgonia.Value) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if wrt := n.Op().(gorgonia.SDOp).DiffWRT(1); len(wrt) != 1 || wrt[0] {
		t.Errorf("DiffWRT is %v, want one false", wrt)
	}
}

func TestBridgeRefusesNil(t *testing.T) {
	expectRejected(t, map[string]rejection{
		"no function": {
			func(in gorgonia.Nodes) (*gorgonia.Node, error) { return Bridge(in[0], nil) },
			[][]int{{2, 3}},
			ErrOption,
		},
		"no input": {func(gorgonia.Nodes) (*gorgonia.Node, error) {
			return Bridge(nil, func(_, _ gorgonia.Value) error { return nil })
		}, nil, ErrShape},
	})
}
