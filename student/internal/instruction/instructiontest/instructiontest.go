// Package instructiontest holds tests of assembly to account: each function has a test, and the log says with which
// instructions it was proved.
package instructiontest

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"rkd/student/internal/instruction"
)

var function = regexp.MustCompile(`(?m)^TEXT ·(\w+)\(SB\)`)

// Kernels runs the test of every function in the assembly of the package under test, if the processor has the
// instructions that they need. It fails for a function without a test, on any processor. Without the instructions the
// log says that only the portable forms are proved.
func Kernels(t *testing.T, needs instruction.Set, tests map[string]func(t *testing.T)) {
	t.Helper()
	files, err := filepath.Glob("*.s")
	if err != nil || len(files) == 0 {
		t.Fatalf("no assembly here: %v", err)
	}
	functions := 0
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range function.FindAllSubmatch(source, -1) {
			functions++
			if tests[string(m[1])] == nil {
				t.Errorf("%s: %s has no test", file, m[1])
			}
		}
	}
	if functions != len(tests) {
		t.Errorf("%d tests for %d functions in assembly", len(tests), functions)
	}
	best := instruction.Best()
	if best < needs {
		t.Logf("not proved: %d kernels that need %v; this run computes with %v, proved by the other tests",
			functions, needs, best)
		return
	}
	for name, test := range tests {
		t.Run(name, test)
	}
	t.Logf("proved: %d kernels that need %v", functions, needs)
}
