package teacher

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestPooling(t *testing.T) {
	row := []float32{1, -2, 3, 4, 5, 6} // tokens (1,-2) (3,4) (5,6); or channels (1,-2,3) (4,5,6)
	gem := func(values ...float64) float32 {
		sum := 0.0
		for _, v := range values {
			sum += math.Pow(math.Max(v, 1e-6), 3)
		}
		return float32(math.Pow(sum/float64(len(values)), 1.0/3))
	}
	for name, test := range map[string]struct {
		kind         string
		shape        []int
		channelsLast bool
		want         []float32
	}{
		"cls of tokens":            {PoolCLS, []int{3, 2}, false, []float32{1, -2}},
		"last of tokens":           {PoolLast, []int{3, 2}, false, []float32{5, 6}},
		"mean of tokens":           {PoolMean, []int{3, 2}, false, []float32{3, float32(8.0 / 3)}},
		"max of tokens":            {PoolMax, []int{3, 2}, false, []float32{5, 6}},
		"gem of tokens":            {PoolGeM, []int{3, 2}, false, []float32{gem(1, 3, 5), gem(-2, 4, 6)}},
		"mean of places":           {PoolMean, []int{2, 3, 1}, false, []float32{float32(2.0 / 3), 5}},
		"max of places":            {PoolMax, []int{2, 1, 3}, false, []float32{3, 6}},
		"gem of places":            {PoolGeM, []int{2, 1, 3}, false, []float32{gem(1, -2, 3), gem(4, 5, 6)}},
		"mean of places of NHWC":   {PoolMean, []int{3, 1, 2}, true, []float32{3, float32(8.0 / 3)}},
		"none":                     {PoolNone, []int{3, 2}, false, row},
		"a vector":                 {"", []int{6}, false, row},
		"a vector with ones":       {"", []int{6, 1, 1}, false, row},
		"a vector needs no pool":   {PoolCLS, []int{6}, false, row},
		"one token of six numbers": {PoolMean, []int{1, 6}, false, row},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := newPooling(test.kind, test.shape, test.channelsLast)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]float32, p.width)
			p.into(got, row)
			if !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestPoolingThatTheShapeDoesNotHave(t *testing.T) {
	for name, test := range map[string]struct {
		kind  string
		shape []int
		want  string
	}{
		"tokens without pool": {"", []int{3, 2}, "pool is not given, expected pool: cls, mean, max, gem, last, none"},
		"places without pool": {"", []int{2, 3, 1, 2}[:3], "pool is not given, expected pool: mean, max, gem, none"},
		"cls of places":       {PoolCLS, []int{2, 3, 2}, "pool is cls, expected pool: mean, max, gem, none"},
		"five dimensions":     {PoolMean, []int{2, 2, 2, 2}, "pool is mean, expected pool: none"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := newPooling(test.kind, test.shape, false); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want %q", err, test.want)
			}
		})
	}
}
