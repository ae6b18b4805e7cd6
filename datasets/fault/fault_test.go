package fault_test

import (
	"errors"
	"strings"
	"testing"

	"rkd/datasets/fault"
)

func TestGuardMakesErrorsOfPanics(t *testing.T) {
	cause := errors.New("cause")
	err := fault.Guard(func() error { panic(cause) })()
	if !errors.Is(err, cause) || !strings.Contains(err.Error(), "fault_test.go:") {
		t.Errorf("got %v, want the cause and its place", err)
	}
	again := fault.Guard(func() error { panic(err) })()
	if again != err { //nolint:errorlint // the very same
		t.Errorf("a fault that is passed on becomes %v", again)
	}
	var numbers []int
	if err := fault.Guard(func() error { _ = numbers[len(numbers)]; return nil })(); err == nil {
		t.Error("an index out of range is no error")
	}
	if err := fault.Guard(func() error { return cause })(); err != cause { //nolint:errorlint // the very same
		t.Errorf("got %v, want what the function returns", err)
	}
	if fault.Recovered(nil) != nil {
		t.Error("no panic is a fault")
	}
}
