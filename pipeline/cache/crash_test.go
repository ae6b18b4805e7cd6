package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"rkd/pipeline/storage"
)

// The environment that turns the test binary into a writer that can be killed.
const (
	crashDir   = "RKD_CACHE_TEST_DIR"
	crashDelay = "RKD_CACHE_TEST_DELAY" // nanoseconds that each write of 512 bytes takes
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		if err := writeSlowly(context.Background(), dir, os.Getenv(crashDelay)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func crashPlan() Plan { return testPlan(120, 1, 20, 64, 0) }

// slowFile spends time inside a file, so that a kill finds it half written.
type slowFile struct {
	storage.TempFile
	delay time.Duration
}

func (f slowFile) Write(p []byte) (n int, err error) {
	for chunk := range slices.Chunk(p, 512) {
		time.Sleep(f.delay)
		k, err := f.TempFile.Write(chunk)
		n += k
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func slow(w *Writer, delay time.Duration) {
	hooks(w).CreateFile = func(path string) (storage.TempFile, error) {
		f, err := storage.CreateFile(path)
		return slowFile{f, delay}, err
	}
}

func writeSlowly(ctx context.Context, dir, delay string) error {
	nanos, err := strconv.Atoi(delay)
	if err != nil {
		return err
	}
	plan := crashPlan()
	w, err := Create(ctx, dir, plan)
	if err != nil {
		return err
	}
	slow(w, time.Duration(nanos))
	for _, i := range w.Missing() {
		if err := w.WriteShard(ctx, i, embed(w.Rows(i), plan.Dim, plan.LogitsDim)); err != nil {
			return err
		}
	}
	_, err = w.Commit(ctx)
	return err
}

// killAtWork kills a process when it is seen to write a file of a folder.
func killAtWork(dir string, p *os.Process, stop <-chan struct{}) {
	before := map[string]bool{}
	for first := true; ; first = false {
		entries, _ := os.ReadDir(dir) // there is no folder at first
		for _, e := range entries {
			if first {
				before[e.Name()] = true
			} else if storage.IsTemporary(e.Name()) && !before[e.Name()] {
				_ = p.Kill()
				return
			}
		}
		select {
		case <-stop:
			return
		case <-time.After(200 * time.Microsecond):
		}
	}
}

func TestKilledWriterResumesToTheSameBytes(t *testing.T) {
	want := contents(t, build(t, crashPlan()))
	dir := t.TempDir()
	// run lets a writer work. It kills it after a time, or with atWork when it is seen to write a file.
	run := func(patience time.Duration, atWork bool) (killed bool) {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), crashDir+"="+dir, crashDelay+"=200000")
		var stderr strings.Builder
		cmd.Stderr = &stderr
		must(t, cmd.Start())
		if patience > 0 {
			timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
			defer timer.Stop()
		}
		if atWork {
			stop := make(chan struct{})
			defer close(stop)
			go func() { killAtWork(dir, cmd.Process, stop) }()
		}
		err := cmd.Wait()
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() && (patience > 0 || atWork) {
				return true
			}
		}
		if err != nil {
			t.Fatalf("%v: %s", err, &stderr)
		}
		return false
	}
	kills, halves := 0, 0
	for i := range 12 {
		// Patience grows from before the first shard to the middle of the second one, on a machine that is not busy.
		patience, atWork := time.Duration(10+i*7)*time.Millisecond, i%2 == 1
		if atWork {
			patience = 0
		}
		if !run(patience, atWork) {
			break
		}
		kills++
		for name := range contents(t, dir) {
			if storage.IsTemporary(name) {
				halves++
			}
		}
		if _, err := Open(t.Context(), dir); err == nil {
			break // the kill came after the manifest
		} else if !errors.Is(err, ErrNoCache) {
			t.Fatalf("Open after kill %d: %v, want ErrNoCache", i, err)
		}
	}
	if kills < 3 {
		t.Fatalf("killed %d times, expected at least 3", kills)
	}
	if halves == 0 {
		t.Error("no kill hit a file that was being written")
	}
	run(0, false)
	sameFiles(t, contents(t, dir), want)
	must(t, Verify(t.Context(), dir))
}
