package lock

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"rkd/pipeline/storage"
)

// ErrLost reports a lease that another process has taken over, because its holder gave no sign of life.
var ErrLost = errors.New("another process has taken over")

// Times of a lease. Whoever waits compares signs by its own clock alone: clocks of different machines, and one that
// jumps, do not matter.
var (
	signEvery = 20 * time.Second // between two signs of life of the holder
	patience  = 90 * time.Second // without a sign, after which a waiting process takes over
	askEvery  = 2 * time.Second  // between two looks of a waiting process
)

// sign is what the newest object of a lease says.
type sign struct {
	Owner
	Nonce    string `json:"nonce"` // of one hold
	Place    string `json:"place"` // in which PID means this process
	Beat     int    `json:"beat"`
	Released bool   `json:"released"`
}

// Lease is a folder of a bucket that this process holds. Its objects, File/NUMBER.json in the folder, are numbered: who
// creates the next number holds the folder, and a bucket lets exactly one process create it. The highest one is never
// removed.
type Lease struct {
	dir    string
	store  storage.Store
	number int

	mu   sync.Mutex
	sign sign
	lost error
	stop context.CancelFunc
	done chan struct{}
}

// HoldBucket takes hold of a folder of a bucket, at the URL dir. It is refused, as ErrHeld, while another process holds
// the folder, or one above or below it. With wait it waits instead, having told held the first refusal, and takes over
// from a holder that has died: at once from one of this machine, else when it has given no sign of life for a minute
// and a half. ErrUnsupported and errors of the bucket are as they are.
//
// above is the URL of the folder whose holder excludes this one, or empty.
func HoldBucket(ctx context.Context, dir, above string, wait bool, held func(error)) (*Lease, error) {
	l := &Lease{dir: dir, store: storage.At(storage.Join(dir, File)), done: make(chan struct{})}
	seen := observations{}
	for first := true; ; first = false {
		err := l.try(ctx, above, seen)
		if err == nil {
			break
		}
		if !errors.Is(err, ErrHeld) || !wait {
			return nil, err
		}
		if first {
			held(err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for %q: %w", dir, ctx.Err())
		case <-time.After(askEvery):
		}
	}
	alive, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	go l.live(alive)
	return l, nil
}

// observation is when a sign was first seen.
type observation struct {
	sign  sign
	since time.Time
}

type observations map[string]observation

// dead tells whether who gave a sign holds its folder no more.
func (o observations) dead(location string, s sign) bool {
	if s.Released {
		return true
	}
	if here := place(); here != "" && s.Place == here && errors.Is(syscall.Kill(s.PID, 0), syscall.ESRCH) {
		return true
	}
	last, ok := o[location]
	if !ok || last.sign.Nonce != s.Nonce || last.sign.Beat != s.Beat {
		o[location] = observation{s, time.Now()}
		return false
	}
	return time.Since(last.since) > patience
}

// try takes hold of the folder if nobody has it.
func (l *Lease) try(ctx context.Context, above string, seen observations) error {
	newest, err := held(ctx, l.dir, seen)
	if err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "an unnamed host"
	}
	l.number = newest + 1
	l.sign = sign{
		Owner: Owner{PID: os.Getpid(), Host: host, Since: time.Now().UTC().Truncate(time.Second)},
		Nonce: rand.Text(), Place: place(),
	}
	data, err := json.Marshal(l.sign)
	if err != nil {
		return err
	}
	err = l.store.Create(ctx, signName(l.number), storage.Bytes(data))
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %q by a process that was faster", ErrHeld, l.dir)
	}
	if err != nil {
		return fmt.Errorf("holding %q: %w", l.dir, err)
	}
	// Whoever holds a folder above or below looks for us after it has announced itself, as we do for it now.
	err = l.clear(ctx, above, seen)
	if err != nil {
		return errors.Join(err, l.give(ctx))
	}
	return nil
}

// clear makes sure that nobody holds a folder above or below, and that the newest number is ours.
func (l *Lease) clear(ctx context.Context, above string, seen observations) error {
	if above != "" {
		if _, err := held(ctx, above, seen); err != nil {
			return err
		}
	}
	newest, err := numbers(ctx, l.dir)
	if err != nil {
		return fmt.Errorf("holding %q: %w", l.dir, err)
	}
	for dir, number := range newest {
		switch {
		case dir == "" && number != l.number:
			return fmt.Errorf("%w: %q by a process that was faster", ErrHeld, l.dir)
		case dir != "":
			if _, err := held(ctx, storage.Join(l.dir, dir), seen); err != nil {
				return err
			}
		}
	}
	return nil
}

