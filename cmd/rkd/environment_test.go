package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// A disk that fills up, here a limit on the size of files, ends a stage with the file's name and leaves nothing that is
// half-written.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	for _, test := range []struct{ stage, file string }{
		{"precompute", "shard-00000"}, {"distill", "best-"}, {"export", "student.onnx"},
	} {
		before := listing(t, dir)
		c := program(t, dir, onSample(t, test.stage)...)
		c.Args = append([]string{"sh", "-c", `ulimit -f 50; exec "$0" "$@"`}, append([]string{c.Path}, c.Args[1:]...)...)
		c.Path = "/bin/sh"
		expectSentence(t, finish(t, c), exitFailed, []string{test.file, "file too large"})
		if after := listing(t, dir); after != before {
			t.Errorf("%s: files are\n%s\nwere\n%s", test.stage, after, before)
		}
		must(t, dir, onSample(t, test.stage)...) // and with room again it goes through
	}
}

func TestUnusableLibrary(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	old := oldLibrary(t)
	text := filepath.Join(dir, "text.so")
	write(t, text, []byte("no library"))
	for name, test := range map[string]struct {
		library string
		says    []string
	}{
		"missing":    {filepath.Join(dir, "none.so"), []string{"none.so"}},
		"no library": {text, []string{"text.so"}},
		"too old":    {old, []string{"1.17.3", "1.24"}},
	} {
		r := rkd(t, dir, "precompute", sampleConfig, "--onnxruntime-lib", test.library)
		expectSentence(t, r, exitUnequipped, test.says)
		if _, err := os.Stat(filepath.Join(dir, "runs")); err == nil {
			t.Errorf("%s: a run folder was made", name)
		}
	}
	c := program(t, dir, "precompute", sampleConfig)
	c.Env = append(c.Env, "RKD_CACHE_DIR="+t.TempDir(), "ONNXRUNTIME_LIB=")
	if r := finish(t, c); r.code != exitDone { // a machine may have the library in its system folders
		expectSentence(t, r, exitUnequipped, []string{"make setup", "ONNXRUNTIME_LIB", "--onnxruntime-lib"})
	}
}

// oldLibrary compiles a library that answers as ONNX Runtime 1.17.3 does: it has no newer API.
func oldLibrary(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	source, library := filepath.Join(dir, "old.c"), filepath.Join(dir, "old.so")
	write(t, source, []byte(`
#include <stddef.h>
#include <stdint.h>
typedef struct { const void *(*GetApi)(uint32_t); const char *(*GetVersionString)(void); } Base;
static const void *api(uint32_t version) { return NULL; }
static const char *version(void) { return "1.17.3"; }
static const Base base = { api, version };
const Base *OrtGetApiBase(void) { return &base; }
`))
	if out, err := exec.CommandContext(t.Context(), "cc", "-shared", "-fPIC", "-o", library,
		source).CombinedOutput(); err != nil {
		t.Fatalf("compiling a stand-in library: %v\n%s", err, out)
	}
	return library
}
