package eval

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Names of metrics without numbers.
const (
	RPrecision = "r-precision"
	MAPAtR     = "map@r"
	NMIName    = "nmi"
)

// Metric is a metric by its name, such as recall@5.
type Metric struct {
	Name    string
	form    string // of the name: recall@K
	numbers []int  // what stands for the form's capital letters, in their order
}

// Outputs are what a model says of samples.
type Outputs struct {
	Embeddings []float32 // (N,Dim)
	Logits     []float32 // (N,Classes), empty without
	Labels     []int32   // (N)
	Dim        int
	Classes    int // 0 without logits
}

// MetricOptions are the settings of the metrics that draw samples.
type MetricOptions struct {
	Queries  int    // of a class in an episode of N-way-K-shot
	Episodes int    // of N-way-K-shot
	Seed     uint64 // of the episodes and of the first centres of nmi
}

// Figures are metrics by name.
type Figures struct {
	Values map[string]float64
	// CI95 is half the width of the 95 % confidence interval of metrics that are estimated from episodes.
	CI95 map[string]float64
}

// family is the metrics that are computed together. A new metric is a function and its line here.
type family struct {
	forms   []string // of names; a capital letter stands for a number from 1 up
	measure func(ctx context.Context, metrics []Metric, out Outputs, o MetricOptions, f *Figures) error
	// check returns what is wrong with the labels, whatever a model says of the samples; nil where nothing can be.
	check func(metrics []Metric, labels []int32, o MetricOptions) error
}

var families = []family{
	{[]string{"recall@K", RPrecision, MAPAtR}, measureRetrieval, fitsRetrieval},
	{[]string{"knn@K"}, measureKNN, fitsKNN},
	{[]string{"top-K"}, measureTopK, nil},
	{[]string{NMIName}, measureNMI, fitsNMI},
	{[]string{"N-way-K-shot"}, measureFewShot, fitsFewShot},
}

var capital = regexp.MustCompile(`\b[A-Z]\b`)

// ParseMetrics takes the names of metrics apart, or says what is wrong with the first that is none.
func ParseMetrics(names []string) ([]Metric, error) {
	var metrics []Metric
	for _, name := range names {
		m, err := parseMetric(name)
		if err != nil {
			return nil, err
		}
		metrics = append(metrics, m)
	}
	return metrics, nil
}

func parseMetric(name string) (Metric, error) {
	var known []string
	for _, family := range families {
		for _, form := range family.forms {
			pattern := regexp.MustCompile("^" + capital.ReplaceAllString(regexp.QuoteMeta(form), `(\d+)`) + "$")
			groups := pattern.FindStringSubmatch(name)
			if groups == nil {
				known = append(known, form)
				continue
			}
			m := Metric{Name: name, form: form}
			for i, digits := range groups[1:] {
				n, err := strconv.Atoi(digits)
				if ways := form == "N-way-K-shot" && i == 0; err != nil || n < 1 || ways && n < 2 {
					return m, fmt.Errorf("metrics has %q, expected numbers from 1 up, and 2 ways or more", name)
				}
				m.numbers = append(m.numbers, n)
			}
			return m, nil
		}
	}
	last := len(known) - 1
	return Metric{}, fmt.Errorf("metrics has %q, expected %s or %s", name, strings.Join(known[:last], ", "), known[last])
}

// Measure computes metrics of what a model says of samples. Metrics of logits are left out for a model without.
//
// It returns the errors of the functions that it calls, ErrInput among them.
func Measure(ctx context.Context, metrics []Metric, out Outputs, o MetricOptions) (Figures, error) {
	f := Figures{Values: map[string]float64{}}
	for _, family := range families {
		wanted := family.of(metrics)
		if len(wanted) == 0 {
			continue
		}
		if err := family.measure(ctx, wanted, out, o, &f); err != nil {
			return f, err
		}
	}
	return f, nil
}

// of are those of metrics that belong to the family.
func (f family) of(metrics []Metric) []Metric {
	return slices.DeleteFunc(slices.Clone(metrics), func(m Metric) bool { return !slices.Contains(f.forms, m.form) })
}

