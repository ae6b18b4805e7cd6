package vector

import "rkd/student/internal/blas"

// lanes are the accumulators of a sum: four registers of eight, so that additions do not wait for each other.
type lanes[T blas.Float] [32]T

// total adds the lanes up, in the order of the registers' halves.
func (l *lanes[T]) total() float64 {
	var quarter [4]float64
	for i := range quarter {
		low := (l[i] + l[i+8]) + (l[i+16] + l[i+24])
		high := (l[i+4] + l[i+12]) + (l[i+20] + l[i+28])
		quarter[i] = float64(low) + float64(high)
	}
	return (quarter[0] + quarter[2]) + (quarter[1] + quarter[3])
}

// block is how many of n remaining elements are added to the lanes next: one for each lane, at the end a register's
// worth, then the rest.
func block(n int) int {
	if n >= 32 {
		return 32
	}
	return min(n, 8)
}

func sum[T blas.Float](x []T) float64 {
	var s lanes[T]
	for len(x) > 0 {
		n := block(len(x))
		for i, v := range x[:n] {
			s[i] += v
		}
		x = x[n:]
	}
	return s.total()
}

func deviations[T blas.Float](x []T, about T) (sum, squares float64) {
	var s, q lanes[T]
	for len(x) > 0 {
		n := block(len(x))
		for i, v := range x[:n] {
			d := v - about
			s[i] += d
			q[i] += T(d * d)
		}
		x = x[n:]
	}
	return s.total(), q.total()
}

func centredDot[T blas.Float](x, g []T, mean T) (dot, total float64) {
	var d, t lanes[T]
	for len(x) > 0 {
		n := block(len(x))
		for i, v := range x[:n] {
			d[i] += T((v - mean) * g[i])
			t[i] += g[i]
		}
		x, g = x[n:], g[n:]
	}
	return d.total(), t.total()
}

func centredDotReLU[T blas.Float](x, g []T, mean, scale, shift T) (dot, total float64) {
	var d, t lanes[T]
	for len(x) > 0 {
		n := block(len(x))
		for i, v := range x[:n] {
			passed := where(T(scale*v)+shift > 0, g[i])
			d[i] += T((v - mean) * passed)
			t[i] += passed
		}
		x, g = x[n:], g[n:]
	}
	return d.total(), t.total()
}

// where is v or 0. Signs of activations are random: selecting by index takes a third of the time of a branch.
func where[T blas.Float](passes bool, v T) T {
	choice := [2]T{0, v}
	i := 0
	if passes {
		i = 1
	}
	return choice[i]
}

func affine[T blas.Float](y, x []T, scale, shift T) {
	for i, v := range x {
		y[i] = T(scale*v) + shift
	}
}

func affineReLU[T blas.Float](y, x []T, scale, shift T) {
	for i, v := range x {
		y[i] = max(T(scale*v)+shift, 0)
	}
}

func affineAddReLU[T blas.Float](y, x, z []T, scale, shift T) {
	for i, v := range x {
		y[i] = max((T(scale*v)+shift)+z[i], 0)
	}
}

func reluGrad[T blas.Float](gx, y, g []T) {
	for i, v := range y {
		gx[i] = where(v > 0, g[i])
	}
}

func clipGrad[T blas.Float](gx, y, g []T, low, high T) {
	for i, v := range y {
		gx[i] = where(low < v, where(v < high, g[i]))
	}
}

func addReLUGrad[T blas.Float](gx, y, g, h []T) {
	for i, v := range y {
		gx[i] = where(v > 0, g[i]+h[i])
	}
}

func blend[T blas.Float](gx, x, g []T, factor, slope, offset T) {
	for i, v := range x {
		gx[i] = (T(slope*v) + offset) + T(factor*g[i])
	}
}

func blendReLU[T blas.Float](gx, x, g []T, factor, slope, offset, scale, shift T) {
	for i, v := range x {
		gx[i] = (T(slope*v) + offset) + T(factor*where(T(scale*v)+shift > 0, g[i]))
	}
}

func halve[T blas.Float](y, x []T, rows, columns, width int) {
	for i := range rows {
		above, below := x[2*i*width:][:2*columns], x[(2*i+1)*width:][:2*columns]
		for j := range y[i*columns:][:columns] {
			y[i*columns+j] = max(max(above[2*j], above[2*j+1]), max(below[2*j], below[2*j+1]))
		}
	}
}

// halveGrad compares in a separate pass from the maximum, which avoids branch mispredictions.
func halveGrad[T blas.Float](gx, x, g []T, rows, columns, width int, rectified bool) {
	for i := range rows {
		at := 2 * i * width
		for _, v := range g[i*columns:][:columns] {
			window, first, best := x[at:at+width+2], 0, x[at]
			if window[1] > best {
				first = 1
			}
			best = max(best, window[1])
			if window[width] > best {
				first = width
			}
			best = max(best, window[width])
			if window[width+1] > best {
				first = width + 1
			}
			best = max(best, window[width+1])
			gx[at], gx[at+1], gx[at+width], gx[at+width+1] = 0, 0, 0, 0
			gx[at+first] = where(!rectified || best > 0, v)
			at += 2
		}
	}
}
