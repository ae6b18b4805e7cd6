package eval

import "fmt"

// TopK returns, by K, the share of samples whose own class is among the K with the largest logits,
//
//	top-K accuracy = mean_i [ |{ c ≠ y_i : logits_ic ≥ logits_i,y_i }| < K ]
//
// logits is (N,C), row-major, with N = n ≥ 1 and C = c ≥ 2; labels is (N) with values in [0, C−1]; each K of ks is in
// [1, C]. Another class with a logit equal to the own one's counts as ahead of it, so that a model which gives all
// classes the same is never right below K = C.
//
// It returns ErrInput for shapes and values that break these rules, naming the row in the case of a label outside the
// classes, a NaN or an infinity.
//
// Deviation: scikit-learn's top_k_accuracy_score breaks ties by the order of the classes.
func TopK(logits []float32, n, c int, labels []int32, ks []int) (map[int]float64, error) {
	if err := checkTopK(logits, n, c, labels, ks); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInput, err)
	}
	ahead := make([]int, c) // how many samples have that many classes ahead of their own
	for i, label := range labels {
		row := logits[i*c : (i+1)*c]
		rank := -1 // the own class is not ahead of itself
		for _, v := range row {
			if v >= row[label] {
				rank++
			}
		}
		ahead[rank]++
	}
	accuracy := make(map[int]float64, len(ks))
	for _, k := range ks {
		right := 0
		for _, samples := range ahead[:k] {
			right += samples
		}
		accuracy[k] = float64(right) / float64(n)
	}
	return accuracy, nil
}

func checkTopK(logits []float32, n, c int, labels []int32, ks []int) error {
	switch {
	case n < 1:
		return fmt.Errorf("%d samples, expected at least 1", n)
	case c < 2:
		return fmt.Errorf("logits of %d classes, expected at least 2", c)
	case len(logits) != n*c:
		return fmt.Errorf("%d logits, expected %d×%d", len(logits), n, c)
	case len(labels) != n:
		return fmt.Errorf("%d labels for %d samples, expected equal numbers", len(labels), n)
	}
	for _, k := range ks {
		if k < 1 || k > c {
			return fmt.Errorf("top-%d accuracy of %d classes, expected K between 1 and %d", k, c, c)
		}
	}
	for i, label := range labels {
		if label < 0 || int(label) >= c {
			return fmt.Errorf("row %d has label %d, expected one between 0 and %d", i, label, c-1)
		}
	}
	return checkFinite(logits, c, "logits")
}
