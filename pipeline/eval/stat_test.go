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
