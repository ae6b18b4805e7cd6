package ort

import (
	"fmt"

	ort "github.com/yalue/onnxruntime_go"

	"rkd/models/onnx"
)

// Element is a type of elements that Go and the runtime share.
type Element interface {
	float32 | float64 | uint8 | int8 | int32 | int64 | bool
}

// Value is a tensor that a session reads or writes.
type Value interface {
	Shape() []int
	Elem() onnx.ElemType
	Close() error

	value() ort.Value
}

// Tensor is a tensor whose memory Go and the runtime share, row-major.
type Tensor[T Element] struct{ t *ort.Tensor[T] }

// NewTensor makes a tensor of the given shape, of at least one dimension, over data, which it does not copy: what is
// written to the slice is what a session reads next. It is to be closed after use.
func NewTensor[T Element](shape []int, data []T) (*Tensor[T], error) {
	dims := make(ort.Shape, len(shape))
	n := 1
	for i, d := range shape {
		dims[i] = int64(d)
		n *= d
	}
	if len(shape) == 0 || n != len(data) {
		return nil, fmt.Errorf("making a tensor: %d values for shape %v, expected %d and at least one dimension",
			len(data), shape, n)
	}
	t, err := ort.NewTensor(dims, data)
	if err != nil {
		return nil, fmt.Errorf("making a tensor of shape %v: %w", shape, clean(err))
	}
	return &Tensor[T]{t}, nil
}

// Data is the tensor's memory, valid until Close.
func (t *Tensor[T]) Data() []T { return t.t.GetData() }

// Shape is the number of elements per dimension.
func (t *Tensor[T]) Shape() []int { return shape(t.t) }

// Elem is the type of the elements.
func (t *Tensor[T]) Elem() onnx.ElemType { return onnx.ElemType(t.t.DataType()) }

// Close gives the runtime's part of the tensor back; the slice stays Go's.
func (t *Tensor[T]) Close() error { return t.t.Destroy() }

func (t *Tensor[T]) value() ort.Value { return t.t }

// foreign is a value of a type that Go has no slice for, of which only type and shape are known.
type foreign struct{ v ort.Value }

func (f foreign) Shape() []int { return shape(f.v) }

func (f foreign) Elem() onnx.ElemType {
	if f.v.GetONNXType() != ort.ONNXTypeTensor {
		return onnx.Undefined
	}
	return onnx.ElemType(f.v.DataType())
}

func (f foreign) Close() error     { return f.v.Destroy() }
func (f foreign) value() ort.Value { return f.v }

func shape(v ort.Value) []int {
	dims := v.GetShape()
	s := make([]int, len(dims))
	for i, d := range dims {
		s[i] = int(d)
	}
	return s
}

// wrap gives a value that the runtime made its type here.
func wrap(v ort.Value) Value {
	switch t := v.(type) {
	case *ort.Tensor[float32]:
		return &Tensor[float32]{t}
	case *ort.Tensor[float64]:
		return &Tensor[float64]{t}
	case *ort.Tensor[uint8]:
		return &Tensor[uint8]{t}
	case *ort.Tensor[int8]:
		return &Tensor[int8]{t}
	case *ort.Tensor[int32]:
		return &Tensor[int32]{t}
	case *ort.Tensor[int64]:
		return &Tensor[int64]{t}
	case *ort.Tensor[bool]:
		return &Tensor[bool]{t}
	}
	return foreign{v}
}
