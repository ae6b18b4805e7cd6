package blas

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// For calls body(i) once for every i in [0,n), from as many goroutines as there are processors to use. The calls must
// write to disjoint places; a reduction writes n partial results and adds them up in order afterwards.
func For(n int, body func(i int)) { NewLoop(body).Run(n) }

// Loop is [For] for a body that runs again and again: it keeps what For allocates, so that a run allocates nothing. A
// Loop must not be run by two goroutines at once, nor by its own body.
type Loop struct {
	body   func(i int)
	worker func()
	n      int
	next   atomic.Int64
	wg     sync.WaitGroup
}

// NewLoop returns a loop over body, whose calls must write to disjoint places.
func NewLoop(body func(i int)) *Loop {
	l := &Loop{body: body}
	l.worker = l.work
	return l
}

// Run calls the body once for every i in [0,n), from as many goroutines as there are processors to use, the calling one
// among them.
func (l *Loop) Run(n int) {
	workers := min(runtime.GOMAXPROCS(0), n)
	l.n = n
	l.next.Store(0)
	l.wg.Add(max(workers, 1))
	for range workers - 1 {
		go l.worker()
	}
	l.work()
	l.wg.Wait()
}

func (l *Loop) work() {
	defer l.wg.Done()
	for i := int(l.next.Add(1)) - 1; i < l.n; i = int(l.next.Add(1)) - 1 {
		l.body(i)
	}
}
