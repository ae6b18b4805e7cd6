package cache

import (
	"fmt"
	"math"
	"slices"
)

// The types that embeddings are stored in. Logits are always float32. Whatever the type, rows in memory are float32.
const (
	Float32  = "float32"
	Float16  = "float16"  // IEEE 754 binary16: 11 significant bits, up to 65504
	BFloat16 = "bfloat16" // 8 significant bits, the range of float32
	Int8     = "int8"     // −127 to 127 times a scale, one a row
)

// DTypes lists the types that embeddings can be stored in.
var DTypes = []string{Float32, Float16, BFloat16, Int8}

// RoundFloat16 returns the value of binary16 that is nearest to x, of two the one whose last bit is even. Beyond 65520
// that is an infinity.
func RoundFloat16(x float32) float32 {
	switch a := math.Abs(float64(x)); {
	case a < 0x1p-14: // subnormal: steps of 2⁻²⁴
		return float32(math.RoundToEven(float64(x)*0x1p24) * 0x1p-24)
	case a >= 65520:
		return float32(math.Copysign(math.Inf(1), float64(x)))
	}
	return roundBits(x, 13)
}

// RoundBFloat16 returns the value of bfloat16, the upper half of a float32, that is nearest to x, of two the one whose
// last bit is even. Values that round beyond the largest one become an infinity.
func RoundBFloat16(x float32) float32 { return roundBits(x, 16) }

// roundBits rounds the lowest bits of a float32 away, half to even.
func roundBits(x float32, bits int) float32 {
	b := math.Float32bits(x)
	b += 1<<(bits-1) - 1 + b>>bits&1
	return math.Float32frombits(b >> bits << bits)
}

// Int8Scale returns the scale of a row stored as int8,
//
//	s = max_j |x_j| / 127
//
// 0 for a row of zeros, and for one whose largest value is so small that the quotient is.
func Int8Scale(row []float32) float32 {
	largest := float32(0)
	for _, v := range row {
		largest = max(largest, float32(math.Abs(float64(v))))
	}
	return largest / 127
}

// QuantizeInt8 returns q = round(x/s), between −127 and 127, of which DequantizeInt8 makes q·s. It is 0 for s = 0.
func QuantizeInt8(x, scale float32) int8 {
	if scale == 0 {
		return 0
	}
	return int8(min(127, max(-127, math.RoundToEven(float64(x)/float64(scale)))))
}

// DequantizeInt8 returns q·s.
func DequantizeInt8(q int8, scale float32) float32 { return float32(q) * scale }

// quantize overwrites embeddings (R,D) with the values that a type holds of them. Scales are those of rows as int8; nil
// computes them. It returns the scales.
func quantize(dtype string, embeddings []float32, dim int, scales []float32) []float32 {
	switch dtype {
	case Float16:
		for i, v := range embeddings {
			embeddings[i] = RoundFloat16(v)
		}
	case BFloat16:
		for i, v := range embeddings {
			embeddings[i] = RoundBFloat16(v)
		}
	case Int8:
		for i := range len(embeddings) / dim {
			row := embeddings[i*dim : (i+1)*dim]
			if len(scales) <= i {
				scales = append(scales, Int8Scale(row))
			}
			for j, v := range row {
				row[j] = DequantizeInt8(QuantizeInt8(v, scales[i]), scales[i])
			}
		}
	}
	return scales
}

// Quantize returns what a cache of a type gives back of embeddings (R,D).
func Quantize(dtype string, embeddings []float32, dim int) []float32 {
	out := slices.Clone(embeddings)
	quantize(dtype, out, dim, nil)
	return out
}

// storable names the first row with a value that a type cannot hold.
func (r Rows) storable(dtype string, dim int) error {
	round := map[string]func(float32) float32{Float16: RoundFloat16, BFloat16: RoundBFloat16}[dtype]
	if round == nil {
		return nil
	}
	for i, v := range r.Embeddings {
		if math.IsInf(float64(round(v)), 0) {
			return fmt.Errorf("embedding of sample %d view %d holds %v, which %s cannot hold: use float32%s", r.IDs[i/dim],
				r.Views[i/dim], v, dtype, map[bool]string{true: " or bfloat16"}[dtype == Float16])
		}
	}
	return nil
}
