package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// withoutOverride is set for a program that runs without root's right to write where permissions forbid it.
const withoutOverride = "RKD_WITHOUT_OVERRIDE"

func init() {
	if os.Getenv(withoutOverride) == "" {
		return
	}
	for _, capability := range []uintptr{unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH} {
		// Fails for who has no such right to lose.
		_ = unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0)
	}
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, withoutOverride) })
	// what is left after it takes effect with the next program
	fmt.Fprintln(os.Stderr, syscall.Exec("/proc/self/exe", os.Args, env))
	os.Exit(125)
}

func TestUpToDateRunsNeedNoWriteAccess(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	must(t, dir, shortly("run")...)
	for _, folder := range []string{seed1, "runs/sample/student", "runs/sample/cache", "runs/sample"} {
		folder := filepath.Join(dir, folder)
		if err := os.Chmod(folder, 0o555); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(folder, 0o755) })
	}
	run := func(args ...string) result {
		c := program(t, dir, args...)
		c.Env = append(c.Env, withoutOverride+"=1")
		return finish(t, c)
	}
	if r := run(shortly("run")...); r.code != exitDone || !strings.Contains(r.stderr, "evaluate: up to date") {
		t.Errorf("exit code %d, expected %d:\n%s", r.code, exitDone, r.stderr)
	}
	if r := run(shortly("run", "--restart")...); r.code != exitFailed {
		t.Errorf("a training that cannot be written: exit code %d, expected %d:\n%s", r.code, exitFailed, r.stderr)
	}
}
