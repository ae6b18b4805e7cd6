package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A second signal ends the process at once, whatever it is doing.
func TestSecondSignalEndsTheProcess(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		c := program(t, t.TempDir())
		c.Env = append(os.Environ(), "RKD_BE_THE_PROGRAM=stuck")
		pipe, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(pipe)
		for _, want := range []string{"running", "stopping"} {
			if !lines.Scan() || lines.Text() != want {
				t.Fatalf("the program says %q, expected %q", lines.Text(), want)
			}
			time.Sleep(50 * time.Millisecond) // the first signal gives signals back right after it ends the context
			if err := c.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
		}
		_ = c.Wait() // an exit by a signal is expected
		if status := c.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != signal {
			t.Errorf("%v: the process ends as %v, expected by the signal", signal, c.ProcessState)
		}
	}
}

// What is said of an interruption is where it was, and what to do; not how the program was told.
func TestInterruptedRunSaysWhereItStopped(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	must(t, dir, "precompute", sampleConfig)
	for name, args := range map[string][]string{
		"distill": {"train.epochs=100000", "dir=distilled", "cache.dir=" + filepath.Join(dir, "runs/sample/cache")},
		"run":     {"cache.views=10000", "data.augment.shift=1", "dir=run"},
	} {
		for _, json := range []bool{false, true} {
			c := program(t, dir, onSample(t, name, args...)...)
			if json {
				c.Args = append(c.Args, "--json", "--quiet")
			}
			var stderr bytes.Buffer
			c.Stderr = &stderr
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
			if err := c.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			_ = c.Wait() // exit code 130 is expected
			said := stderr.String()
			// On a machine that is busy with other things it may be interrupted before its first stage.
			early := strings.Contains(said, `"message":"stopped"`) || strings.Contains(said, "rkd: stopped\n")
			if c.ProcessState.ExitCode() != exitInterrupted || strings.Contains(said, "context") ||
				!early && !strings.Contains(said, "stopped after") ||
				!strings.Contains(said, "the same command goes on") || strings.Contains(said, " left\nrkd:") {
				t.Errorf("%s: %v, stderr\n%s", name, c.ProcessState, said)
			}
		}
	}
}

func TestStoppedTellsOtherErrors(t *testing.T) {
	at := position{stage: "precompute", unit: "images", done: 3, total: 8, again: goesOn}
	full := errors.New("disk full")
	for want, err := range map[string]error{
		"precompute: stopped after 3 of 8 images": fmt.Errorf("filling shard 1: %w", context.Canceled),
		"precompute: stopped after 3 of 8 images: disk full filling shard": errors.Join(full,
			fmt.Errorf("filling shard: %w", context.Canceled)),
		`student seed 1: stopped after step 7, checkpoint in "x"`: fmt.Errorf(
			"student seed 1: stopped after step 7, checkpoint in %q: %w", "x", context.Canceled),
	} {
		if got, hint := stopped(err, at); got != want || hint != goesOn {
			t.Errorf("%v is told as %q, expected %q", err, got, want)
		}
	}
	if got, hint := stopped(context.Canceled, position{}); got != "stopped" || hint != "the same command starts again" {
		t.Errorf("an interruption before any stage is told as %q, with %q", got, hint)
	}
}

// What an interruption is told with is true of the command: one that keeps nothing starts again.
func TestInterruptedCommandSaysWhatItDoesAgain(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	for command, want := range map[string]string{
		"run": goesOn, "precompute": goesOn, "distill": goesOn, "export": goesOn, "eval": "the same command starts again",
		"run --restart": "the same command without --restart goes on",
	} {
		args := append([]string{"rkd"}, strings.Fields(command)...)
		args = append(args, filepath.Join(dir, sampleConfig), "--set", "dir="+t.TempDir())
		var stderr bytes.Buffer
		code := run(interrupted, args, io.Discard, &stderr)
		if said := stderr.String(); code != exitInterrupted || !strings.HasSuffix(said, "     "+want+"\n") {
			t.Errorf("%s: exit code %d, stderr\n%s", command, code, said)
		}
	}
}

// A fault of the program is one sentence and exit code 1.
func TestFaultIsOneSentence(t *testing.T) {
	var stderr bytes.Buffer
	code := run(t.Context(), []string{"rkd", "version"}, faulty{}, &stderr)
	if code != exitFailed || strings.Count(stderr.String(), "\n") != 2 || strings.Contains(stderr.String(), "goroutine") ||
		!strings.HasPrefix(stderr.String(), "rkd: a fault of the program at signal_test.go:") {
		t.Errorf("exit code %d, stderr\n%s", code, stderr.String())
	}
}

// faulty is an output that panics.
type faulty struct{}

func (faulty) Write([]byte) (int, error) { panic("out of order") }

// A line of progress says how far a stage got where it did not end.
func TestProgressLineOfAStageThatStopped(t *testing.T) {
	var out bytes.Buffer
	var at position
	p := newProgress(&out, false, &at)
	p.Start("distill", "steps", 2, 10)
	p.Add(3)
	p.Finish()
	if !strings.HasSuffix(out.String(), "distill: stopped after 5 of 10 steps\n") ||
		at != (position{stage: "distill", unit: "steps", done: 5, total: 10}) {
		t.Errorf("progress says\n%s, position %+v", out.String(), at)
	}
}
