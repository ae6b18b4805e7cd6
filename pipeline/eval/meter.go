package eval

import "sync"

// meter tells how far a measurement is. A nil one tells nothing. Its units are multiplications, roughly.
type meter struct {
	mu          sync.Mutex
	done, total float64
	tell        func(share float64)
}

// newMeter is nil where nobody listens.
func newMeter(total float64, tell func(share float64)) *meter {
	if tell == nil {
		return nil
	}
	return &meter{total: max(total, 1), tell: tell}
}

// add counts work that is done. Safe for concurrent use; the listener is called by one goroutine at a time.
func (m *meter) add(work float64) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += work
	m.tell(min(m.done/m.total, 1))
}

// finish says that all is done, whatever was expected.
func (m *meter) finish() {
	if m != nil {
		m.add(m.total)
	}
}
