package lock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"rkd/datasets/regular"
)

// File is the name of the lock's file in the folder that is held.
const File = "rkd.lock"

var (
	// ErrHeld reports a folder that another process holds.
	ErrHeld = errors.New("the folder is held by another process")
	// ErrUnsupported reports a file system without locks: nothing tells two processes there apart.
	ErrUnsupported = errors.New("the file system has no locks")
)

// Mode says which other holders a lock allows.
type Mode int

const (
	// Exclusive allows no other holder.
	Exclusive Mode = iota
	// Shared allows other shared holders: the tasks of one run, each of which holds a folder of its own exclusively.
	Shared
)

// Owner is the process that holds a folder, as the lock's file names it. Of several shared holders it is the last one
// that came.
type Owner struct {
	PID   int       `json:"pid"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
}

func (o Owner) String() string {
	if o.PID == 0 {
		return "a process that has not named itself"
	}
	return fmt.Sprintf("process %d on %s since %s", o.PID, o.Host, o.Since.Local().Format("2006-01-02 15:04:05"))
}

// Lock is a folder that this process holds.
type Lock struct {
	f    *flock.Flock
	mode Mode
}

// Hold takes hold of dir, which it makes if need be. The hold ends with Release or with the process, however that ends:
// it is an advisory lock of the operating system (flock), which network file systems carry to other hosts: NFS version
// 4, CephFS, GPFS, Lustre when mounted with flock.
//
// Errors wrap ErrHeld, naming the other process, ErrUnsupported, and regular.ErrNotRegular for a lock's file that is a
// pipe, a device or a link.
func Hold(dir string, mode Mode) (*Lock, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making folder %q: %w", dir, err)
	}
	path := filepath.Join(dir, File)
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("holding %q: %w: %q, remove it", dir, regular.ErrNotRegular, path)
	}
	for {
		l := &Lock{f: flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o644)), mode: mode}
		try := l.f.TryLock
		if mode == Shared {
			try = l.f.TryRLock
		}
		ok, err := try()
		switch {
		case errors.Is(err, syscall.ENOSYS), errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.ENOLCK):
			return nil, errors.Join(fmt.Errorf("holding %q: %w (%w)", dir, ErrUnsupported, err), l.f.Close())
		case err != nil:
			return nil, errors.Join(fmt.Errorf("holding %q: %w", dir, err), l.f.Close())
		case !ok:
			return nil, errors.Join(fmt.Errorf("%w: %q by %s", ErrHeld, dir, readOwner(path)), l.f.Close())
		}
		if current, err := l.current(path); err != nil || !current {
			// The holder before has removed the file between our opening and our locking it.
			if err := errors.Join(err, l.f.Close()); err != nil {
				return nil, fmt.Errorf("holding %q: %w", dir, err)
			}
			continue
		}
		if err := l.sign(path); err != nil {
			return nil, errors.Join(fmt.Errorf("holding %q: %w", dir, err), l.Release())
		}
		return l, nil
	}
}

// between is the time between two tries of Wait. Locks that fall free are not announced across hosts.
const between = 250 * time.Millisecond

// Wait is Hold, but waits while another process holds dir; held is told once, with the error of the first try.
func Wait(ctx context.Context, dir string, mode Mode, held func(error)) (*Lock, error) {
	for first := true; ; first = false {
		l, err := Hold(dir, mode)
		if !errors.Is(err, ErrHeld) {
			return l, err
		}
		if first {
			held(err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for %q: %w", dir, ctx.Err())
		case <-time.After(between):
		}
	}
}

// current says whether the file that is locked is still the one that path names.
func (l *Lock) current(path string) (bool, error) {
	locked, err := l.f.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(locked, named), err
}

// sign writes into the lock's file who holds it.
func (l *Lock) sign(path string) error {
	host, err := os.Hostname()
	if err != nil {
		host = "an unnamed host"
	}
	data, err := json.Marshal(Owner{PID: os.Getpid(), Host: host, Since: time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

// readOwner reads who holds a lock. The file is another process's and may be half-written: then the owner is unknown.
func readOwner(path string) (o Owner) {
	data, err := regular.ReadFile(path)
	if err != nil || json.Unmarshal(data, &o) != nil {
		return Owner{}
	}
	return o
}

// Release releases the folder and removes the lock's file, unless another process shares it.
func (l *Lock) Release() error {
	if l.mode == Shared {
		if alone, err := l.f.TryLock(); err != nil || !alone {
			return errors.Join(err, l.f.Close())
		}
	}
	// Removed while it is held: a process that opened it meanwhile notices, see Hold.
	err := os.Remove(l.f.Path())
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, l.f.Close())
}