// held returns ErrHeld where somebody holds a folder, else the newest number of its signs, 0 without.
func held(ctx context.Context, dir string, seen observations) (int, error) {
	store := storage.At(storage.Join(dir, File))
	for {
		entries, err := store.List(ctx)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, fmt.Errorf("holding %q: %w", dir, err)
		}
		newest := 0
		for _, e := range entries {
			newest = max(newest, signNumber(e.Name))
		}
		if newest == 0 {
			return 0, nil
		}
		data, err := storage.ReadFile(ctx, store, signName(newest), 1<<16)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a newer one is there
		}
		if err != nil {
			return 0, fmt.Errorf("holding %q: %w", dir, err)
		}
		var s sign
		if err := json.Unmarshal(data, &s); err != nil {
			return 0, fmt.Errorf("%w: %q says %q", ErrHeld, store.Path(signName(newest)), data)
		}
		if !seen.dead(dir, s) {
			return 0, fmt.Errorf("%w: %q by %s; if it has died, --wait takes over after %v", ErrHeld, dir, s.Owner, patience)
		}
		return newest, nil
	}
}

var signPattern = regexp.MustCompile(`^(\d{10})\.json$`)

func signName(number int) string { return fmt.Sprintf("%010d.json", number) }

func signNumber(name string) int {
	m := signPattern.FindStringSubmatch(name)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1]) // ten digits
	return n
}

// numbers returns the newest number of each folder in dir that has been held, by its name in dir.
func numbers(ctx context.Context, dir string) (map[string]int, error) {
	newest := map[string]int{}
	err := storage.Walk(ctx, dir, func(name string) error {
		folder, file := path.Split(name)
		if folder, ok := strings.CutSuffix("/"+folder, "/"+File+"/"); ok {
			folder = strings.TrimPrefix(folder, "/")
			newest[folder] = max(newest[folder], signNumber(file))
		}
		return nil
	})
	return newest, err
}

// live gives signs of life until the lease ends or is lost.
func (l *Lease) live(ctx context.Context) {
	defer close(l.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(signEvery):
		}
		if err := l.Check(ctx); errors.Is(err, ErrLost) {
			return
		}
		// Without a connection the next sign may get through; if none does, others take over.
		l.mu.Lock()
		l.sign.Beat++
		_ = l.write(ctx)
		l.mu.Unlock()
	}
}

func (l *Lease) write(ctx context.Context) error {
	data, err := json.Marshal(l.sign)
	if err != nil {
		return err
	}
	return l.store.Replace(ctx, signName(l.number), storage.Bytes(data))
}

// Check returns ErrLost if another process has taken the folder over. It belongs before whatever is written there.
func (l *Lease) Check(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost != nil {
		return l.lost
	}
	entries, err := l.store.List(ctx)
	if err != nil {
		return fmt.Errorf("holding %q: %w", l.dir, err)
	}
	for _, e := range entries {
		if signNumber(e.Name) > l.number {
			l.lost = fmt.Errorf("%w: %q; this one gave no sign of life for too long", ErrLost, l.dir)
			return l.lost
		}
	}
	return nil
}

// Release gives the folder back.
func (l *Lease) Release(ctx context.Context) error {
	l.stop()
	<-l.done
	if errors.Is(l.Check(ctx), ErrLost) {
		return nil
	}
	return l.give(ctx)
}

// give says that the folder is free, and removes signs of earlier holders.
func (l *Lease) give(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sign.Released = true
	if err := l.write(ctx); err != nil {
		return fmt.Errorf("releasing %q: %w", l.dir, err)
	}
	entries, err := l.store.List(ctx)
	for _, e := range entries {
		if n := signNumber(e.Name); n > 0 && n < l.number {
			err = errors.Join(err, l.store.Remove(ctx, e.Name))
		}
	}
	if err != nil {
		return fmt.Errorf("releasing %q: %w", l.dir, err)
	}
	return nil
}

// place names the start of this machine and the container in which process ids of ours mean something; empty where the
// system does not say.
func place() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	space, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(boot)) + " " + space
}
