package engine

import "rkd/student/internal/instruction"

// Instructions names the vector instructions that kernels use on this machine, such as "AVX-512". Weights are the same
// bytes for any number of threads, but not for other instructions: sums are then rounded in another order.
func Instructions() string { return instruction.Best().String() }
