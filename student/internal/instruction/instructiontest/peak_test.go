package instructiontest

import (
	"testing"

	"rkd/student/internal/instruction"
)

// Whatever else runs, a core with AVX2 does a multiply-add in less than a nanosecond.
func TestPeak(t *testing.T) {
	one := Peak(1)
	if best := instruction.Best(); (one > 0) != (best >= instruction.AVX2) {
		t.Errorf("peak %v GFLOP/s with %v", one, best)
	}
	if again := Peak(1); again != one {
		t.Errorf("the peak was measured again: %v, then %v", one, again)
	}
	t.Logf("one thread: %.0f GFLOP/s", one)
}
