//go:build !amd64

package vector

import "rkd/student/internal/blas"

// There is nothing faster than plain Go here.

func sumFast[T blas.Float]([]T) (float64, bool) { return 0, false }

func deviationsFast[T blas.Float]([]T, T) (sum, squares float64, ok bool) { return 0, 0, false }

func centredDotFast[T blas.Float](_, _ []T, _ T) (dot, total float64, ok bool) { return 0, 0, false }

func centredDotReLUFast[T blas.Float](_, _ []T, _, _, _ T) (dot, total float64, ok bool) {
	return 0, 0, false
}

func affineFast[T blas.Float](_, _ []T, _, _ T) bool { return false }

func affineReLUFast[T blas.Float](_, _ []T, _, _ T) bool { return false }

func affineAddReLUFast[T blas.Float](_, _, _ []T, _, _ T) bool { return false }

func reluGradFast[T blas.Float](_, _, _ []T) bool { return false }

func clipGradFast[T blas.Float](_, _, _ []T, _, _ T) bool { return false }

func addReLUGradFast[T blas.Float](_, _, _, _ []T) bool { return false }

func blendFast[T blas.Float](_, _, _ []T, _, _, _ T) bool { return false }

func blendReLUFast[T blas.Float](_, _, _ []T, _, _, _, _, _ T) bool { return false }

func halveFast[T blas.Float](_, _ []T, _, _, _ int) bool { return false }

func halveGradFast[T blas.Float](_, _, _ []T, _, _, _ int, _ bool) bool { return false }
