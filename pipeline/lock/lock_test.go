package lock

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"rkd/datasets/regular"
)

// TestMain lets the test binary be another process that holds a folder until its standard input ends.
func TestMain(m *testing.M) {
	if dir := os.Getenv("RKD_HOLD"); dir != "" {
		if _, err := Hold(dir, Exclusive); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("held")
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// other starts a process that holds dir, and returns once it does.
func other(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self)
	c.Env = append(os.Environ(), "RKD_HOLD="+dir)
	if _, err := c.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || line != "held\n" {
		t.Fatalf("the other process said %q, %v", line, err)
	}
	return c
}

func hold(t *testing.T, dir string, mode Mode) *Lock {
	t.Helper()
	l, err := Hold(dir, mode)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func release(t *testing.T, l *Lock) {
	t.Helper()
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
}

func TestTheErrorNamesTheHolder(t *testing.T) {
	dir := t.TempDir()
	c := other(t, dir)
	_, err := Hold(dir, Exclusive)
	host, hostErr := os.Hostname()
	if hostErr != nil {
		t.Fatal(hostErr)
	}
	want := fmt.Sprintf("process %d on %s since", c.Process.Pid, host)
	if !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), dir) {
		t.Errorf("got %v, want ErrHeld with %q and the folder", err, want)
	}
}

// What is no regular file in the place of the lock's holds nobody up, and is not written through.
func TestLocksAreRegularFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, File)
	target := filepath.Join(dir, "target")
	for name, place := range map[string]func() error{
		"pipe":   func() error { return syscall.Mkfifo(path, 0o644) },
		"link":   func() error { return os.Symlink(target, path) },
		"folder": func() error { return os.Mkdir(path, 0o755) },
	} {
		if err := place(); err != nil {
			t.Fatal(err)
		}
		if o := readOwner(path); o != (Owner{}) {
			t.Errorf("%s: the owner is %v", name, o)
		}
		if _, err := Hold(dir, Exclusive); !errors.Is(err, regular.ErrNotRegular) {
			t.Errorf("%s: got %v, want ErrNotRegular", name, err)
		}
		if _, err := os.Stat(target); err == nil {
			t.Errorf("%s: it is written through", name)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestALockDiesWithItsProcess(t *testing.T) {
	dir := t.TempDir()
	c := other(t, dir)
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	release(t, hold(t, dir, Exclusive))
}

func TestModes(t *testing.T) {
	for _, test := range []struct {
		first, second Mode
		ok            bool
	}{
		{Exclusive, Exclusive, false},
		{Exclusive, Shared, false},
		{Shared, Exclusive, false},
		{Shared, Shared, true},
	} {
		dir := t.TempDir()
		first := hold(t, dir, test.first)
		second, err := Hold(dir, test.second)
		if ok := err == nil; ok != test.ok || err != nil && !errors.Is(err, ErrHeld) {
			t.Errorf("mode %d after %d: got %v, want success %t", test.second, test.first, err, test.ok)
		}
		release(t, first)
		if second != nil {
			if _, err := Hold(dir, Exclusive); !errors.Is(err, ErrHeld) {
				t.Errorf("one of two shared holders is left: got %v, want ErrHeld", err)
			}
			release(t, second)
		}
		release(t, hold(t, dir, Exclusive))
		if _, err := os.Stat(filepath.Join(dir, File)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the lock's file is left behind: %v", err)
		}
	}
}

func TestWait(t *testing.T) {
	dir := t.TempDir()
	c := other(t, dir)
	var said atomic.Int32
	ctx, cancel := context.WithTimeout(t.Context(), 2*between)
	defer cancel()
	if _, err := Wait(ctx, dir, Exclusive, func(error) { said.Add(1) }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
	if said.Load() != 1 {
		t.Errorf("said %d times that it waits, want once", said.Load())
	}
	time.AfterFunc(between, func() { _ = c.Process.Kill() })
	l, err := Wait(t.Context(), dir, Exclusive, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	release(t, l)
}

// Holders that come and go remove the lock's file: at no time may two hold the folder.
func TestOneAtATime(t *testing.T) {
	dir := t.TempDir()
	var inside, most atomic.Int32
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for held := 0; held < 25; {
				l, err := Hold(dir, Exclusive)
				if errors.Is(err, ErrHeld) {
					runtime.Gosched()
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				held++
				if n := inside.Add(1); n > most.Load() {
					most.Store(n)
				}
				inside.Add(-1)
				if err := l.Release(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if most.Load() != 1 {
		t.Errorf("%d holders at a time, want 1", most.Load())
	}
}
