package cache

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrNoCache says that a folder holds no finished cache.
	ErrNoCache = errors.New("no cache")
	// ErrCorrupt says that a file of a cache is missing or is not what was written.
	ErrCorrupt = errors.New("corrupt cache")
	// ErrMismatch says that a cache was made from something else than what is asked of it; see MismatchError.
	ErrMismatch = errors.New("cache does not match")
	// ErrPlan says that a plan contradicts itself.
	ErrPlan = errors.New("invalid cache plan")
	// ErrRows says that rows handed to a writer do not fit its plan or are not finite.
	ErrRows = errors.New("invalid rows")
	// ErrNoPlan says that a folder has no plan whose tasks could be done.
	ErrNoPlan = errors.New("no plan")
	// ErrTask says that a plan has no task of an index.
	ErrTask = errors.New("no such task")
	// ErrIncomplete says that a cache cannot be committed because shards are missing.
	ErrIncomplete = errors.New("incomplete cache")
)

// Difference is one field in which what was found differs from what was expected.
type Difference struct {
	Field string // name in the JSON form
	Have  string // found in the cache
	Want  string // expected
}

// String returns the difference as a clause; hashes are cut to 12 digits.
func (d Difference) String() string {
	return fmt.Sprintf("%s is %s, expected %s", d.Field, brief(d.Have), brief(d.Want))
}

// MismatchError refuses a cache that belongs to another key, or that was laid out by another plan. It is an
// ErrMismatch.
type MismatchError struct {
	Dir         string
	Differences []Difference // at least one
}

func (e *MismatchError) Error() string {
	clauses := make([]string, len(e.Differences))
	for i, d := range e.Differences {
		clauses[i] = d.String()
	}
	return fmt.Sprintf("cache %q belongs to another run: %s", e.Dir, strings.Join(clauses, "; "))
}

// Unwrap makes errors.Is(err, ErrMismatch) true.
func (e *MismatchError) Unwrap() error { return ErrMismatch }

// brief shortens a SHA-256 to the digits that a person compares, and makes an empty value visible.
func brief(value string) string {
	switch {
	case value == "":
		return "none"
	case isDigest(value):
		return value[:12] + "…"
	}
	return value
}

// isDigest tells whether s is a SHA-256 in lower-case hexadecimal.
func isDigest(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}
