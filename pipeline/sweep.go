package pipeline

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"rkd/pipeline/config"
	"rkd/pipeline/report"
)

// cost is what a student costs: the smaller the better.
type cost struct {
	name string // of --sort
	axis string // of plots
	file string // of its plot
	of   func(VariantResult) float64
}

// costs of students by which a sweep is sorted and plotted.
var costs = []cost{
	{
		"bytes", "size of the model, kB", "quality-size.svg",
		func(v VariantResult) float64 { return float64(v.Bytes) / 1000 },
	},
	{
		"latency_ms", "time of one sample, ms", "quality-latency.svg",
		func(v VariantResult) float64 { return v.LatencyMillis },
	},
	{"parameters", "parameters", "", func(v VariantResult) float64 { return float64(v.Parameters) }},
}

// quality is a model's mean of a metric, NaN where it has none, as logits of a model without a head.
func (res *Results) quality(model, metric string) float64 {
	if s, ok := res.Models[model].Metrics[metric]; ok && len(s.Values) > 0 {
		return s.Mean
	}
	return math.NaN()
}

// SortBy orders the students by a metric, the best first, or by a cost (bytes, latency_ms, parameters), the cheapest
// first. Equal ones keep their order, and those without the metric come last. Another key is config.ErrConfig.
func (res *Results) SortBy(key string) error {
	value := func(model string) float64 { return -res.quality(model, key) } // the best is the smallest
	known := slices.Clone(res.Metrics)
	for _, c := range costs {
		known = append(known, c.name)
		if c.name == key {
			value = func(model string) float64 { return c.of(res.Models[model]) }
		}
	}
	if !slices.Contains(known, key) {
		return fmt.Errorf("%w: --sort is %q, expected one of %s", config.ErrConfig, key, strings.Join(known, ", "))
	}
	slices.SortStableFunc(res.Order, func(a, b string) int {
		x, y := value(a), value(b)
		switch { // cmp.Compare has NaN first
		case math.IsNaN(x) && math.IsNaN(y):
			return 0
		case math.IsNaN(x):
			return 1
		case math.IsNaN(y):
			return -1
		}
		return cmp.Compare(x, y)
	})
	return nil
}

// front lists the students of the Pareto front by rising cost: no other student is at least as good and as cheap, and
// better in one of the two.
func (res *Results) front(metric string, c cost) []string {
	names := slices.DeleteFunc(slices.Clone(res.Order), func(n string) bool { return math.IsNaN(res.quality(n, metric)) })
	slices.SortStableFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(c.of(res.Models[a]), c.of(res.Models[b])),
			cmp.Compare(res.quality(b, metric), res.quality(a, metric)))
	})
	var front []string
	for _, n := range names {
		if len(front) > 0 {
			last := front[len(front)-1]
			same := c.of(res.Models[n]) == c.of(res.Models[last]) && res.quality(n, metric) == res.quality(last, metric)
			if !same && res.quality(n, metric) <= res.quality(last, metric) {
				continue
			}
		}
		front = append(front, n)
	}
	return front
}

// Tradeoffs plots a metric of the students against their size and their latency, by the names of files, with the
// Pareto front as a line and the teacher's quality as one with dashes. Without a metric it is the first. Another
// metric than those of the results is config.ErrConfig.
func (res *Results) Tradeoffs(metric string) (map[string]*report.Plot, error) {
	if metric == "" || slices.ContainsFunc(costs, func(c cost) bool { return c.name == metric }) {
		metric = res.Metrics[0]
	}
	if !slices.Contains(res.Metrics, metric) {
		return nil, fmt.Errorf("%w: %q is no metric of the results, expected one of %s", config.ErrConfig, metric,
			strings.Join(res.Metrics, ", "))
	}
	plots := map[string]*report.Plot{}
	for _, c := range costs {
		if c.file != "" {
			plots[c.file] = res.tradeoff(metric, c)
		}
	}
	return plots, nil
}

func (res *Results) tradeoff(metric string, c cost) *report.Plot {
	series := func(names []string) (x, y []float64) {
		for _, n := range names {
			x, y = append(x, c.of(res.Models[n])), append(y, res.quality(n, metric))
		}
		return x, y
	}
	x, y := series(res.Order)
	fx, fy := series(res.front(metric, c))
	all := []report.Series{
		{Name: "Pareto front", Mark: report.Line, X: fx, Y: fy, Colour: 1},
		{Name: "students", Mark: report.Points, X: x, Y: y, Labels: res.Order},
	}
	if q, ok := res.Teacher.Metrics[metric]; ok && len(x) > 0 {
		low, high := slices.Min(x), slices.Max(x)
		all = append(all, report.Series{
			Name: "teacher", Mark: report.Line, X: []float64{low, high}, Y: []float64{q, q}, Colour: 2, Dashed: true,
		})
	}
	return &report.Plot{
		Title: res.Name, X: report.Axis{Label: c.axis}, Y: report.Axis{Label: metric}, Series: all, Width: 480, Height: 320,
	}
}
