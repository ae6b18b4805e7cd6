package importer

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"rkd/student/arch"
)

// freezer knows what is not trained.
type freezer struct {
	patterns []string
	matched  []bool
	names    []string // what could have been matched
}

func newFreezer(patterns []string) (*freezer, error) {
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil {
			return nil, fmt.Errorf("%w: freeze: pattern %q: %w", arch.ErrConfig, p, err)
		}
	}
	return &freezer{patterns: patterns, matched: make([]bool, len(patterns))}, nil
}

// frozen reports whether a pattern matches the weight's name, the name of the node that reads it, or a part of that
// between slashes: exporters name a node by the modules around it, /features/features.0/Conv.
func (f *freezer) frozen(weight, node string) bool {
	names := append([]string{weight, node}, strings.Split(node, "/")...)
	frozen := false
	for i, p := range f.patterns {
		if slices.ContainsFunc(names, func(name string) bool { ok, _ := path.Match(p, name); return ok }) {
			f.matched[i], frozen = true, true
		}
	}
	f.names = append(f.names, weight, node)
	return frozen
}

// unmatched is an error, with the nearest names, for the first pattern that has matched nothing.
func (f *freezer) unmatched() error {
	i := slices.Index(f.matched, false)
	if i < 0 {
		return nil
	}
	const listed = 5
	pattern := clip(f.patterns[i])
	distances := make(map[string]int)
	for _, name := range f.names {
		if name != "" {
			distances[name] = levenshtein.ComputeDistance(pattern, clip(name))
		}
	}
	nearest := slices.SortedFunc(maps.Keys(distances), func(a, b string) int {
		if d := distances[a] - distances[b]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	for j, name := range nearest {
		nearest[j] = fmt.Sprintf("%q", clip(name))
	}
	return fmt.Errorf("%w: freeze: pattern %q matches no weight and no node, nearest are %s", arch.ErrConfig, pattern,
		strings.Join(nearest[:min(listed, len(nearest))], ", "))
}

// clip bounds a name from a file.
func clip(name string) string {
	const longest = 200
	return name[:min(len(name), longest)]
}
