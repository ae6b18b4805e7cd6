package op

import (
	"slices"
	"sync"

	"rkd/student/internal/blas"
)

// scratch lends buffers to an operator's kernels, so that a training step allocates none: unlike a sync.Pool it keeps what
// it has. It is safe for concurrent use.
type scratch struct {
	mu   sync.Mutex
	free []any // *[]T
}

// borrow returns a buffer of n elements that hold anything, and the function that gives it back.
func borrow[T blas.Float](s *scratch, n int) (buf []T, giveBack func()) {
	p := take[T](s, n)
	return (*p)[:n], func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.free = append(s.free, p)
	}
}

func take[T blas.Float](s *scratch, n int) *[]T {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, free := range s.free {
		if p, ok := free.(*[]T); ok && cap(*p) >= n {
			s.free = slices.Delete(s.free, i, i+1)
			return p
		}
	}
	return new(make([]T, n))
}
