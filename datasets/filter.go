package datasets

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// newSelection applies the filters of src to a source whose i-th sample has the label labels[i], an index into classes.
func newSelection(name string, classes []string, labels []int32, src Source) (selection, error) {
	wanted, err := selectClasses(name, classes, src.Classes)
	if err != nil {
		return selection{}, err
	}
	var kept []int
	for i, label := range labels {
		if wanted[label] {
			kept = append(kept, i)
		}
	}
	if len(kept) == 0 {
		return selection{}, fmt.Errorf("%w: classes [%s] keep no sample of %s", ErrSource,
			strings.Join(src.Classes, ", "), name)
	}
	kept = limit(kept, labels, len(classes), src.Limit)

	s := selection{
		source: src, name: name, classes: classes, ids: make([]int64, len(kept)),
		labels: make([]int32, len(kept)),
	}
	for i, k := range kept {
		s.ids[i], s.labels[i] = int64(k), labels[k]
	}
	return s, nil
}

// selectClasses marks the classes named in names, or all where names is empty.
func selectClasses(source string, classes, names []string) ([]bool, error) {
	wanted := make([]bool, len(classes))
	if len(names) == 0 {
		for i := range wanted {
			wanted[i] = true
		}
		return wanted, nil
	}
	for _, name := range names {
		i := slices.Index(classes, name)
		if i < 0 {
			return nil, fmt.Errorf("%w: classes names %q, which %s does not have, expected %s",
				ErrSource, name, source, candidates(classes, name))
		}
		wanted[i] = true
	}
	return wanted, nil
}

// candidates lists the classes, or of a long list those whose names are nearest to name.
func candidates(classes []string, name string) string {
	const few, nearest = 12, 3
	if len(classes) <= few {
		return "one of " + strings.Join(classes, ", ")
	}
	near := slices.Clone(classes)
	slices.SortStableFunc(near, func(a, b string) int {
		return cmp.Compare(levenshtein.ComputeDistance(a, name), levenshtein.ComputeDistance(b, name))
	})
	return fmt.Sprintf("one of its %d, such as %s", len(classes), strings.Join(near[:nearest], ", "))
}

// limit keeps at most n of the samples kept, taking one of each class in turn, the lowest first; 0 keeps all. The
// result ascends like kept.
func limit(kept []int, labels []int32, classes, n int) []int {
	if n == 0 || n >= len(kept) {
		return kept
	}
	queues := make([][]int, classes)
	for _, k := range kept {
		queues[labels[k]] = append(queues[labels[k]], k)
	}
	taken := make([]int, 0, n)
	for len(taken) < n {
		for c, q := range queues {
			if len(q) > 0 && len(taken) < n {
				taken, queues[c] = append(taken, q[0]), q[1:]
			}
		}
	}
	slices.Sort(taken)
	return taken
}
