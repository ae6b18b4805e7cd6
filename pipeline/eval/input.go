package eval

import (
	"errors"
	"fmt"
	"math"
)

// ErrInput says that embeddings, labels or parameters cannot be scored.
var ErrInput = errors.New("invalid input of a metric")

// checkShape checks the lengths of the slices that hold n samples of width d and their labels.
func checkShape(values []float32, n, d int, labels []int32) error {
	switch {
	case n < 2:
		return fmt.Errorf("%d samples, expected at least 2", n)
	case d < 1:
		return fmt.Errorf("embeddings of width %d, expected at least 1", d)
	case len(values) != n*d:
		return fmt.Errorf("%d values of embeddings, expected %d×%d", len(values), n, d)
	case len(labels) != n:
		return fmt.Errorf("%d labels for %d samples, expected equal numbers", len(labels), n)
	}
	return nil
}

// checkClasses refuses labels that are all the same.
func checkClasses(sizes map[int32]int, labels []int32) error {
	if len(sizes) == 1 {
		return fmt.Errorf("all %d samples have class %d, expected at least two classes", len(labels), labels[0])
	}
	return nil
}

// checkFinite names the first row that holds a NaN or an infinity. what is the name of the matrix in the plural.
func checkFinite(values []float32, d int, what string) error {
	for i, v := range values {
		if x := float64(v); math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Errorf("row %d of the %s holds %v, expected finite values", i/d, what, v)
		}
	}
	return nil
}

func classSizes(labels []int32) map[int32]int {
	sizes := map[int32]int{}
	for _, label := range labels {
		sizes[label]++
	}
	return sizes
}
