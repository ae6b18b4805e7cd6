package loss

import (
	"testing"

	"rkd/student/internal/instruction"
	"rkd/student/internal/instruction/instructiontest"
)

func TestKernels(t *testing.T) {
	instructiontest.Kernels(t, instruction.AVX, map[string]func(t *testing.T){
		"sumTrianglesAVX": TestTrianglesTogetherAreTrianglesOneByOne,
	})
}
