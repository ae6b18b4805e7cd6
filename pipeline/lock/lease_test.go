package lock

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rkd/pipeline/storage"
	"rkd/pipeline/storage/storagetest"
)

func lease(t *testing.T, dir, above string) *Lease {
	t.Helper()
	l, err := HoldBucket(t.Context(), dir, above, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func releaseLease(t *testing.T, l *Lease) {
	t.Helper()
	if err := l.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func refusedLease(t *testing.T, dir, above string) {
	t.Helper()
	_, err := HoldBucket(t.Context(), dir, above, false, nil)
	if !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), dir[:10]) {
		t.Errorf("%v, want ErrHeld", err)
	}
}

func TestLeases(t *testing.T) {
	const run, task, other = "mem://leases/run", "mem://leases/run/a/seed-1", "mem://leases/run/a/seed-2"
	first := lease(t, task, run)
	refusedLease(t, task, run)
	refusedLease(t, run, "") // a task of it is held
	second := lease(t, other, run)
	releaseLease(t, first)
	refusedLease(t, run, "")
	releaseLease(t, second)
	whole := lease(t, run, "")
	refusedLease(t, task, run)
	releaseLease(t, whole)
	releaseLease(t, lease(t, task, run))
}

// Of eight that come and go, one holds the folder at a time.
func TestLeasesRace(t *testing.T) {
	var inside, most, held atomic.Int32
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 20 {
				l, err := HoldBucket(t.Context(), "mem://race/run", "", false, nil)
				if errors.Is(err, ErrHeld) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				held.Add(1)
				if n := inside.Add(1); n > most.Load() {
					most.Store(n)
				}
				inside.Add(-1)
				if err := l.Release(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if most.Load() != 1 || held.Load() < 8 {
		t.Errorf("%d holders at a time and %d in all", most.Load(), held.Load())
	}
}

// quick makes leases expire soon.
func quick(t *testing.T) {
	every, patient, ask := signEvery, patience, askEvery
	t.Cleanup(func() { signEvery, patience, askEvery = every, patient, ask })
	signEvery, patience, askEvery = time.Hour, 50*time.Millisecond, 10*time.Millisecond
}

func TestTakingOver(t *testing.T) {
	quick(t)
	const run = "mem://expire/run"
	old := lease(t, run, "")
	said := 0
	l, err := HoldBucket(t.Context(), run, "", true, func(err error) {
		said++
		if !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), "process ") {
			t.Errorf("said %v", err)
		}
	})
	if err != nil || said != 1 {
		t.Fatalf("%v, said %d times", err, said)
	}
	if err := old.Check(t.Context()); !errors.Is(err, ErrLost) {
		t.Errorf("the old holder: %v, want ErrLost", err)
	}
	releaseLease(t, old) // does not disturb the new one
	if err := l.Check(t.Context()); err != nil {
		t.Error(err)
	}
	releaseLease(t, l)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := HoldBucket(ctx, run, "", true, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the context's error", err)
	}
}

// A holder of this machine whose process is gone is not waited for.
func TestTakingOverFromTheDead(t *testing.T) {
	if place() == "" {
		t.Log("this system does not say which process ids mean what: holders are waited for")
		return
	}
	const run = "mem://dead/run"
	dead := sign{Owner: Owner{PID: 1 << 30, Host: "here"}, Nonce: "x", Place: place()}
	put := func(s sign) {
		t.Helper()
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		storagetest.Bucket("mem://dead").Put("run/"+File+"/"+signName(7), string(data))
	}
	put(dead)
	l := lease(t, run, "")
	if l.number != 8 {
		t.Errorf("number %d, want 8", l.number)
	}
	releaseLease(t, l)
	alive := dead
	alive.PID = os.Getpid()
	alive.Place = "elsewhere"
	put(alive)
	for _, key := range storagetest.Bucket("mem://dead").Keys() {
		if strings.HasSuffix(key, signName(8)) {
			if err := storage.RemoveAll(t.Context(), run); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(alive)
	refusedLease(t, run, "")
}

// A sign that was given by a clock in another century is treated as one of now: whoever waits goes by its own clock.
func TestClocksThatJump(t *testing.T) {
	quick(t)
	for year, run := range map[int]string{1970: "mem://past/run", 2199: "mem://future/run"} {
		data, err := json.Marshal(sign{
			Owner: Owner{PID: 1, Host: "elsewhere", Since: time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)},
			Nonce: "its", Place: "another machine",
		})
		if err == nil {
			err = storage.At(run+"/"+File).Create(t.Context(), signName(1), storage.Bytes(data))
		}
		if err != nil {
			t.Fatal(err)
		}
		refusedLease(t, run, "")
		began := time.Now()
		l, err := HoldBucket(t.Context(), run, "", true, func(error) {})
		if err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited < patience {
			t.Errorf("%d: taken over after %v, expected %v without a sign", year, waited, patience)
		}
		releaseLease(t, l)
	}
}
