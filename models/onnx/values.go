package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"rkd/datasets/memory"
)

// Float32s decodes the elements of one of the model's tensors: float32 as they are, float64 rounded, float16 and
// bfloat16 widened. External data are read from the model's folder.
//
// Errors wrap ErrFormat for elements of another type and for data that do not fit the dimensions, and ErrExternal where
// a data file is missing, truncated or refused.
func (m *Model) Float32s(t *TensorProto) ([]float32, error) {
	raw, err := m.data(t)
	if err != nil {
		return nil, err
	}
	switch e := ElemType(t.GetDataType()); e {
	case Float32:
		if raw == nil {
			return slices.Clone(t.FloatData), nil
		}
		return decode[float32](t, raw)
	case Float64:
		double := t.DoubleData
		if raw != nil {
			if double, err = decode[float64](t, raw); err != nil {
				return nil, err
			}
		}
		return convert(double, func(v float64) float32 { return float32(v) }), nil
	case Float16, BFloat16:
		widen := fromFloat16
		if e == BFloat16 {
			widen = func(v uint16) float32 { return math.Float32frombits(uint32(v) << 16) }
		}
		if raw == nil {
			return convert(t.Int32Data, func(v int32) float32 { return widen(uint16(v)) }), nil
		}
		half, err := decode[uint16](t, raw)
		return convert(half, widen), err
	default:
		return nil, fmt.Errorf("%w: tensor %q: %s elements, expected float32, float64, float16 or bfloat16",
			ErrFormat, clip(t.GetName()), e)
	}
}

// Int64s decodes the elements of one of the model's tensors that are integers or truth values (0 and 1). Errors are
// those of Float32s.
func (m *Model) Int64s(t *TensorProto) ([]int64, error) {
	raw, err := m.data(t)
	if err != nil {
		return nil, err
	}
	e := ElemType(t.GetDataType())
	if raw == nil {
		switch e {
		case Int64:
			return slices.Clone(t.Int64Data), nil
		case Int32, Int16, Int8, Uint16, Uint8, Bool:
			return widened(t.Int32Data), nil
		}
	}
	switch e {
	case Int64:
		return decode[int64](t, raw)
	case Int32:
		return decodeWidened[int32](t, raw)
	case Int16:
		return decodeWidened[int16](t, raw)
	case Int8:
		return decodeWidened[int8](t, raw)
	case Uint16:
		return decodeWidened[uint16](t, raw)
	case Uint8, Bool:
		return decodeWidened[uint8](t, raw)
	}
	return nil, fmt.Errorf("%w: tensor %q: %s elements, expected integers of up to 64 bits, signed, or bool",
		ErrFormat, clip(t.GetName()), e)
}

// data is a tensor's raw data, in the document or in a file beside it, and nil where a typed field has them.
func (m *Model) data(t *TensorProto) ([]byte, error) {
	if err := checkTensor(t); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if t.GetDataLocation() != TensorProto_EXTERNAL {
		return t.RawData, nil
	}
	var raw []byte
	err := m.eachExternal([]string{externalField(t, "location")}, func(location string, f *os.File, size int64) error {
		offset, length, err := externalRange(t, size)
		if err != nil {
			return fmt.Errorf("%w: file %q: %w", ErrExternal, location, err)
		}
		raw = memory.Make[byte](int(length))
		if _, err := io.ReadFull(io.NewSectionReader(f, offset, length), raw); err != nil {
			return fmt.Errorf("%w: reading %q: %w", ErrExternal, location, err)
		}
		return nil
	})
	return raw, err
}

// number is an element that encoding/binary decodes.
type number interface {
	~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~float32 | ~float64
}

func decode[T number](t *TensorProto, raw []byte) ([]T, error) {
	values := memory.Make[T](len(raw) / binary.Size(*new(T)))
	if n, err := binary.Decode(raw, binary.LittleEndian, values); err != nil || n != len(raw) {
		return nil, fmt.Errorf("%w: tensor %q: %w", ErrFormat, clip(t.GetName()), errors.Join(err, io.ErrUnexpectedEOF))
	}
	return values, nil
}

func decodeWidened[T int8 | int16 | int32 | uint8 | uint16](t *TensorProto, raw []byte) ([]int64, error) {
	values, err := decode[T](t, raw)
	return widened(values), err
}

func widened[T int8 | int16 | int32 | uint8 | uint16](values []T) []int64 {
	return convert(values, func(v T) int64 { return int64(v) })
}

func convert[A, B any](values []A, f func(A) B) []B {
	out := make([]B, len(values))
	for i, v := range values {
		out[i] = f(v)
	}
	return out
}

// fromFloat16 widens an IEEE 754 binary16: one bit of sign, five of exponent (bias 15), ten of fraction.
func fromFloat16(h uint16) float32 {
	sign, exponent, fraction := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&1023
	switch exponent {
	case 0: // zero or subnormal: fraction·2⁻²⁴
		return math.Float32frombits(sign | math.Float32bits(float32(fraction)*0x1p-24))
	case 31: // infinity or NaN
		return math.Float32frombits(sign | 255<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}
