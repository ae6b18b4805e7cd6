package pipeline

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"rkd/pipeline/eval"
)

// Eval is the `eval` section.
type Eval struct {
	// Metrics lists recall@K, r-precision, map@r, nmi, knn@K, top-K and N-way-K-shot, for any N and K; the defaults are the
	// task's.
	Metrics []string `yaml:"metrics,flow,omitempty"`
	// Queries and Episodes of N-way-K-shot: queries of a class in an episode, default 15, and episodes, default 600.
	Queries  int `yaml:"queries,omitempty"`
	Episodes int `yaml:"episodes,omitempty"`
	// Curve measures the test data after every epoch, too, and writes the figures to metrics.jsonl. They choose nothing.
	Curve bool `yaml:"curve,omitempty"`
	// Seed draws the episodes and the first centres of nmi, the same for all models.
	Seed uint64 `yaml:"seed,omitempty"`
}

// Names of metrics; those with numbers are patterns.
const (
	rPrecision = "r-precision"
	mapAtR     = "map@r"
	nmi        = "nmi"
)

var (
	recallPattern  = regexp.MustCompile(`^recall@(\d+)$`)
	knnPattern     = regexp.MustCompile(`^knn@(\d+)$`)
	topPattern     = regexp.MustCompile(`^top-(\d+)$`)
	fewShotPattern = regexp.MustCompile(`^(\d+)-way-(\d+)-shot$`)
)

func (e *Eval) fillIn() {
	if e.Queries == 0 {
		e.Queries = 15
	}
	if e.Episodes == 0 {
		e.Episodes = 600
	}
}

func (e Eval) validate() error {
	for _, name := range e.Metrics {
		if _, err := parseMetric(name); err != nil {
			return err
		}
	}
	switch {
	case e.Queries < 1:
		return fmt.Errorf("queries is %d, expected 1 or more", e.Queries)
	case e.Episodes < 2:
		return fmt.Errorf("episodes is %d, expected 2 or more: one gives no confidence interval", e.Episodes)
	}
	return nil
}

// metric is a metric's name taken apart.
type metric struct {
	name    string
	pattern *regexp.Regexp // nil for one without numbers
	numbers []int
}

// parseMetric takes a metric's name apart, or says what is wrong with it.
func parseMetric(name string) (metric, error) {
	m := metric{name: name}
	if slices.Contains([]string{rPrecision, mapAtR, nmi}, name) {
		return m, nil
	}
	for _, pattern := range []*regexp.Regexp{recallPattern, knnPattern, topPattern, fewShotPattern} {
		groups := pattern.FindStringSubmatch(name)
		if groups == nil {
			continue
		}
		m.pattern = pattern
		for _, digits := range groups[1:] {
			n, err := strconv.Atoi(digits)
			if err != nil || n < 1 || pattern == fewShotPattern && n < 2 && len(m.numbers) == 0 {
				return m, fmt.Errorf("metrics has %q, expected numbers from 1 up, and 2 ways or more", name)
			}
			m.numbers = append(m.numbers, n)
		}
		return m, nil
	}
	return m, fmt.Errorf("metrics has %q, expected recall@K, %s, %s, %s, knn@K, top-K or N-way-K-shot", name, rPrecision, mapAtR, nmi)
}

// numbers lists the first number of every metric of one pattern.
func numbers(metrics []metric, pattern *regexp.Regexp) []int {
	var ks []int
	for _, m := range metrics {
		if m.pattern == pattern {
			ks = append(ks, m.numbers[0])
		}
	}
	return ks
}

// measure adds the section's metrics of out to res; top-K is left out for a model without logits.
func (e Eval) measure(ctx context.Context, out outputs, res *ModelResult) error {
	var metrics []metric
	for _, name := range e.Metrics {
		m, err := parseMetric(name)
		if err != nil {
			return err
		}
		metrics = append(metrics, m)
	}
	for _, part := range []func(context.Context, []metric, outputs, *ModelResult) error{
		e.retrieval, e.neighbours, e.accuracy, e.clusters, e.episodes,
	} {
		if err := part(ctx, metrics, out, res); err != nil {
			return err
		}
	}
	return nil
}

// retrieval measures recall@K, r-precision and map@r.
func (e Eval) retrieval(ctx context.Context, metrics []metric, out outputs, res *ModelResult) error {
	ks := numbers(metrics, recallPattern)
	if len(ks) == 0 && !slices.Contains(e.Metrics, rPrecision) && !slices.Contains(e.Metrics, mapAtR) {
		return nil
	}
	scores, err := eval.Retrieval(ctx, out.embeddings, len(out.labels), out.dim, out.labels, ks)
	if err != nil {
		return err
	}
	for _, k := range ks {
		res.Metrics[fmt.Sprintf("recall@%d", k)] = scores.Recall[k]
	}
	for name, value := range map[string]float64{rPrecision: scores.RPrecision, mapAtR: scores.MAPAtR} {
		if slices.Contains(e.Metrics, name) {
			res.Metrics[name] = value
		}
	}
	return nil
}

// neighbours measures knn@K.
func (e Eval) neighbours(ctx context.Context, metrics []metric, out outputs, res *ModelResult) error {
	ks := numbers(metrics, knnPattern)
	if len(ks) == 0 {
		return nil
	}
	accuracy, err := eval.KNN(ctx, out.embeddings, len(out.labels), out.dim, out.labels, ks)
	for _, k := range ks {
		res.Metrics[fmt.Sprintf("knn@%d", k)] = accuracy[k]
	}
	return err
}

// accuracy measures top-K.
func (e Eval) accuracy(_ context.Context, metrics []metric, out outputs, res *ModelResult) error {
	ks := numbers(metrics, topPattern)
	if len(ks) == 0 || out.classes == 0 {
		return nil
	}
	accuracy, err := eval.TopK(out.logits, len(out.labels), out.classes, out.labels, ks)
	for _, k := range ks {
		res.Metrics[fmt.Sprintf("top-%d", k)] = accuracy[k]
	}
	return err
}

// clusters measures nmi.
func (e Eval) clusters(ctx context.Context, _ []metric, out outputs, res *ModelResult) error {
	if !slices.Contains(e.Metrics, nmi) {
		return nil
	}
	value, err := eval.NMI(ctx, out.embeddings, len(out.labels), out.dim, out.labels, e.Seed)
	res.Metrics[nmi] = value
	return err
}

// episodes measures N-way-K-shot.
func (e Eval) episodes(ctx context.Context, metrics []metric, out outputs, res *ModelResult) error {
	for _, m := range metrics {
		if m.pattern != fewShotPattern {
			continue
		}
		score, err := eval.FewShot(ctx, out.embeddings, len(out.labels), out.dim, out.labels, eval.FewShotOptions{
			Ways: m.numbers[0], Shots: m.numbers[1], Queries: e.Queries, Episodes: e.Episodes, Seed: e.Seed,
		})
		if err != nil {
			return fmt.Errorf("measuring %s: %w", m.name, err)
		}
		if res.CI95 == nil {
			res.CI95 = map[string]float64{}
		}
		res.Metrics[m.name], res.CI95[m.name] = score.Accuracy, score.CI95
	}
	return nil
}
