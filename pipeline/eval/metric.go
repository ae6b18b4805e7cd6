package eval

import (
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
	Spearman   = "spearman" // rank correlation of distances with the teacher's
	CKA        = "cka"      // with the teacher's embeddings
)

const (
	overlap   = "overlap@K" // of neighbours with the teacher's
	recallAtK = "recall@K"
	knnForm   = "knn@K"

	// Student's queries, teacher's gallery: CrossRecall and CrossOverlap.
	asymmetricRecall  = "asymmetric-recall@K"
	asymmetricOverlap = "asymmetric-overlap@K"
)

// Metric is a metric by its name, such as recall@5.
type Metric struct {
	Name    string
	form    string // of the name: recall@K
	numbers []int  // what stands for the form's capital letters, in their order
}

// OnTeacher says that the metric compares embeddings with the teacher's, and needs no labels.
func (m Metric) OnTeacher() bool {
	return slices.Contains(onTeacher, m.form) || m.form == asymmetricOverlap
}

// NeedsTeacher says that the metric looks at the teacher's embeddings.
func (m Metric) NeedsTeacher() bool { return m.OnTeacher() || m.Asymmetric() }

// Asymmetric says that the metric searches the teacher's embeddings with the model's, which has none of another width.
func (m Metric) Asymmetric() bool { return m.form == asymmetricRecall || m.form == asymmetricOverlap }

// OnLogits says that the metric is one of logits.
func (m Metric) OnLogits() bool { return m.form == "top-K" }

// Ranks says that the metric looks at the nearest others of a sample, Number of them where that is not 0.
func (m Metric) Ranks() bool {
	return slices.Contains([]string{recallAtK, RPrecision, MAPAtR, knnForm, asymmetricRecall}, m.form)
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
	some := Outputs{Dim: out.Dim, Classes: out.Classes, TeacherDim: out.TeacherDim}
	for i, label := range out.Labels {
		if label >= 0 {
			some.Labels = append(some.Labels, label)
			some.Embeddings = append(some.Embeddings, out.Embeddings[i*out.Dim:(i+1)*out.Dim]...)
			if out.Classes > 0 {
				some.Logits = append(some.Logits, out.Logits[i*out.Classes:(i+1)*out.Classes]...)
			}
			if len(out.Teacher) > 0 {
				some.Teacher = append(some.Teacher, out.Teacher[i*out.TeacherDim:(i+1)*out.TeacherDim]...)
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
	// Progress is told the share of the work that is done, ascending to 1, by one goroutine at a time; nil is told
	// nothing.
	Progress func(share float64)
}

// Figures are metrics by name.
type Figures struct {
	Values map[string]float64
	// CI95 is half the width of the 95 % confidence interval of metrics that are estimated from episodes.
	CI95 map[string]float64
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
