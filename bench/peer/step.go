package main

import (
	"context"
	"fmt"

	"gorgonia.org/tensor"

	"rkd/models/onnx"
	"rkd/student/arch"
	"rkd/student/engine"
	"rkd/student/importer"
	"rkd/student/loss"
	"rkd/student/optim"
)

// rate is so small that hundreds of steps on one batch leave the network what it was: no unit dies, no gradient
// vanishes.
const rate = 1e-6

// student is a network whose training steps are timed.
type student struct {
	work       string // the peer's name of it
	config     arch.Config
	model      string // ONNX file to be fine-tuned, instead of config
	input      []int  // (C,H,W)
	batch, dim int
	teacherDim int // of the relational losses; 0 for the squared error to a target
}

// steps are whole training steps: forward, objective, backward, Adam. The objective is a squared error, which costs
// next to nothing on either side, so that networks are compared; the step of the demo comes with the relational losses
// too. mobilenet is a file of MobileNetV2 to be fine-tuned; without one, that case has no setup.
func steps(mobilenet string) []comparison {
	conv := []arch.Layer{
		{Kind: arch.Conv, Out: 32, Pad: 1},
		{Kind: arch.ReLU},
		{Kind: arch.MaxPool},
		{Kind: arch.Conv, Out: 64, Pad: 1},
		{Kind: arch.ReLU},
		{Kind: arch.MaxPool},
		{Kind: arch.Flatten},
		{Kind: arch.Linear, Out: 64},
		{Kind: arch.ReLU},
	}
	demo := arch.Config{Conv: []int{8, 16, 32}}
	digit := []int{1, 28, 28}
	var list []comparison
	for _, s := range []student{
		{work: "step/demo", config: demo, input: digit, batch: 64, dim: 16},
		{work: "step/demo+rkd", config: demo, input: digit, batch: 64, dim: 16, teacherDim: 128},
		{work: "step/conv", config: arch.Config{Layers: conv}, input: digit, batch: 128, dim: 10},
		{work: "step/mlp", config: arch.Config{MLP: []int{512, 256}, Norm: "none"}, input: digit, batch: 256, dim: 64},
		{work: "step/resnet20", config: arch.Config{Preset: "resnet20"}, input: []int{3, 32, 32}, batch: 64, dim: 64},
	} {
		list = append(list, s.comparison(s.setup))
	}
	s := student{work: "step/mobilenet_v2", model: mobilenet, input: []int{3, 96, 96}, batch: 16, dim: 64}
	if mobilenet == "" {
		return append(list, s.comparison(nil))
	}
	return append(list, s.comparison(s.setup))
}

func (s student) comparison(setup func(context.Context, peers) (side, []side, error)) comparison {
	return comparison{fmt.Sprintf("%s,batch=%d", s.work, s.batch), setup}
}

// network fits config to the input, or imports model up to the features that its classifier sees.
func (s student) network() (*arch.Network, error) {
	if s.model == "" {
		return arch.New(s.config, s.input, s.dim, false)
	}
	m, err := onnx.Load(s.model)
	if err != nil {
		return nil, err
	}
	body, err := importer.Import(m, importer.Options{Output: "embedding", Input: s.input})
	if err != nil {
		return nil, err
	}
	return arch.FromBody(body, s.input, arch.Head{Dim: s.dim})
}

func (s student) setup(_ context.Context, all peers) (ours side, theirs []side, err error) {
	net, err := s.network()
	if err != nil {
		return nil, nil, err
	}
	weights := net.Init(1, tensor.Float32)
	width := s.dim
	if s.teacherDim > 0 {
		width = s.teacherDim
	}
	x, target := gaussian(1, s.batch*tensor.Shape(s.input).TotalSize()), gaussian(2, s.batch*width)
	inputs := []array{
		{x, append([]int{s.batch}, s.input...)},
		{target, []int{s.batch, width}},
		{[]float32{rate}, []int{1}},
	}
	for _, p := range weights.Params {
		inputs = append(inputs, array{p.Value.Data().([]float32), p.Value.Shape()})
	}
	e, err := engine.NewONNXRuntime(net, weights, s.batch, engine.Options{Threads: threads})
	if err != nil {
		return nil, nil, err
	}
	if err := e.Optimize(engine.Update{Optimizer: optim.Options{Kind: optim.Adam}}); err != nil {
		return nil, nil, err
	}
	theirs, err = all.prepare(s.work, inputs...)
	objective := s.objective(target)
	return local(func() (float64, error) {
		result, err := e.Step(x, rate, objective)
		return result.Loss, err
	}), theirs, err
}

func (s student) objective(target []float32) engine.Objective {
	if s.teacherDim == 0 {
		return func(embedding, gradient []float32) (float64, error) {
			sum, scale := 0.0, 2/float32(len(embedding))
			for i, v := range embedding {
				difference := v - target[i]
				sum += float64(difference * difference)
				gradient[i] = scale * difference
			}
			return sum / float64(len(embedding)), nil
		}
	}
	sum := relationalLoss()
	teacher := loss.Matrix[float32]{Rows: s.batch, Cols: s.teacherDim, Data: target}
	return func(embedding, gradient []float32) (float64, error) {
		matrix := func(data []float32) loss.Matrix[float32] {
			return loss.Matrix[float32]{Rows: s.batch, Cols: s.dim, Data: data}
		}
		v, err := sum.Eval(loss.Batch[float32]{Student: matrix(embedding), Teacher: teacher}, matrix(gradient))
		return v.Total, err
	}
}
