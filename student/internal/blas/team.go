package blas

import (
	"runtime"
	"sync/atomic"
	"time"
)

// patience is how long a member of a team stays awake without work. Waking a core that sleeps takes about as long.
const patience = 100 * time.Microsecond

// Team runs loops one after the other as [For] does, on goroutines that stay awake for a while after each, so that the
// next one need not wake them. A nil Team is For. A Team runs one loop at a time, and its bodies none.
type Team struct {
	body    func(i int)
	n       int
	next    atomic.Int64
	state   atomic.Uint64 // the number of loops so far, whether the last one is open, and the members that are at it
	resting atomic.Bool
	closed  atomic.Bool
	members []member
}

// member is one goroutine of a team. It sleeps on wake.
type member struct {
	asleep atomic.Bool
	wake   chan struct{}
}

// Parts of a team's state.
const (
	joined = 1<<16 - 1
	open   = 1 << 16
	round  = 1 << 17
)

// NewTeam returns a team of as many as workers, the calling goroutine among them, but no more than there are processors to
// use; 0 and less stand for those. Close ends the others.
func NewTeam(workers int) *Team {
	if p := runtime.GOMAXPROCS(0); workers < 1 || workers > p {
		workers = p
	}
	t := &Team{members: make([]member, workers-1)}
	for i := range t.members {
		t.members[i].wake = make(chan struct{}, 1)
		go t.serve(&t.members[i])
	}
	return t
}

// For calls body(i) once for every i in [0,n), and returns when all calls have. They write to disjoint places.
func (t *Team) For(n int, body func(i int)) {
	if t == nil {
		For(n, body)
		return
	}
	if n < 2 || len(t.members) == 0 {
		for i := range n {
			body(i)
		}
		return
	}
	t.body, t.n = body, n
	t.next.Store(0)
	t.state.Store(t.state.Load()&^(joined|open) + round | open)
	t.call()
	t.work()
	t.state.And(^uint64(open)) // whoever has not joined by now comes too late
	since := time.Now()
	for tries := 1; t.state.Load()&joined > 0; tries++ {
		if tries%64 == 0 && time.Since(since) > patience {
			runtime.Gosched()
		}
	}
	t.body = nil
}

// call wakes the members that sleep.
func (t *Team) call() {
	t.resting.Store(false)
	for i := range t.members {
		if m := &t.members[i]; m.asleep.CompareAndSwap(true, false) {
			m.wake <- struct{}{}
		}
	}
}

// Rest lets the members sleep until the next loop: the processors are needed for something else.
func (t *Team) Rest() {
	if t != nil {
		t.resting.Store(true)
	}
}

// Close ends the members. The team is not used any more.
func (t *Team) Close() {
	if t != nil && !t.closed.Swap(true) {
		t.call()
	}
}

func (t *Team) work() {
	for i := int(t.next.Add(1)) - 1; i < t.n; i = int(t.next.Add(1)) - 1 {
		t.body(i)
	}
}

// serve joins every loop that is open when the member is awake.
func (t *Team) serve(m *member) {
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
		m.asleep.Store(true)
		if (t.closed.Load() || t.begun(last)) && m.asleep.CompareAndSwap(true, false) {
			if t.closed.Load() {
				return
			}
			continue // it began in between, and nobody wakes us
		}
		<-m.wake
		since = time.Now()
	}
}

// begun says whether a loop is open after the last one.
func (t *Team) begun(last uint64) bool {
	s := t.state.Load()
	return s&open != 0 && s/round != last
}
