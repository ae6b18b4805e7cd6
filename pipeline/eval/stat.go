package eval

import "gonum.org/v1/gonum/stat"

// MeanStd returns the mean and the sample standard deviation (n−1 in the denominator) of values, such as one metric
// over the seeds of a variant. The deviation of a single value is 0; without values both are 0.
func MeanStd(values []float64) (mean, std float64) {
	switch len(values) {
	case 0:
		return 0, 0
	case 1:
		return values[0], 0
	}
	return stat.MeanStdDev(values, nil)
}
