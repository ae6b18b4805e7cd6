package main

import (
	"os"
	"strings"
	"testing"
)

// A result that could not be written is a failure.
func TestFullStdout(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	dir := workplace(t)
	for _, args := range [][]string{
		{"--help"},
		{"version"},
		{"version", "--json"},
		{"help", "run"},
		{"arch", "show", sampleConfig},
		{"completion", "bash"},
		{"doctor"},
	} {
		c := program(t, dir, args...)
		c.Stdout = full
		var stderr strings.Builder
		c.Stderr = &stderr
		_ = c.Run() // its exit code is looked at below
		if code := c.ProcessState.ExitCode(); code != exitFull || !strings.Contains(stderr.String(), "no space left") {
			t.Errorf("%v on a full disk: exit code %d, stderr %q", args, code, stderr.String())
		}
	}
}
