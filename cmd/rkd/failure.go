package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
)

// failure is what the program says about the error that ended it: a sentence for people, or with --json one line of
// JSON. Both go to stderr and are the last thing there, so that stdout holds results alone.
type failure struct {
	// Code is the exit code.
	Code    int    `json:"code"`
	Message string `json:"message"`
	// Field is the configuration key, flag, argument or file that is wrong, where it is known.
	Field string `json:"field,omitempty"`
	// Hint says what to do where Message does not.
	Hint string `json:"hint,omitempty"`
}

// newFailure describes err. Errors that name the field they are about have a method Field() string, those that know
// what to do have a method Hint() string.
func newFailure(ctx context.Context, err error) failure {
	code, hint := exitCode(ctx, err)
	f := failure{Code: code, Message: oneLine(err), Hint: hint}
	var fielder interface{ Field() string }
	var path *fs.PathError
	switch {
	case errors.As(err, &fielder):
		f.Field = fielder.Field()
	case (code == exitUsage || code == exitInput) && errors.As(err, &path):
		f.Field = path.Path
	}
	var hinter interface{ Hint() string }
	if errors.As(err, &hinter) && hinter.Hint() != "" {
		f.Hint = hinter.Hint()
	}
	return f
}

// print writes the failure: "rkd: MESSAGE" and the hint on a line of its own, or JSON.
func (f failure) print(w io.Writer, asJSON bool) {
	if asJSON {
		_ = json.NewEncoder(w).Encode(f) // an error of writing an error has nowhere to go
		return
	}
	fmt.Fprintf(w, "rkd: %s\n", f.Message)
	if f.Hint != "" {
		fmt.Fprintf(w, "     %s\n", f.Hint)
	}
}

// stopped says where an interruption has ended a run that was at a position, and what to do. Errors that came with it
// are told, too.
func stopped(err error, at position) (message, hint string) {
	message = strings.TrimSuffix(oneLine(err), ": "+context.Canceled.Error())
	if !strings.Contains(message, "stopped after") {
		others := message
		message = "stopped"
		if at.stage != "" {
			message = fmt.Sprintf("%s: stopped after %d of %d %s", at.stage, at.done, at.total, at.unit)
		}
		if !onlyCanceled(err) {
			message += ": " + others
		}
	}
	if at.again != "" {
		return message, at.again
	}
	return message, "the same command starts again"
}

// goesOn is what the same command does after an interruption, where it leaves alone what is finished.
const goesOn = "the same command goes on"

// goOn is goesOn for commands that train.
func (o *trainingOptions) goOn() string {
	if o.Restart {
		return "the same command without --restart goes on"
	}
	return goesOn
}

// onlyCanceled says whether nothing but the end of a context is behind err.
func onlyCanceled(err error) bool {
	switch e := err.(type) { //nolint:errorlint // walks the tree of errors itself
	case interface{ Unwrap() []error }:
		return !slices.ContainsFunc(e.Unwrap(), func(err error) bool { return !onlyCanceled(err) })
	case interface{ Unwrap() error }:
		return onlyCanceled(e.Unwrap())
	}
	return errors.Is(err, context.Canceled)
}

// usageError is a mistake in the command line.
type usageError struct {
	message string
	field   string // the flag, argument or command that is wrong
	hint    string
}

// Error says what is wrong.
func (e *usageError) Error() string { return e.message }

// Field is the flag, argument or command that is wrong.
func (e *usageError) Field() string { return e.field }

// Hint says what would be right.
func (e *usageError) Hint() string { return e.hint }

// usage makes a usageError about a field.
func usage(field, format string, args ...any) error {
	return &usageError{message: fmt.Sprintf(format, args...), field: field}
}
