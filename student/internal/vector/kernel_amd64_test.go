package vector

import (
	"math/rand/v2"
	"strings"
	"testing"

	"rkd/student/internal/instruction"
	"rkd/student/internal/instruction/instructiontest"
)

// Each function in assembly gives the bits of its form in Go.
func TestKernels(t *testing.T) {
	tests := map[string]func(t *testing.T){
		"halveAVX2":     TestHalvesGiveTheSameInBothForms,
		"halveGradAVX2": TestHalvesGiveTheSameInBothForms,
		"adamAVX2":      TestAdamIsItsFormulaBitByBit,
	}
	assembly := func(name string) string {
		if rest, ok := strings.CutPrefix(name, "ReLU"); ok {
			return "relu" + rest + "AVX2"
		}
		return strings.ToLower(name[:1]) + name[1:] + "AVX2"
	}
	rng := rand.New(rand.NewPCG(9, 10))
	x, g := row(rng, 77), row(rng, 77)
	for name, form := range sums() {
		tests[assembly(name)] = func(t *testing.T) { expectSame(t, name, form[0](x, g), form[1](x, g)) }
	}
	for name, form := range maps() {
		if strings.Contains(name, " ") { // a second case of a function
			continue
		}
		tests[assembly(name)] = func(t *testing.T) {
			got, want := make([]float32, len(x)), make([]float32, len(x))
			form[0](got, x, g)
			form[1](want, x, g)
			expectSame(t, name, got, want)
		}
	}
	instructiontest.Kernels(t, instruction.AVX2, tests)
}
