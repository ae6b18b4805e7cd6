package memory

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"unsafe"

	"github.com/dustin/go-humanize"
)

// ErrShort reports memory that the machine, or a limit of this process, does not have.
var ErrShort = errors.New("not enough memory")

const (
	// large is the number of bytes from which on Make asks first.
	large = 16 << 20
	// reserve is the memory that is left for all that is not asked for here: the stacks of threads, and the steps in
	// which Go's heap grows, 64 MiB each.
	reserve = 128 << 20
	// share is the part of the free memory that Go's heap fills before the collector works harder.
	share = 0.8
)

// Check returns ErrShort unless so many bytes more are free. what names what they are for, in the plural or not: "what
// takes 3 GiB".
func Check(what string, bytes int64) error {
	if bytes < large && bytes >= 0 {
		return nil
	}
	free := Free() - reserve
	if bytes >= 0 && bytes > free { // of which some may be garbage
		debug.FreeOSMemory()
		free = Free() - reserve
	}
	if bytes >= 0 && bytes <= free {
		return nil
	}
	size := "more than can be counted"
	if bytes >= 0 {
		size = humanize.IBytes(uint64(bytes))
	}
	return fmt.Errorf("%w: %s takes %s, and %s are free", ErrShort, what, size, humanize.IBytes(uint64(max(free, 0))))
}

// Make is make([]T, n), but panics with an error that wraps ErrShort where there is no room; see fault.Guard.
func Make[T any](n int) []T {
	size := int64(unsafe.Sizeof(*new(T)))
	bytes := int64(-1)
	if n >= 0 && (size == 0 || int64(n) <= math.MaxInt64/size) {
		bytes = int64(n) * size
	}
	if err := Check("an array", bytes); err != nil {
		panic(err)
	}
	return make([]T, n)
}

// Product is the product of sizes, or MaxInt64 where it is more than that.
func Product(sizes ...int64) int64 {
	product := int64(1)
	for _, s := range sizes {
		if s > 0 && product > math.MaxInt64/s {
			return math.MaxInt64
		}
		product *= s
	}
	return product
}

// LimitHeap lets the garbage collector keep Go's heap within what is free now, unless $GOMEMLIMIT says otherwise: by
// default the heap may become twice as large as what is in use.
func LimitHeap() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if free := Free(); free < math.MaxInt64 {
		debug.SetMemoryLimit(int64(share * float64(free)))
	}
}
