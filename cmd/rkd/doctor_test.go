package main

import (
	"strings"
	"testing"
)

// rkd doctor CONFIG says what an experiment needs, all faults at once.
func TestDoctorLooksAtAnExperiment(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	r := must(t, dir, "doctor", sampleConfig)
	for _, part := range []string{
		"data.train", "250 samples", "128 numbers", "student", "not complete",
		"engines, batches and metrics",
	} {
		if !strings.Contains(r.stdout, part) || strings.Contains(r.stdout, "FAULT") {
			t.Errorf("it does not say %q:\n%s", part, r.stdout)
		}
	}
	r = rkd(t, dir, "doctor", sampleConfig, "--set", "teacher.output=nothing", "--set", "data.test.classes=[none]")
	if r.code != exitUsage || strings.Count(r.stdout, "FAULT") != 2 || !strings.Contains(r.stderr, "nothing") {
		t.Errorf("exit code %d, expected %d and two faults:\n%s%s", r.code, exitUsage, r.stdout, r.stderr)
	}
}
