package datasets

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/bmatcuk/doublestar/v4"
)

// newSelection applies the filters of src to a source whose i-th sample has the label labels[i], an index into classes
// or NoLabel. ledger counts what the source has beside samples, and samples that are left out already.
func newSelection(name string, classes []string, labels []int32, ledger Ledger, src Source) (selection, error) {
	ledger.Found += len(labels)
	s := selection{source: src, name: name, classes: classes, total: len(labels), ledger: ledger}
	if src.unlabelled() {
		s.classes = nil
		labels = unnamed(len(labels))
	}
	wanted, err := src.selectClasses(name, s.classes)
	if err != nil {
		return selection{}, err
	}
	keep := func(key string, kept []int, keep func(label int32) bool) []int {
		left := slices.DeleteFunc(slices.Clone(kept), func(i int) bool { return !keep(labels[i]) })
		s.ledger.leaveOut(key, len(kept)-len(left))
		return left
	}
	kept := make([]int, len(labels))
	for i := range kept {
		kept[i] = i
	}
	if wanted != nil {
		kept = keep("classes", kept, func(label int32) bool { return label != NoLabel && wanted[label] })
	}
	if src.MinPerClass > 1 {
		counts := make([]int, len(classes))
		for _, i := range kept {
			if labels[i] != NoLabel {
				counts[labels[i]]++
			}
		}
		kept = keep("min_per_class", kept, func(label int32) bool {
			return label == NoLabel || counts[label] >= src.MinPerClass
		})
	}
	if len(kept) == 0 && len(labels) > 0 {
		return selection{}, fmt.Errorf("%w: %s keep no sample of %s", ErrSource, src.filters(), name)
	}
	before := len(kept)
	kept = limit(kept, labels, len(classes), src.Limit)
	s.ledger.leaveOut("limit", before-len(kept))
	s.ids, s.labels = make([]int64, len(kept)), make([]int32, len(kept))
	for i, k := range kept {
		s.ids[i], s.labels[i] = int64(k), labels[k]
	}
	return s, nil
}

// filters names what chooses samples by their classes.
func (s Source) filters() string {
	parts := []string{fmt.Sprintf("classes [%s]", strings.Join(s.Classes, ", "))}
	if s.ClassesFile != "" {
		parts = append(parts, fmt.Sprintf("classes_file %q", s.ClassesFile))
	}
	if s.MinPerClass > 1 {
		parts = append(parts, fmt.Sprintf("min_per_class %d", s.MinPerClass))
	}
	return strings.Join(parts, " and ")
}

// selectClasses marks the classes that the source names, by name or by pattern; nil where it names none.
func (s Source) selectClasses(source string, classes []string) ([]bool, error) {
	names, err := s.classPatterns()
	if err != nil || len(names) == 0 {
		return nil, err
	}
	wanted := make([]bool, len(classes))
	for _, name := range names {
		if i := slices.Index(classes, name); i >= 0 {
			wanted[i] = true
			continue
		}
		matched := false
		for i, class := range classes {
			if ok, err := doublestar.Match(name, class); err == nil && ok {
				wanted[i], matched = true, true
			}
		}
		if !matched {
			return nil, fmt.Errorf("%w: classes names %q, which %s does not have, expected %s",
				ErrSource, name, source, candidates(classes, name))
		}
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

// limit keeps at most n of the samples kept, taking one of each class in turn, the lowest first; 0 keeps all. Samples
// without a label count as a class behind the others. The result ascends like kept.
func limit(kept []int, labels []int32, classes, n int) []int {
	if n == 0 || n >= len(kept) {
		return kept
	}
	queues := make([][]int, classes+1)
	for _, k := range kept {
		class := labels[k]
		if class == NoLabel {
			class = int32(classes)
		}
		queues[class] = append(queues[class], k)
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
