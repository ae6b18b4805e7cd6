package verdict

import (
	"math"
	"strings"
	"testing"
)

// curve makes a history of n epochs.
func curve(n int, of func(x float64) float64) []float64 {
	c := make([]float64, n)
	for i := range c {
		c[i] = of(float64(i) / float64(n-1))
	}
	return c
}

func line(from, to float64) func(float64) float64 {
	return func(x float64) float64 { return from + (to-from)*x }
}

// saturating comes from 0 to 1 within the share of the epochs.
func saturating(share, height float64) func(float64) float64 {
	return func(x float64) float64 { return height * (1 - math.Exp(-5*x/share)) }
}

func falling(share, from, to float64) func(float64) float64 {
	return func(x float64) float64 { return to + (from-to)*math.Exp(-5*x/share) }
}

func TestVerdicts(t *testing.T) {
	learns := curve(15, falling(0.6, 1, 0.1))
	hump := func(x float64) float64 { return 0.5 - (x-0.3)*(x-0.3) }
	relational := Setting{Relational: true, Views: 1, LR: 1e-3}
	for _, c := range []struct {
		name    string
		student Student
		want    []Kind
		says    []string // in the verdict
	}{
		{"nothing is known", Student{}, nil, nil},
		{"too short", Student{Seeds: []History{{Loss: []float64{3, 2, 1}, Selection: []float64{1, 2, 3}}}}, nil, nil},
		{
			"steady growth",
			Student{Seeds: []History{{Loss: learns, Selection: curve(15, line(0.1, 0.4))}}},
			[]Kind{Improving},
			[]string{"still improving at the last epoch", "last 3 of 15 epochs", "twice the epochs"},
		},
		{
			"growth that ends early, relations alone",
			Student{Setting: relational, Seeds: []History{{Loss: learns, Selection: curve(15, saturating(0.2, 0.4))}}},
			[]Kind{Flat},
			[]string{"flat since epoch 3 of 15", "info_nce"},
		},
		{
			"growth that ends early, with a constant rate",
			Student{
				Setting: Setting{Constant: true},
				Seeds:   []History{{Loss: learns, Selection: curve(15, saturating(0.2, 0.4))}},
			},
			[]Kind{Flat},
			[]string{"kind: cosine"},
		},
		{
			"growth that ends early, all else being there",
			Student{
				Setting: Setting{Views: 4, Pretrained: true},
				Seeds:   []History{{Loss: learns, Selection: curve(15, saturating(0.2, 0.4))}},
			},
			[]Kind{Flat},
			[]string{"a wider student"},
		},
		{
			"selection rises while unseen classes fall",
			Student{
				Setting: Setting{Views: 1},
				Seeds:   []History{{Loss: learns, Selection: curve(15, line(0.1, 0.6)), Unseen: curve(15, hump)}},
			},
			[]Kind{Overfitting},
			[]string{"overfitting since epoch 5", "selection split's score rises", "views: 4"},
		},
		{
			"selection falls while the loss does, too",
			Student{
				Setting: Setting{Views: 4}, Seeds: []History{{Loss: curve(15, line(1, 0.1)), Selection: curve(15, hump)}},
			},
			[]Kind{Overfitting},
			[]string{"the training loss falls", "weight_decay"},
		},
		{
			"a loss that cannot be learnt",
			Student{Seeds: []History{{Loss: curve(12, falling(0.15, 1, 0.85)), Selection: curve(12, saturating(0.2, 0.1))}}},
			[]Kind{TooSmall},
			[]string{"fell by 15 % only", "wider student"},
		},
		{
			"a loss that grows",
			Student{
				Setting: Setting{LR: 3e-3},
				Seeds: []History{{
					Loss: curve(12, func(x float64) float64 { return 0.2 + (x-0.4)*(x-0.4) }), Selection: curve(12, line(0.1, 0.2)),
				}},
			},
			[]Kind{Unstable},
			[]string{"rises since epoch 5", "lr: 0.001"},
		},
		{
			"only the loss is known, and falls",
			Student{Seeds: []History{{Loss: curve(10, line(1, 0.2))}}},
			[]Kind{Improving},
			[]string{"the training loss -0.1778"},
		},
		{
			"only the loss is known, and has fallen",
			Student{Seeds: []History{{Loss: curve(20, falling(0.2, 1, 0.2))}}},
			[]Kind{Flat},
			[]string{"the training loss stays at 0.2000"},
		},
		{
			"seeds far apart, each still improving",
			Student{
				Seeds: []History{
					{Loss: learns, Selection: curve(15, line(0.1, 0.4))}, {Loss: learns, Selection: curve(15, line(0.1, 0.2))},
				},
				Metric: "map@r", Quality: []float64{0.2, 0.4}, Baseline: 0.1, Teacher: 0.6,
			},
			[]Kind{Disagree, Improving},
			[]string{"map@r from 0.200 to 0.400, 40 % of the way", "more seeds"},
		},
		{
			"as good as the teacher",
			Student{
				Seeds:  []History{{Loss: learns, Selection: curve(15, saturating(0.9, 0.4))}},
				Metric: "map@r", Quality: []float64{0.61}, Baseline: 0.1, Teacher: 0.6,
			},
			[]Kind{Reached, Flat},
			[]string{"as good as the teacher in map@r (102 % of the gap closed)", "a smaller student"},
		},
		{
			"a teacher no better than the baseline says nothing about seeds",
			Student{Metric: "map@r", Quality: []float64{0.2, 0.9}, Baseline: 0.6, Teacher: 0.6},
			nil, nil,
		},
		{
			"a history with what is no number",
			Student{Seeds: []History{{Loss: []float64{1, math.NaN(), 1, 1, 1}}}},
			nil, nil,
		},
		{
			"seeds of different lengths", // one was interrupted
			Student{Seeds: []History{{Loss: learns}, {Loss: learns[:9]}}}, nil, nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := Judge(c.student)
			var kinds []Kind
			for _, f := range v.Findings {
				kinds = append(kinds, f.Kind)
			}
			if len(kinds) != len(c.want) {
				t.Fatalf("findings %q, expected %q: %s", kinds, c.want, v)
			}
			for i, k := range kinds {
				if k != c.want[i] {
					t.Errorf("findings %q, expected %q: %s", kinds, c.want, v)
				}
			}
			if (v.Try == "") != (len(kinds) == 0) {
				t.Errorf("with findings %q, %q is to be tried", kinds, v.Try)
			}
			for _, part := range c.says {
				if !strings.Contains(v.String(), part) {
					t.Errorf("%q does not say %q", v, part)
				}
			}
		})
	}
}
