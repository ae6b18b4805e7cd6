package eval

import (
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

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

// Interval95 is half the width of the 95 % confidence interval of the mean of values, which are draws of one normal
// distribution: t·s/√n, with Student's t for n−1 degrees of freedom and the sample standard deviation s. Of fewer than
// two values nothing is known, and it is 0.
//
// Source: Student 1908.
func Interval95(values []float64) float64 {
	n := float64(len(values))
	if n < 2 {
		return 0
	}
	_, std := MeanStd(values)
	return distuv.StudentsT{Sigma: 1, Nu: n - 1}.Quantile(0.975) * std / math.Sqrt(n)
}
