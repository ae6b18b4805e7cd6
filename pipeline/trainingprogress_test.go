package pipeline

import (
	"testing"
	"time"
)

func TestSparkline(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   string
	}{
		{[]float64{1}, "▁"},
		{[]float64{2, 2, 2}, "▁▁▁"},
		{[]float64{0, 1, 2, 3, 4, 5, 6, 7}, "▁▂▃▄▅▆▇█"},
		{[]float64{1, -1}, "█▁"},
	} {
		if got := sparkline(c.values); got != c.want {
			t.Errorf("%v: %s, expected %s", c.values, got, c.want)
		}
	}
}

func TestTimeLeft(t *testing.T) {
	for _, c := range []struct {
		took       time.Duration
		done, left int
		want       time.Duration
	}{
		{time.Second, 0, 10, 0},
		{time.Second, 10, 0, 0},
		{10 * time.Second, 100, 33, 3300 * time.Millisecond},
		{100 * time.Second, 10, 15, 150 * time.Second},
	} {
		if got := timeLeft(c.took, c.done, c.left); got != c.want {
			t.Errorf("%v for %d steps, %d left: %v, expected %v", c.took, c.done, c.left, got, c.want)
		}
	}
}
