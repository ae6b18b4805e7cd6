package eval

import (
	"context"
	"fmt"
	"math/rand/v2"
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
	Spearman   = "spearman" // rank correlation of distances with the teacher's
	CKA        = "cka"      // with the teacher's embeddings
)

const overlap = "overlap@K" // of neighbours with the teacher's

// Metric is a metric by its name, such as recall@5.
type Metric struct {
	Name    string
	form    string // of the name: recall@K
	numbers []int  // what stands for the form's capital letters, in their order
}

// OnTeacher says that the metric compares embeddings with the teacher's, and needs no labels.
func (m Metric) OnTeacher() bool { return slices.Contains(onTeacher, m.form) }

// OnLogits says that the metric is one of logits.
func (m Metric) OnLogits() bool { return m.form == "top-K" }

// Ranks says that the metric looks at the nearest others of a sample, Number of them where that is not 0.
func (m Metric) Ranks() bool {
	return slices.Contains([]string{"recall@K", RPrecision, MAPAtR, "knn@K"}, m.form)
}

// Number is the metric's first number, 0 without one.
func (m Metric) Number() int {
	if len(m.numbers) == 0 {
		return 0
	}
	return m.numbers[0]
}

// Labels says how many samples of how many classes the metric needs: a class of so many, and so many of those.
func (m Metric) Labels(o MetricOptions) (classes, samples int) {
	switch {
	case m.OnTeacher(), m.form == "top-K":
		return 0, 0
	case m.form == "N-way-K-shot":
		return m.numbers[0], m.numbers[1] + o.Queries
	}
	return 2, 0
}

// Outputs are what a model says of samples.
type Outputs struct {
	Embeddings []float32 // (N,Dim)
	Logits     []float32 // (N,Classes), empty without
	Labels     []int32   // (N), negative for samples without
	Dim        int
	Classes    int       // 0 without logits
	Teacher    []float32 // (N,TeacherDim), the teacher's embeddings, empty where nothing compares with them
	TeacherDim int
}

// labelled returns the samples that have labels.
func (out Outputs) labelled() Outputs {
	if !slices.ContainsFunc(out.Labels, func(label int32) bool { return label < 0 }) {
		return out
	}
	some := Outputs{Dim: out.Dim, Classes: out.Classes}
	for i, label := range out.Labels {
		if label >= 0 {
			some.Labels = append(some.Labels, label)
			some.Embeddings = append(some.Embeddings, out.Embeddings[i*out.Dim:(i+1)*out.Dim]...)
			if out.Classes > 0 {
				some.Logits = append(some.Logits, out.Logits[i*out.Classes:(i+1)*out.Classes]...)
			}
		}
	}
	return some
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
	{onTeacher, measureAgreement, nil},
}

// onTeacher are the forms of metrics that compare with the teacher.
var onTeacher = []string{Spearman, overlap, CKA}

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

// Measure computes metrics of what a model says of samples, those on labels of the samples that have one. Metrics of
// logits are left out for a model without, and those that compare with the teacher where there is none.
//
// It returns the errors of the functions that it calls, ErrInput among them.
func Measure(ctx context.Context, metrics []Metric, out Outputs, o MetricOptions) (Figures, error) {
	f := Figures{Values: map[string]float64{}}
	for _, family := range families {
		wanted := family.of(metrics)
		if len(wanted) == 0 {
			continue
		}
		of := out
		if !wanted[0].OnTeacher() {
			of = out.labelled()
		}
		if err := family.measure(ctx, wanted, of, o, &f); err != nil {
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

// measureAgreement compares with the teacher. Where there are too many samples for all distances, those of a sample of
// them are correlated.
func measureAgreement(ctx context.Context, metrics []Metric, out Outputs, o MetricOptions, f *Figures) error {
	if len(out.Teacher) == 0 {
		return nil
	}
	p := Pair{A: out.Teacher, B: out.Embeddings, N: len(out.Labels), DA: out.TeacherDim, DB: out.Dim}
	for _, m := range metrics {
		var err error
		switch m.form {
		case Spearman:
			f.Values[m.Name], err = PairwiseSpearman(ctx, p.sample(MaxPairwiseRows, o.Seed))
		case CKA:
			f.Values[m.Name], err = LinearCKA(ctx, p)
		default:
			f.Values[m.Name], err = NeighbourOverlap(ctx, p, m.numbers[0])
		}
		if err != nil {
			return fmt.Errorf("measuring %s: %w", m.Name, err)
		}
	}
	return nil
}

// sample draws at most n rows of a pair.
func (p Pair) sample(n int, seed uint64) Pair {
	if p.N <= n {
		return p
	}
	rows := rand.New(rand.NewPCG(seed, 0)).Perm(p.N)[:n]
	slices.Sort(rows)
	out := Pair{N: n, DA: p.DA, DB: p.DB}
	for _, i := range rows {
		out.A = append(out.A, p.A[i*p.DA:(i+1)*p.DA]...)
		out.B = append(out.B, p.B[i*p.DB:(i+1)*p.DB]...)
	}
	return out
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
