package memory_test

import (
	"errors"
	"math"
	"testing"

	"rkd/datasets/fault"
	"rkd/datasets/memory"
)

// What is more than there is, or than can be counted, is refused before it is asked for; what fits is given.
func TestMemoryIsRefused(t *testing.T) {
	if free := memory.Free(); free <= 0 || free > 1<<50 {
		t.Fatalf("%d bytes are free", free)
	}
	for _, n := range []int{1 << 46, math.MaxInt/8 + 1, math.MaxInt, -1} {
		err := fault.Guard(func() error {
			memory.Make[float64](n)
			return nil
		})()
		if !errors.Is(err, memory.ErrShort) {
			t.Errorf("%d numbers: got %v, want ErrShort", n, err)
		}
	}
	if got := len(memory.Make[int32](5 << 20)); got != 5<<20 {
		t.Errorf("got %d numbers", got)
	}
	if err := memory.Check("all", memory.Product(1<<40, 1<<40)); !errors.Is(err, memory.ErrShort) {
		t.Errorf("got %v, want ErrShort", err)
	}
}