// Fits returns the error, ErrInput, that Measure will return for samples with these labels whatever a model says of
// them: for a look at the data before a model runs.
func Fits(metrics []Metric, labels []int32, o MetricOptions) error {
	for _, family := range families {
		if wanted := family.of(metrics); len(wanted) > 0 && family.check != nil {
			if err := family.check(wanted, labels, o); err != nil {
				return fmt.Errorf("%w: %w", ErrInput, err)
			}
		}
	}
	return nil
}

// anything stands for embeddings of width 1 in checks of labels.
func anything(labels []int32) []float32 { return make([]float32, len(labels)) }

func fitsRetrieval(metrics []Metric, labels []int32, _ MetricOptions) error {
	return checkRetrieval(anything(labels), len(labels), 1, labels, allNumbers(metrics))
}

func fitsKNN(metrics []Metric, labels []int32, _ MetricOptions) error {
	return checkKNN(anything(labels), len(labels), 1, labels, numbers(metrics))
}

func fitsNMI(_ []Metric, labels []int32, _ MetricOptions) error {
	_, err := checkNMI(anything(labels), len(labels), 1, labels)
	return err
}

func fitsFewShot(metrics []Metric, labels []int32, o MetricOptions) error {
	for _, m := range metrics {
		if err := checkFewShot(anything(labels), len(labels), 1, labels, o.fewShot(m)); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return nil
}

// fewShot are the options of an N-way-K-shot metric.
func (o MetricOptions) fewShot(m Metric) FewShotOptions {
	return FewShotOptions{
		Ways: m.numbers[0], Shots: m.numbers[1], Queries: o.Queries, Episodes: o.Episodes, Seed: o.Seed,
	}
}

func measureRetrieval(ctx context.Context, metrics []Metric, out Outputs, _ MetricOptions, f *Figures) error {
	scores, err := Retrieval(ctx, out.Embeddings, len(out.Labels), out.Dim, out.Labels, allNumbers(metrics))
	if err != nil {
		return err
	}
	for _, m := range metrics {
		switch m.form {
		case RPrecision:
			f.Values[m.Name] = scores.RPrecision
		case MAPAtR:
			f.Values[m.Name] = scores.MAPAtR
		default:
			f.Values[m.Name] = scores.Recall[m.numbers[0]]
		}
	}
	return nil
}

func measureKNN(ctx context.Context, metrics []Metric, out Outputs, _ MetricOptions, f *Figures) error {
	accuracy, err := KNN(ctx, out.Embeddings, len(out.Labels), out.Dim, out.Labels, numbers(metrics))
	f.add(metrics, accuracy)
	return err
}

func measureTopK(_ context.Context, metrics []Metric, out Outputs, _ MetricOptions, f *Figures) error {
	if out.Classes == 0 {
		return nil
	}
	accuracy, err := TopK(out.Logits, len(out.Labels), out.Classes, out.Labels, numbers(metrics))
	f.add(metrics, accuracy)
	return err
}

func measureNMI(ctx context.Context, metrics []Metric, out Outputs, o MetricOptions, f *Figures) error {
	value, err := NMI(ctx, out.Embeddings, len(out.Labels), out.Dim, out.Labels, o.Seed)
	f.Values[metrics[0].Name] = value
	return err
}

func measureFewShot(ctx context.Context, metrics []Metric, out Outputs, o MetricOptions, f *Figures) error {
	f.CI95 = map[string]float64{}
	for _, m := range metrics {
		score, err := FewShot(ctx, out.Embeddings, len(out.Labels), out.Dim, out.Labels, o.fewShot(m))
		if err != nil {
			return fmt.Errorf("measuring %s: %w", m.Name, err)
		}
		f.Values[m.Name], f.CI95[m.Name] = score.Accuracy, score.CI95
	}
	return nil
}

// allNumbers lists the numbers of metrics: none of r-precision and map@r.
func allNumbers(metrics []Metric) (ks []int) {
	for _, m := range metrics {
		ks = append(ks, m.numbers...)
	}
	return ks
}

// numbers lists the first number of each metric.
func numbers(metrics []Metric) []int {
	ks := make([]int, len(metrics))
	for i, m := range metrics {
		ks[i] = m.numbers[0]
	}
	return ks
}

// add takes over what was measured by the first number of each metric.
func (f *Figures) add(metrics []Metric, values map[int]float64) {
	for _, m := range metrics {
		f.Values[m.Name] = values[m.numbers[0]]
	}
}
