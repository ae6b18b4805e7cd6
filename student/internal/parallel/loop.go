// Package parallel runs loops on all cores: [For] and [Loop] on goroutines started for each run, [Team] on goroutines
// that stay awake between the loops of a training step, and the scratch buffers that their bodies borrow. It knows
// nothing of what the bodies compute.
//
// A loop hands out the same pieces of work whatever the number of workers; a body that computes each piece in the same
// way every time therefore gives results that do not depend on that number.
package parallel

import (
	"runtime"
	"sync"
	"sync/atomic"

	"rkd/datasets/fault"
)

// For calls body(i) once for every i in [0,n), on GOMAXPROCS goroutines. The calls must write to disjoint memory; a
// reduction writes n partial results and adds them up in order afterwards.
func For(n int, body func(i int)) { NewLoop(body).Run(n) }

// Loop is [For] with a body that runs many times: it keeps what For allocates, so that a run allocates nothing. A Loop
// must not be run by two goroutines at once, nor by its own body.
type Loop struct {
	body   func(i int)
	worker func()
	n      int
	next   atomic.Int64
	wg     sync.WaitGroup
	fault  atomic.Pointer[error]
}

// NewLoop returns a loop over body, whose calls must write to disjoint memory.
func NewLoop(body func(i int)) *Loop {
	l := &Loop{body: body}
	l.worker = l.work
	return l
}

// Run calls the body once for every i in [0,n), on GOMAXPROCS goroutines, the calling one among them. A panic of one of
// the calls ends the loop, and Run panics with it, as an error.
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
	if fault := l.fault.Swap(nil); fault != nil {
		panic(*fault)
	}
}

func (l *Loop) work() {
	defer l.wg.Done()
	defer func() {
		if value := recover(); value != nil {
			err := fault.Recovered(value)
			l.fault.CompareAndSwap(nil, &err)
			l.next.Store(int64(l.n))
		}
	}()
	for i := int(l.next.Add(1)) - 1; i < l.n; i = int(l.next.Add(1)) - 1 {
		l.body(i)
	}
}
