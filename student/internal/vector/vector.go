// Package vector holds the loops over rows of activations that batch normalisation, ReLU and pooling are made of, and
// over the weights of a step of Adam: in AVX2 for float32 where the processor has it, in plain Go for everything else.
// It knows no shapes beyond a row and a plane, and no threads.
//
// Both forms do the same operations in the same order, and none of them is contracted to a fused multiply-add: results
// are the same, bit by bit, on every processor. Slices of one call have the length of its input; outputs share no
// memory with inputs unless they are the same slice.
package vector

import "rkd/student/internal/blas"

// Sum is Σ x, in 32 lanes of T that are added up in float64.
func Sum[T blas.Float](x []T) float64 {
	if s, ok := sumFast(x); ok {
		return s
	}
	return sum(x)
}

// Deviations are Σ (x−about) and Σ (x−about)², in lanes as Sum.
func Deviations[T blas.Float](x []T, about T) (sum, squares float64) {
	if sum, squares, ok := deviationsFast(x, about); ok {
		return sum, squares
	}
	return deviations(x, about)
}

// CentredDot is Σ (x−mean)·g and Σ g, in lanes as Sum.
func CentredDot[T blas.Float](x, g []T, mean T) (dot, total float64) {
	g = g[:len(x)]
	if dot, total, ok := centredDotFast(x, g, mean); ok {
		return dot, total
	}
	return centredDot(x, g, mean)
}

// CentredDotReLU is CentredDot of the elements of g where AffineReLU(x) is above 0, the others being 0.
func CentredDotReLU[T blas.Float](x, g []T, mean, scale, shift T) (dot, total float64) {
	g = g[:len(x)]
	if dot, total, ok := centredDotReLUFast(x, g, mean, scale, shift); ok {
		return dot, total
	}
	return centredDotReLU(x, g, mean, scale, shift)
}

// Affine is y = scale·x + shift.
func Affine[T blas.Float](y, x []T, scale, shift T) {
	y = y[:len(x)]
	if !affineFast(y, x, scale, shift) {
		affine(y, x, scale, shift)
	}
}

// AffineReLU is y = max(scale·x + shift, 0); NaN stays NaN, and −0 becomes 0.
func AffineReLU[T blas.Float](y, x []T, scale, shift T) {
	y = y[:len(x)]
	if !affineReLUFast(y, x, scale, shift) {
		affineReLU(y, x, scale, shift)
	}
}

// AffineAddReLU is y = max((scale·x + shift) + z, 0), as AffineReLU.
func AffineAddReLU[T blas.Float](y, x, z []T, scale, shift T) {
	y, z = y[:len(x)], z[:len(x)]
	if !affineAddReLUFast(y, x, z, scale, shift) {
		affineAddReLU(y, x, z, scale, shift)
	}
}

// ReLUGrad is gx = g where y > 0, and 0 elsewhere.
func ReLUGrad[T blas.Float](gx, y, g []T) {
	gx, g = gx[:len(y)], g[:len(y)]
	if !reluGradFast(gx, y, g) {
		reluGrad(gx, y, g)
	}
}

// ClipGrad is gx = g where low < y < high, and 0 elsewhere.
func ClipGrad[T blas.Float](gx, y, g []T, low, high T) {
	gx, g = gx[:len(y)], g[:len(y)]
	if !clipGradFast(gx, y, g, low, high) {
		clipGrad(gx, y, g, low, high)
	}
}

// AddReLUGrad is gx = g + h where y > 0, and 0 elsewhere.
func AddReLUGrad[T blas.Float](gx, y, g, h []T) {
	gx, g, h = gx[:len(y)], g[:len(y)], h[:len(y)]
	if !addReLUGradFast(gx, y, g, h) {
		addReLUGrad(gx, y, g, h)
	}
}

// Blend is gx = (slope·x + offset) + factor·g.
func Blend[T blas.Float](gx, x, g []T, factor, slope, offset T) {
	gx, g = gx[:len(x)], g[:len(x)]
	if !blendFast(gx, x, g, factor, slope, offset) {
		blend(gx, x, g, factor, slope, offset)
	}
}

// BlendReLU is Blend of the elements of g where AffineReLU(x) is above 0, the others being 0.
func BlendReLU[T blas.Float](gx, x, g []T, factor, slope, offset, scale, shift T) {
	gx, g = gx[:len(x)], g[:len(x)]
	if !blendReLUFast(gx, x, g, factor, slope, offset, scale, shift) {
		blendReLU(gx, x, g, factor, slope, offset, scale, shift)
	}
}

// Halve is the maximum y (rows,columns) of the 2×2 windows, side by side from the first element on, of x, which has
// width ≥ 2·columns elements a row. NaN wins.
func Halve[T blas.Float](y, x []T, rows, columns, width int) {
	if rows == 0 || columns == 0 {
		return
	}
	y, x = y[:rows*columns], x[:(2*rows-1)*width+2*columns]
	if !halveFast(y, x, rows, columns, width) {
		halve(y, x, rows, columns, width)
	}
}

// HalveGrad is the gradient gx of Halve with respect to x, from g (rows,columns): the first maximum of a window in
// row-major order gets the window's g, its other elements get 0. If rectified, a maximum of 0 or less gets 0 too: the
// gradient of ReLU followed by Halve, where x is the ReLU's input or output. Elements outside the windows stay as they
// are; of a window with a NaN any one element gets g, or none if rectified.
func HalveGrad[T blas.Float](gx, x, g []T, rows, columns, width int, rectified bool) {
	if rows == 0 || columns == 0 {
		return
	}
	n := (2*rows-1)*width + 2*columns
	gx, x, g = gx[:n], x[:n], g[:rows*columns]
	if !halveGradFast(gx, x, g, rows, columns, width, rectified) {
		halveGrad(gx, x, g, rows, columns, width, rectified)
	}
}
