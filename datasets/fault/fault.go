// Package fault turns panics into errors: a panic in a goroutine of its own ends the process with a trace that says
// nothing to whoever uses it.
package fault

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"

	"rkd/datasets/memory"
)

// Error is a fault of the program, met as a panic.
type Error struct {
	Value any
	// At is where the panic began, FILE:LINE.
	At string
}

// Error names the fault and its place.
func (e *Error) Error() string {
	return fmt.Sprintf("a fault of the program at %s: %v", e.At, e.Value)
}

// Unwrap is the error that the panic was called with, if it was one.
func (e *Error) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Hint says what to do about it.
func (*Error) Hint() string { return "please report it" }

// Recovered makes an error of what recover has returned, nil of nil. Memory that was refused is no fault of the
// program, and what has been recovered from in another goroutine keeps its place.
func Recovered(value any) error {
	if value == nil {
		return nil
	}
	if err, ok := value.(error); ok {
		var earlier *Error
		if errors.Is(err, memory.ErrShort) || errors.As(err, &earlier) {
			return err
		}
	}
	return &Error{Value: value, At: place()}
}

// Guard is f with its panics as errors, for a goroutine of its own.
func Guard(f func() error) func() error {
	return func() (err error) {
		defer func() {
			if fault := Recovered(recover()); fault != nil {
				err = fault
			}
		}()
		return f()
	}
}

// place says where a panic that is being recovered from began.
func place() string {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs)])
	panicking := false
	for {
		f, more := frames.Next()
		if panicking && !strings.HasPrefix(f.Function, "runtime.") {
			return fmt.Sprintf("%s:%d", filepath.Base(f.File), f.Line)
		}
		panicking = panicking || f.Function == "runtime.gopanic"
		if !more {
			return "an unknown place"
		}
	}
}
