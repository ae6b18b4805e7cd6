package parallel

import (
	"runtime"
	"sync/atomic"
	"time"

	"rkd/datasets/fault"
)

// patience is how long a worker spins without work before it sleeps. Waking a sleeping core takes about as long.
const patience = 100 * time.Microsecond

// Team is a worker pool for loops that follow each other closely: its goroutines spin for a while after each loop, so
// that the next one need not wake a core. A nil *Team works as [For] does, without a pool. A Team runs one loop at a
// time, and loop bodies must not use it.
type Team struct {
	body    func(i int)
	n       int
	next    atomic.Int64
	state   atomic.Uint64 // number of loops so far; whether the current one can be joined; workers in it
	resting atomic.Bool
	closed  atomic.Bool
	workers []worker // besides the calling goroutine
	fault   atomic.Pointer[error]
}

// worker is one goroutine of a team. It sleeps on wake.
type worker struct {
	asleep atomic.Bool
	wake   chan struct{}
}

// Fields of Team.state.
const (
	joined = 1<<16 - 1 // mask of the number of workers in the loop
	open   = 1 << 16   // flag: workers may join
	round  = 1 << 17   // unit of the number of loops
)

// NewTeam returns a team of that many workers, the calling goroutine included, but at most GOMAXPROCS; 0 and less mean
// GOMAXPROCS. Close stops its goroutines.
func NewTeam(workers int) *Team {
	if p := runtime.GOMAXPROCS(0); workers < 1 || workers > p {
		workers = p
	}
	t := &Team{workers: make([]worker, workers-1)}
	for i := range t.workers {
		t.workers[i].wake = make(chan struct{}, 1)
		go t.serve(&t.workers[i])
	}
	return t
}

// Workers is the number of goroutines that a loop runs on, the calling one included.
func (t *Team) Workers() int {
	if t == nil {
		return runtime.GOMAXPROCS(0)
	}
	return 1 + len(t.workers)
}

// For calls body(i) once for every i in [0,n), and returns when all calls have returned. The calls must write to
// disjoint memory. A panic of one of them ends the loop, and For panics with it, as an error, when the others have
// returned.
func (t *Team) For(n int, body func(i int)) {
	if t == nil {
		For(n, body)
		return
	}
	if n < 2 || len(t.workers) == 0 {
		for i := range n {
			body(i)
		}
		return
	}
	t.body, t.n = body, n
	t.next.Store(0)
	t.state.Store(t.state.Load()&^(joined|open) + round | open)
	t.wake()
	t.work()
	t.state.And(^uint64(open)) // nothing is left to do for a worker that has not joined yet
	since := time.Now()
	for tries := 1; t.state.Load()&joined > 0; tries++ {
		if tries%64 == 0 && time.Since(since) > patience {
			runtime.Gosched()
		}
	}
	t.body = nil
	if fault := t.fault.Swap(nil); fault != nil {
		panic(*fault)
	}
}

// wake wakes the workers that sleep.
func (t *Team) wake() {
	t.resting.Store(false)
	for i := range t.workers {
		if w := &t.workers[i]; w.asleep.CompareAndSwap(true, false) {
			w.wake <- struct{}{}
		}
	}
}

// Rest sends the workers to sleep until the next loop, because something else needs the cores.
func (t *Team) Rest() {
	if t != nil {
		t.resting.Store(true)
	}
}

// Close stops the goroutines. The team must not be used afterwards.
func (t *Team) Close() {
	if t != nil && !t.closed.Swap(true) {
		t.wake()
	}
}

func (t *Team) work() {
	defer func() {
		if value := recover(); value != nil {
			err := fault.Recovered(value)
			t.fault.CompareAndSwap(nil, &err)
			t.next.Store(int64(t.n))
		}
	}()
	for i := int(t.next.Add(1)) - 1; i < t.n; i = int(t.next.Add(1)) - 1 {
		t.body(i)
	}
}

// serve joins every open loop while the worker is awake, and puts it to sleep when it has had no work for a while.
func (t *Team) serve(w *worker) {
	since, last := time.Now(), uint64(0)
	for tries := 1; ; tries++ {
		if s := t.state.Load(); s&open != 0 && s/round != last {
			if t.state.CompareAndSwap(s, s+1) {
				last = s / round
				t.work()
				t.state.Add(^uint64(0))
				since = time.Now()
			}
			continue
		}
		if tries%64 != 0 || !t.closed.Load() && !t.resting.Load() && time.Since(since) < patience {
			continue
		}
		w.asleep.Store(true)
		if (t.closed.Load() || t.begun(last)) && w.asleep.CompareAndSwap(true, false) {
			if t.closed.Load() {
				return
			}
			continue // a loop began in between; it may have found this worker awake and will not wake it
		}
		<-w.wake
		since = time.Now()
	}
}

// begun reports whether a loop after number last can be joined.
func (t *Team) begun(last uint64) bool {
	s := t.state.Load()
	return s&open != 0 && s/round != last
}
