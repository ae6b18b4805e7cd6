package parallel

import (
	"slices"
	"sync"

	"rkd/datasets/memory"
)

// Scratch keeps buffers that kernels borrow, so that a training step allocates none. Unlike a sync.Pool it never drops
// one. It is safe for concurrent use, and its zero value is empty.
type Scratch struct {
	mu   sync.Mutex
	free []any // *[]T
}

// Borrow returns a buffer of n elements with any contents, and the function that gives it back.
func Borrow[T any](s *Scratch, n int) (buf []T, giveBack func()) {
	p := take[T](s, n)
	return (*p)[:n], func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.free = append(s.free, p)
	}
}

func take[T any](s *Scratch, n int) *[]T {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, free := range s.free {
		if p, ok := free.(*[]T); ok && cap(*p) >= n {
			s.free = slices.Delete(s.free, i, i+1)
			return p
		}
	}
	return new(memory.Make[T](n))
}
