package instructiontest

import "rkd/student/internal/instruction"

// fmaAVX512 does 16 independent multiply-adds of 16 numbers, so many times.
//
//go:noescape
func fmaAVX512(rounds int)

// fmaAVX2 does 12 independent multiply-adds of 8 numbers, so many times.
//
//go:noescape
func fmaAVX2(rounds int)

// multiplyAdds computes with the largest registers for so many rounds and returns the number of operations.
func multiplyAdds(rounds int) float64 {
	switch best := instruction.Best(); {
	case best >= instruction.AVX512:
		fmaAVX512(rounds)
		return float64(rounds) * 16 * 16 * 2
	case best >= instruction.AVX2:
		fmaAVX2(rounds)
		return float64(rounds) * 12 * 8 * 2
	}
	return 0
}
