package datasets

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// Ledger accounts for what a source has: Found = Taken + Duplicates + all of Ignored + all of LeftOut.
type Ledger struct {
	Found int `json:"found"` // files of a folder, rows of a table, samples of an archive
	Taken int `json:"taken"` // samples of the data set
	// Duplicates are samples that on_duplicate: drop has left out.
	Duplicates int `json:"duplicates"`
	// Ignored are files that are no samples, by their extension; "hidden" are those whose names begin with a dot.
	Ignored map[string]int `json:"ignored,omitempty"`
	// LeftOut are samples that the configuration leaves out, by the key that does.
	LeftOut map[string]int `json:"left_out,omitempty"`
}

// Balance returns ErrFormat where the totals do not add up: samples were lost, which is a fault of the program.
func (l Ledger) Balance() error {
	if sum := l.Taken + l.Duplicates + total(l.Ignored) + total(l.LeftOut); sum != l.Found {
		return fmt.Errorf("%w: the source has %d samples and files, but %d are accounted for: %s", ErrFormat, l.Found, sum, l)
	}
	return nil
}

// String says it in one line.
func (l Ledger) String() string {
	parts := []string{fmt.Sprintf("%d taken", l.Taken)}
	for _, what := range slices.Sorted(maps.Keys(l.LeftOut)) {
		parts = append(parts, fmt.Sprintf("%d left out by %s", l.LeftOut[what], what))
	}
	if l.Duplicates > 0 {
		parts = append(parts, fmt.Sprintf("%d duplicates dropped", l.Duplicates))
	}
	if len(l.Ignored) > 0 {
		var of []string
		for _, ext := range slices.Sorted(maps.Keys(l.Ignored)) {
			of = append(of, fmt.Sprintf("%s %d", ext, l.Ignored[ext]))
		}
		parts = append(parts, fmt.Sprintf("%d files ignored (%s)", total(l.Ignored), strings.Join(of, ", ")))
	}
	return strings.Join(parts, ", ")
}

// Add adds the accounts of another source.
func (l Ledger) Add(other Ledger) Ledger {
	sum := Ledger{Found: l.Found + other.Found, Taken: l.Taken + other.Taken, Duplicates: l.Duplicates + other.Duplicates}
	for _, of := range []Ledger{l, other} {
		for ext, n := range of.Ignored {
			sum.ignore(ext, n)
		}
		for key, n := range of.LeftOut {
			sum.leaveOut(key, n)
		}
	}
	return sum
}

func total(counts map[string]int) (n int) {
	for _, count := range counts {
		n += count
	}
	return n
}

// ignore counts files that are no samples.
func (l *Ledger) ignore(ext string, n int) {
	if l.Ignored == nil {
		l.Ignored = map[string]int{}
	}
	l.Ignored[ext] += n
}

// ignoreFile counts a file that is no sample.
func (l *Ledger) ignoreFile(name string) {
	l.Found++
	ext := strings.ToLower(path.Ext(name))
	switch {
	case strings.HasPrefix(path.Base(name), "."):
		ext = "hidden"
	case ext == "":
		ext = "no extension"
	}
	l.ignore(ext, 1)
}

// leaveOut counts samples that a key of the configuration leaves out.
func (l *Ledger) leaveOut(key string, n int) {
	if n == 0 {
		return
	}
	if l.LeftOut == nil {
		l.LeftOut = map[string]int{}
	}
	l.LeftOut[key] += n
}
