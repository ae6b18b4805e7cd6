package loss_test

import (
	"fmt"
	"math/rand/v2"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"rkd/student/loss"
)

// A linear student of somebody's graph learns the teacher's distances and angles with Gorgonia's own solver.
func Example() {
	const rows, inputs, outputs = 16, 6, 3
	rng := rand.New(rand.NewPCG(1, 1))
	random := func(rows, cols int) tensor.Tensor {
		data := make([]float64, rows*cols)
		for i := range data {
			data[i] = rng.NormFloat64()
		}
		return tensor.New(tensor.WithShape(rows, cols), tensor.WithBacking(data))
	}

	g := gorgonia.NewGraph()
	x := gorgonia.NodeFromAny(g, random(rows, inputs), gorgonia.WithName("x"))
	teacher := gorgonia.NodeFromAny(g, random(rows, 12), gorgonia.WithName("teacher"))
	w := gorgonia.NodeFromAny(g, random(inputs, outputs), gorgonia.WithName("w"))
	student := gorgonia.Must(gorgonia.Mul(x, w))

	distance, err := loss.RelationalDistance(student, teacher)
	if err != nil {
		fmt.Println(err)
		return
	}
	angle, err := loss.RelationalAngle(student, teacher)
	if err != nil {
		fmt.Println(err)
		return
	}
	total := gorgonia.Must(gorgonia.Add(distance, angle))
	if _, err := gorgonia.Grad(total, w); err != nil {
		fmt.Println(err)
		return
	}

	vm := gorgonia.NewTapeMachine(g, gorgonia.BindDualValues(w))
	defer vm.Close()
	solver := gorgonia.NewAdamSolver(gorgonia.WithLearnRate(0.02))
	var first, last float64
	for step := range 100 {
		if err := vm.RunAll(); err != nil {
			fmt.Println(err)
			return
		}
		last = total.Value().Data().(float64)
		if step == 0 {
			first = last
		}
		if err := solver.Step([]gorgonia.ValueGrad{w}); err != nil {
			fmt.Println(err)
			return
		}
		vm.Reset()
	}
	fmt.Println("the loss has fallen by a third:", last < first*2/3)
	// Output: the loss has fallen by a third: true
}
