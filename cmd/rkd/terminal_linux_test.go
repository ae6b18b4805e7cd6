package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// onTerminal runs the program with a terminal for stderr and returns all that was written to it.
func onTerminal(t *testing.T, dir string, environment []string, args ...string) string {
	t.Helper()
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	number, err := unix.IoctlGetInt(int(terminal.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(terminal.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	program := program(t, dir, args...)
	other, err := os.OpenFile(filepath.Join("/dev/pts", fmt.Sprint(number)), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	program.Env, program.Stderr, program.Stdout = append(program.Env, environment...), other, io.Discard
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	_ = other.Close()
	written, _ := io.ReadAll(terminal) // which ends with an error where the program has
	if err := program.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, written)
	}
	return string(written)
}

// On a terminal a bar moves in each stage, metrics included; colours there are none, with NO_COLOR or without.
// Elsewhere there are plain lines, without any control character.
func TestProgressOnATerminal(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	colour := regexp.MustCompile(`\x1b\[[0-9;]*m`)
	shown := onTerminal(t, dir, []string{"TERM=xterm-256color"}, onSample(t, "run", "train.steps_per_epoch=100",
		"data.test={source: mnist, split: test, limit: 2000}")...) // long enough for a bar, which is drawn ten times a second
	for _, stage := range []string{"distill student seed 1", "evaluate"} {
		moves := regexp.MustCompile(regexp.QuoteMeta(stage)+` +(\d+)%`).FindAllStringSubmatch(shown, -1)
		places := map[string]bool{}
		for _, m := range moves {
			places[m[1]] = true
		}
		if len(places) < 2 {
			t.Errorf("the bar of %s does not move: %q", stage, moves)
		}
	}
	if found := colour.FindString(shown); found != "" || !strings.Contains(shown, "\x1b[") {
		t.Errorf("there is a colour, %q, or no bar", found)
	}
	if again := onTerminal(t, dir, []string{"TERM=xterm-256color", "NO_COLOR=1"}, onSample(t, "run",
		"name=plain")...); colour.MatchString(again) {
		t.Errorf("with NO_COLOR there is a colour: %q", again)
	}
	r := must(t, dir, onSample(t, "run", "name=lines")...)
	if strings.ContainsAny(r.stdout+r.stderr, "\x1b\r") || !strings.Contains(r.stderr, "evaluate: 0 of ") {
		t.Errorf("without a terminal:\n%q", r.stderr)
	}
}
