package op

import (
	"sync"

	"rkd/student/internal/blas"
)

// scratch lends buffers to an operator's kernels, so that a training step allocates none. It is safe for concurrent use.
type scratch struct{ pool sync.Pool }

// borrow returns a buffer of n elements that hold anything, and the function that gives it back.
func borrow[T blas.Float](s *scratch, n int) (buf []T, giveBack func()) {
	p, ok := s.pool.Get().(*[]T)
	if !ok || cap(*p) < n {
		p = new(make([]T, n))
	}
	return (*p)[:n], func() { s.pool.Put(p) }
}
