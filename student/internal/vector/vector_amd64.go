package vector

import (
	"rkd/student/internal/blas"
	"rkd/student/internal/instruction"
)

// Each function in assembly computes, to the bit, what the function of the same name in Go does.

//go:noescape
func sumAVX2(x []float32) float64

//go:noescape
func deviationsAVX2(x []float32, about float32) (sum, squares float64)

//go:noescape
func centredDotAVX2(x, g []float32, mean float32) (dot, total float64)

//go:noescape
func centredDotReLUAVX2(x, g []float32, mean, scale, shift float32) (dot, total float64)

//go:noescape
func affineAVX2(y, x []float32, scale, shift float32)

//go:noescape
func affineReLUAVX2(y, x []float32, scale, shift float32)

//go:noescape
func affineAddReLUAVX2(y, x, z []float32, scale, shift float32)

//go:noescape
func reluGradAVX2(gx, y, g []float32)

//go:noescape
func clipGradAVX2(gx, y, g []float32, low, high float32)

//go:noescape
func addReLUGradAVX2(gx, y, g, h []float32)

//go:noescape
func blendAVX2(gx, x, g []float32, factor, slope, offset float32)

//go:noescape
func blendReLUAVX2(gx, x, g []float32, factor, slope, offset, scale, shift float32)

//go:noescape
func halveAVX2(y, x []float32, rows, columns, width int)

//go:noescape
func halveGradAVX2(gx, x, g []float32, rows, columns, width int, passes int32)

// fast returns x for the functions in assembly, or nil if they cannot take it: for float64, and without AVX2.
func fast[T blas.Float](x []T) []float32 {
	if instruction.Best() < instruction.AVX2 {
		return nil
	}
	f, _ := any(x).([]float32)
	return f
}

func sumFast[T blas.Float](x []T) (float64, bool) {
	if x := fast(x); x != nil {
		return sumAVX2(x), true
	}
	return 0, false
}

func deviationsFast[T blas.Float](x []T, about T) (sum, squares float64, ok bool) {
	if x := fast(x); x != nil {
		sum, squares = deviationsAVX2(x, float32(about))
		return sum, squares, true
	}
	return 0, 0, false
}

func centredDotFast[T blas.Float](x, g []T, mean T) (dot, total float64, ok bool) {
	if x := fast(x); x != nil {
		dot, total = centredDotAVX2(x, fast(g), float32(mean))
		return dot, total, true
	}
	return 0, 0, false
}

func centredDotReLUFast[T blas.Float](x, g []T, mean, scale, shift T) (dot, total float64, ok bool) {
	if x := fast(x); x != nil {
		dot, total = centredDotReLUAVX2(x, fast(g), float32(mean), float32(scale), float32(shift))
		return dot, total, true
	}
	return 0, 0, false
}

func affineFast[T blas.Float](y, x []T, scale, shift T) bool {
	f := fast(x)
	if f != nil {
		affineAVX2(fast(y), f, float32(scale), float32(shift))
	}
	return f != nil
}

func affineReLUFast[T blas.Float](y, x []T, scale, shift T) bool {
	f := fast(x)
	if f != nil {
		affineReLUAVX2(fast(y), f, float32(scale), float32(shift))
	}
	return f != nil
}

func affineAddReLUFast[T blas.Float](y, x, z []T, scale, shift T) bool {
	f := fast(x)
	if f != nil {
		affineAddReLUAVX2(fast(y), f, fast(z), float32(scale), float32(shift))
	}
	return f != nil
}

func reluGradFast[T blas.Float](gx, y, g []T) bool {
	f := fast(y)
	if f != nil {
		reluGradAVX2(fast(gx), f, fast(g))
	}
	return f != nil
}

func clipGradFast[T blas.Float](gx, y, g []T, low, high T) bool {
	f := fast(y)
	if f != nil {
		clipGradAVX2(fast(gx), f, fast(g), float32(low), float32(high))
	}
	return f != nil
}

func addReLUGradFast[T blas.Float](gx, y, g, h []T) bool {
	f := fast(y)
	if f != nil {
		addReLUGradAVX2(fast(gx), f, fast(g), fast(h))
	}
	return f != nil
}

func blendFast[T blas.Float](gx, x, g []T, factor, slope, offset T) bool {
	f := fast(x)
	if f != nil {
		blendAVX2(fast(gx), f, fast(g), float32(factor), float32(slope), float32(offset))
	}
	return f != nil
}

func blendReLUFast[T blas.Float](gx, x, g []T, factor, slope, offset, scale, shift T) bool {
	f := fast(x)
	if f != nil {
		blendReLUAVX2(fast(gx), f, fast(g), float32(factor), float32(slope), float32(offset), float32(scale), float32(shift))
	}
	return f != nil
}

func halveFast[T blas.Float](y, x []T, rows, columns, width int) bool {
	f := fast(x)
	if f != nil {
		halveAVX2(fast(y), f, rows, columns, width)
	}
	return f != nil
}

func halveGradFast[T blas.Float](gx, x, g []T, rows, columns, width int, rectified bool) bool {
	f := fast(x)
	if f != nil {
		var passes int32 = -1
		if rectified {
			passes = 0
		}
		halveGradAVX2(fast(gx), f, fast(g), rows, columns, width, passes)
	}
	return f != nil
}
