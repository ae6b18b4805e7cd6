package datasets

import (
	"fmt"
	"slices"
	"strconv"
)

// maxClasses bounds classes that are told by the largest number of a label.
const maxClasses = 1 << 20

// namedClasses makes classes of the names that samples have, sorted; an empty one is a sample without a label.
func namedClasses(names []string) (classes []string, labels []int32) {
	index := map[string]int32{}
	for _, name := range names {
		if _, ok := index[name]; !ok && name != "" {
			index[name] = 0
			classes = append(classes, name)
		}
	}
	slices.Sort(classes)
	for i, c := range classes {
		index[c] = int32(i)
	}
	labels = make([]int32, len(names))
	for i, name := range names {
		labels[i] = NoLabel
		if name != "" {
			labels[i] = index[name]
		}
	}
	return classes, labels
}

// numberedClasses makes classes of numbers from 0 up, named by them, so that parts of one data set which lack some
// agree on the others; −1 is a sample without a label. names, where there are some, are the classes' instead.
func numberedClasses(numbers []int64, names []string) (classes []string, labels []int32, err error) {
	last := int64(-1)
	labels = make([]int32, len(numbers))
	for i, n := range numbers {
		limit := int64(maxClasses)
		if names != nil {
			limit = int64(len(names))
		}
		if n < -1 || n >= limit {
			return nil, nil, fmt.Errorf("%w: label %d of sample %d, expected 0 to %d, or -1 for none", ErrFormat, n, i, limit-1)
		}
		labels[i] = int32(n)
		last = max(last, n)
	}
	if names != nil {
		return names, labels, nil
	}
	for n := range last + 1 {
		classes = append(classes, strconv.FormatInt(n, 10))
	}
	return classes, labels, nil
}

// anyClasses makes classes of texts: where all are whole numbers from −1 up they are numbered.
func anyClasses(texts []string) (classes []string, labels []int32) {
	numbers := make([]int64, len(texts))
	for i, text := range texts {
		n, err := strconv.ParseInt(text, 10, 32)
		if text == "" {
			n, err = -1, nil
		}
		if err != nil || n < -1 || n >= maxClasses || text != "" && strconv.FormatInt(n, 10) != text {
			return namedClasses(texts)
		}
		numbers[i] = n
	}
	classes, labels, _ = numberedClasses(numbers, nil) // in range
	return classes, labels
}
