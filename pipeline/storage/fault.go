package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"
)

var (
	// ErrRefused reports a bucket that does not exist, or that does not permit what is needed: another try would fail in
	// the same way.
	ErrRefused = errors.New("the bucket refuses")
	// ErrFull reports a quota that is used up.
	ErrFull = errors.New("the bucket's quota is used up")
	// ErrUnreachable reports requests that failed on every try, for example because the connection was lost.
	ErrUnreachable = errors.New("the bucket cannot be reached")
)

// IsOutage tells whether err is about the storage itself, not about what is stored in it.
func IsOutage(err error) bool {
	return errors.Is(err, ErrRefused) || errors.Is(err, ErrFull) || errors.Is(err, ErrUnreachable) ||
		errors.Is(err, ErrLocation)
}

// Reason is why a request failed, in terms that all services share.
type Reason int

// Reasons. Other is anything else, a lost connection among it.
const (
	Other   Reason = iota
	Missing        // no such object
	Taken          // it was to be created, and is there
	Refused        // permission, or a request that makes no sense
)

// Fault is the error of a request to a bucket.
type Fault struct {
	Reason  Reason
	Status  int    // of HTTP; 0 where there was no answer
	Code    string // of the service
	Message string
	Err     error // of the client
}

func (f *Fault) Error() string {
	if f.Status == 0 {
		return oneLine(f.Err)
	}
	out := fmt.Sprintf("status %d", f.Status)
	if f.Code != "" {
		out += " " + f.Code
	}
	if f.Message != "" {
		out += ": " + strings.TrimRight(strings.Join(strings.Fields(f.Message), " "), ".")
	}
	return out
}

func (f *Fault) Unwrap() error { return f.Err }

// Codes of services that say that there is no bucket.
var noBucket = []string{"NoSuchBucket", "ContainerNotFound"}

// kind is what follows from a failed request.
type kind int

const (
	temporary kind = iota // worth another try
	missing
	taken
	refused
	full
	stopped // by the caller
)

func kindOf(ctx context.Context, err error) kind {
	f, ok := errors.AsType[*Fault](err)
	if !ok {
		f = &Fault{Err: err}
	}
	code := strings.ToLower(f.Code)
	switch {
	case ctx.Err() != nil:
		return stopped
	case f.Status == http.StatusInsufficientStorage, strings.Contains(code, "quota"), strings.Contains(code,
		"storagefull"),
		strings.Contains(code, "insufficientstorage"):
		return full
	case slices.Contains(noBucket, f.Code), f.Status == http.StatusUnauthorized, f.Status == http.StatusForbidden:
		return refused
	case f.Reason == Missing:
		return missing
	case f.Reason == Taken:
		return taken
	case f.Reason == Refused:
		return refused
	case f.Status == 0 && strings.Contains(err.Error(), "credential"):
		return refused
	case f.Status < 400, f.Status >= 500 && f.Status != http.StatusNotImplemented, f.Status == http.StatusTooManyRequests,
		f.Status == http.StatusRequestTimeout, f.Status == http.StatusConflict:
		return temporary
	}
	return refused
}

// explain says in one sentence what a failed request means.
func explain(ctx context.Context, err error) error {
	if err == nil || IsOutage(err) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) {
		return err
	}
	f, ok := errors.AsType[*Fault](err)
	if !ok {
		f = &Fault{Err: err}
	}
	switch kindOf(ctx, err) {
	case stopped:
		return context.Cause(ctx)
	case missing:
		return fs.ErrNotExist
	case taken:
		return fs.ErrExist
	case full:
		return fmt.Errorf("%w (%w)", ErrFull, f)
	case temporary:
		return fmt.Errorf("%w (%w)", ErrUnreachable, f)
	}
	why := ""
	switch {
	case slices.Contains(noBucket, f.Code):
		why = ": there is no such bucket"
	case f.Status == http.StatusUnauthorized, f.Status == http.StatusForbidden:
		why = ": no permission"
	case f.Status == 0 && strings.Contains(err.Error(), "credential"):
		why = ": there are no credentials for it"
	}
	return fmt.Errorf("%w%s (%w)", ErrRefused, why, f)
}

// oneLine is an error's text without line breaks.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// policy says how often a request is tried, and how long to wait in between: a random time that doubles.
type policy struct {
	tries       int
	first, most time.Duration
}

// retrying lasts about half a minute; the clients of the clouds have retries of their own below it.
var retrying = policy{tries: 7, first: 250 * time.Millisecond, most: 10 * time.Second}

// retry calls request until it succeeds, fails for good or has failed too often.
func retry(ctx context.Context, request func() error) error {
	wait := retrying.first
	for try := 1; ; try++ {
		err := request()
		if err == nil || try == retrying.tries || kindOf(ctx, err) != temporary {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Duration(rand.Int64N(int64(wait) + 1))):
		}
		wait = min(2*wait, retrying.most)
	}
}
