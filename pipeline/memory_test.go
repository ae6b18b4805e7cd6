package pipeline

import (
	"errors"
	"strings"
	"testing"

	"rkd/datasets/memory"
	"rkd/student/arch"
	"rkd/student/train"
)

// A step that cannot fit is refused before memory is asked for, and one that fits is not.
func TestTrainingsThatDoNotFitAreRefused(t *testing.T) {
	network := func(widths ...int) *arch.Network {
		n, err := arch.New(arch.Config{Conv: widths, Pool: "none"}, []int{1, 28, 28}, 8, false)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if got := trainingBytes(network(2), train.Options{}, 10); got < 4*4*2*9 || got > 1<<20 {
		t.Errorf("a small training takes %d bytes", got)
	}
	if err := checkMemory(network(4), train.Options{}, 64); err != nil {
		t.Error(err)
	}
	err := checkMemory(network(4096, 4096), train.Options{}, 1<<40)
	if !errors.Is(err, memory.ErrShort) || !strings.Contains(err.Error(), "train.batch") {
		t.Errorf("a training of terabytes gives %v", err)
	}
}
