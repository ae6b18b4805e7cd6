package eval

import (
	"context"
	"fmt"
	"slices"
)

// CrossOverlap says how alike two models' searches of the second one's embeddings are: the mean share of rows that the
// K nearest of a sample's embedding by the one and by the other have in common,
//
//	overlap@K = 1/(N·K) Σ_q |near_K(queries_q) ∩ near_K(gallery_q)|
//
// where near_K are the K nearest rows of gallery, row q left out. queries and gallery are (N,D) of the same samples in
// the same order, 1 ≤ K < N. Where both are one model's it is 1. Rules are those of [Nearest].
func CrossOverlap(ctx context.Context, queries, gallery []float32, n, d, k int) (float64, error) {
	return crossOverlap(ctx, queries, gallery, n, d, k, nil)
}

// crossOverlap is CrossOverlap that tells how far it is.
func crossOverlap(ctx context.Context, queries, gallery []float32, n, d, k int, m *meter) (float64, error) {
	if n < 2 || d < 1 || len(queries) != n*d || len(gallery) != n*d {
		return 0, fmt.Errorf("%w: %d values of queries and %d of a gallery, expected %d×%d", ErrInput, len(queries),
			len(gallery), n, d)
	}
	if k < 1 || k >= n {
		return 0, fmt.Errorf("%w: %d nearest of %d samples, expected K between 1 and %d", ErrInput, k, n, n-1)
	}
	theirs, err := nearest(ctx, queries, gallery, d, k+1, m)
	if err != nil {
		return 0, err
	}
	own, err := nearest(ctx, gallery, gallery, d, k+1, m)
	if err != nil {
		return 0, err
	}
	common := 0
	for q := range own {
		near := others(own[q], q, k)
		for _, row := range others(theirs[q], q, k) {
			if slices.Contains(near, row) {
				common++
			}
		}
	}
	return float64(common) / (float64(n) * float64(k)), nil
}

// others are the first k rows of hits but for row q.
func others(hits []Hit, q, k int) []int {
	rows := make([]int, 0, len(hits))
	for _, h := range hits {
		if h.Row != q {
			rows = append(rows, h.Row)
		}
	}
	return rows[:k]
}

// WithAsymmetric adds to the names of metrics one that searches the teacher's embeddings with the model's, unless there
// is one: that of the first recall@K, without one asymmetric-recall@1, and where no metric is on labels that of the
// first overlap@K, without one asymmetric-overlap@10.
func WithAsymmetric(names []string) []string {
	metrics, err := ParseMetrics(names)
	if err != nil || slices.ContainsFunc(metrics, Metric.Asymmetric) {
		return names
	}
	name := ""
	labelled := slices.ContainsFunc(metrics, func(m Metric) bool { return !m.OnTeacher() })
	for _, m := range metrics {
		if name == "" && (m.form == recallAtK || !labelled && m.form == overlap) {
			name = "asymmetric-" + m.Name
		}
	}
	switch {
	case name == "" && labelled:
		name = "asymmetric-recall@1"
	case name == "":
		name = "asymmetric-overlap@10"
	}
	return append(slices.Clone(names), name)
}

// crossed says that a model's embeddings can search the teacher's.
func (out Outputs) crossed() bool { return len(out.Teacher) > 0 && out.Dim == out.TeacherDim }

// crossWork is that of one search for recall, of two for each overlap.
func crossWork(metrics []Metric, out Outputs) float64 {
	if !out.crossed() {
		return 0
	}
	n, searches := float64(len(out.Labels)), 1
	if metrics[0].form == asymmetricOverlap {
		searches = 2 * len(metrics)
	}
	return float64(searches) * n * n * float64(out.Dim)
}

func measureCrossRecall(ctx context.Context, metrics []Metric, out Outputs, _ MetricOptions, f *Figures,
	m *meter,
) error {
	if !out.crossed() {
		return nil
	}
	found, err := crossRecall(ctx, out.Embeddings, out.Teacher, len(out.Labels), out.Dim, out.Labels, numbers(metrics), m)
	f.add(metrics, found)
	return err
}

func measureCrossOverlap(ctx context.Context, metrics []Metric, out Outputs, _ MetricOptions, f *Figures,
	progress *meter,
) error {
	if !out.crossed() {
		return nil
	}
	for _, m := range metrics {
		share, err := crossOverlap(ctx, out.Embeddings, out.Teacher, len(out.Labels), out.Dim, m.numbers[0], progress)
		if err != nil {
			return fmt.Errorf("measuring %s: %w", m.Name, err)
		}
		f.Values[m.Name] = share
	}
	return nil
}
