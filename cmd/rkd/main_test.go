package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain lets the test binary be the program: tests run it as a user would, in a process of its own.
func TestMain(m *testing.M) {
	switch os.Getenv("RKD_BE_THE_PROGRAM") {
	case "":
	case "stuck": // a program that does not heed the first signal
		os.Exit(untilSignal(func(ctx context.Context) int {
			fmt.Println("running")
			<-ctx.Done()
			fmt.Println("stopping")
			select {}
		}))
	default:
		main()
	}
	os.Exit(m.Run())
}

// result is what a run of the program left.
type result struct {
	stdout, stderr string
	code           int
}

// program prepares a run of rkd in folder dir; cancelling the test's context kills it.
func program(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "RKD_BE_THE_PROGRAM=1")
	return c
}

// rkd runs the program.
func rkd(t *testing.T, dir string, args ...string) result {
	t.Helper()
	return finish(t, program(t, dir, args...))
}

func finish(t *testing.T, c *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), c.ProcessState.ExitCode()}
}

// must runs the program and expects exit code 0.
func must(t *testing.T, dir string, args ...string) result {
	t.Helper()
	r := rkd(t, dir, args...)
	if r.code != exitDone {
		t.Fatalf("rkd %s: exit code %d\n%s", strings.Join(args, " "), r.code, r.stderr)
	}
	return r
}

// workplace is a fresh folder with the project's examples and models in it.
func workplace(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"examples", "models"} {
		source, err := filepath.Abs(filepath.Join("..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(source, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// sampleConfig is the configuration that most tests run.
const sampleConfig = "examples/sample.yaml"
