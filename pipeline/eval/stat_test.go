package eval

import (
	"math"
	"testing"
)

func TestMeanStd(t *testing.T) {
	for _, tt := range []struct {
		name      string
		values    []float64
		mean, std float64
	}{
		{"none", nil, 0, 0},
		{"one", []float64{0.95}, 0.95, 0},
		{"two", []float64{1, 3}, 2, math.Sqrt2},
		{"equal", []float64{0.5, 0.5, 0.5}, 0.5, 0},
		{"four", []float64{2, 4, 4, 6}, 4, math.Sqrt(8. / 3)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mean, std := MeanStd(tt.values)
			if math.Abs(mean-tt.mean) > 1e-15 || math.Abs(std-tt.std) > 1e-15 {
				t.Errorf("%v ± %v, want %v ± %v", mean, std, tt.mean, tt.std)
			}
		})
	}
}

// The quantiles of Student's t are those of printed tables: 12.706, 4.303 and 2.262 for 1, 2 and 9 degrees of freedom.
func TestInterval95(t *testing.T) {
	for _, tt := range []struct {
		name   string
		values []float64
		want   float64
	}{
		{"no value", nil, 0},
		{"one value", []float64{3}, 0},
		{"equal values", []float64{3, 3}, 0},
		{"two", []float64{1, 3}, 12.706 * math.Sqrt2 / math.Sqrt2},
		{"three", []float64{1, 2, 3}, 4.303 / math.Sqrt(3)},
		{"ten", []float64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 2.262 * 3.02765 / math.Sqrt(10)},
	} {
		if got := Interval95(tt.values); math.Abs(got-tt.want) > 1e-3*tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
