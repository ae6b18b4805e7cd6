package eval

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
)

// family is the metrics that are computed together. A new metric is a function and its line here.
type family struct {
	forms   []string // of names; a capital letter stands for a number from 1 up
	measure func(ctx context.Context, metrics []Metric, out Outputs, o MetricOptions, f *Figures, m *meter) error
	// work is how much work that is, in multiplications, roughly; nil where it is little. measure tells the meter of it.
	work func(metrics []Metric, out Outputs) float64
	// check returns what is wrong with the labels, whatever a model says of the samples; nil where nothing can be.
	check func(metrics []Metric, labels []int32, o MetricOptions) error
}

var families = []family{
	{[]string{recallAtK, RPrecision, MAPAtR, knnForm}, measureNeighbours, neighboursWork, fitsNeighbours},
	{[]string{"top-K"}, measureTopK, nil, nil},
	{[]string{NMIName}, measureNMI, nmiWork, fitsNMI},
	{[]string{"N-way-K-shot"}, measureFewShot, nil, fitsFewShot},
	{onTeacher, measureAgreement, agreementWork, nil},
	{[]string{asymmetricRecall}, measureCrossRecall, crossWork, fitsNeighbours},
	{[]string{asymmetricOverlap}, measureCrossOverlap, crossWork, nil},
}

// Measure computes metrics of what a model says of samples, those on labels of the samples that have one. Metrics of
// logits are left out for a model without, those that compare with the teacher where there is none, and asymmetric ones
// of a model that is not as wide as the teacher.
//
// It returns the errors of the functions that it calls, ErrInput among them.
func Measure(ctx context.Context, metrics []Metric, out Outputs, o MetricOptions) (Figures, error) {
	f := Figures{Values: map[string]float64{}}
	labelled, total := out.labelled(), 0.0
	each := func(do func(family family, wanted []Metric, of Outputs) error) error {
		for _, family := range families {
			wanted, of := family.of(metrics), labelled
			if len(wanted) == 0 {
				continue
			}
			if wanted[0].OnTeacher() {
				of = out
			}
			if err := do(family, wanted, of); err != nil {
				return err
			}
		}
		return nil
	}
	_ = each(func(family family, wanted []Metric, of Outputs) error {
		if family.work != nil {
			total += family.work(wanted, of)
		}
		return nil
	})
	m := newMeter(total, o.Progress)
	err := each(func(family family, wanted []Metric, of Outputs) error {
		return family.measure(ctx, wanted, of, o, &f, m)
	})
	if err == nil {
		m.finish()
	}
	return f, err
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

func fitsNeighbours(metrics []Metric, labels []int32, _ MetricOptions) error {
	return checkNeighbours(anything(labels), len(labels), 1, labels, metrics)
}

// checkNeighbours checks what retrieval, votes or both need.
func checkNeighbours(embeddings []float32, n, d int, labels []int32, metrics []Metric) error {
	ranking, voting := rankingAndVoting(metrics)
	if len(ranking) > 0 {
		if err := checkRetrieval(embeddings, n, d, labels, allNumbers(ranking)); err != nil {
			return err
		}
	}
	if len(voting) > 0 {
		return checkKNN(embeddings, n, d, labels, numbers(voting))
	}
	return nil
}

// rankingAndVoting separates metrics of retrieval from those of k-nearest-neighbour votes.
func rankingAndVoting(metrics []Metric) (ranking, voting []Metric) {
	for _, m := range metrics {
		if m.form == knnForm {
			voting = append(voting, m)
		} else {
			ranking = append(ranking, m)
		}
	}
	return ranking, voting
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

func neighboursWork(_ []Metric, out Outputs) float64 {
	return float64(len(out.Labels)) * float64(len(out.Labels)) * float64(out.Dim)
}

// measureNeighbours computes Retrieval, KNN or both from one search for neighbours.
func measureNeighbours(ctx context.Context, metrics []Metric, out Outputs, _ MetricOptions, f *Figures,
	m *meter,
) error {
	n := len(out.Labels)
	if err := checkNeighbours(out.Embeddings, n, out.Dim, out.Labels, metrics); err != nil {
		return fmt.Errorf("%w: %w", ErrInput, err)
	}
	type user interface {
		need(row int) int
		score(row int, near []uint64)
	}
	var users []user
	ranking, voting := rankingAndVoting(metrics)
	r := newRetrieval(out.Labels, allNumbers(ranking))
	if len(ranking) > 0 {
		users = append(users, r)
	}
	v := newVote(out.Labels, numbers(voting))
	if len(voting) > 0 {
		users = append(users, v)
	}
	err := newSpace(out.Embeddings, n, out.Dim).eachQuery(ctx, m, func(row int) (most int) {
		for _, u := range users {
			most = max(most, u.need(row))
		}
		return most
	}, func(row int, near []uint64) {
		for _, u := range users {
			u.score(row, near)
		}
	})
	if err != nil {
		return err
	}
	f.add(voting, v.accuracy())
	if len(ranking) == 0 {
		return nil
	}
	scores := r.scores()
	for _, metric := range ranking {
		switch metric.form {
		case RPrecision:
			f.Values[metric.Name] = scores.RPrecision
		case MAPAtR:
			f.Values[metric.Name] = scores.MAPAtR
		default:
			f.Values[metric.Name] = scores.Recall[metric.numbers[0]]
		}
	}
	return nil
}

func measureTopK(_ context.Context, metrics []Metric, out Outputs, _ MetricOptions, f *Figures, _ *meter) error {
	if out.Classes == 0 {
		return nil
	}
	accuracy, err := TopK(out.Logits, len(out.Labels), out.Classes, out.Labels, numbers(metrics))
	f.add(metrics, accuracy)
	return err
}

// nmiWork takes k-means to need as many iterations as it may.
func nmiWork(_ []Metric, out Outputs) float64 {
	return kMeansStarts * kMeansIterations * iterationWork(len(out.Labels), out.Dim, len(classSizes(out.Labels)))
}

func measureNMI(ctx context.Context, metrics []Metric, out Outputs, o MetricOptions, f *Figures, m *meter) error {
	value, err := nmi(ctx, out.Embeddings, len(out.Labels), out.Dim, out.Labels, o.Seed, m)
	f.Values[metrics[0].Name] = value
	return err
}

func measureFewShot(ctx context.Context, metrics []Metric, out Outputs, o MetricOptions, f *Figures, _ *meter) error {
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

// agreementWork is that of the neighbours, beside which correlations are little.
func agreementWork(metrics []Metric, out Outputs) (work float64) {
	if len(out.Teacher) == 0 {
		return 0
	}
	n := float64(len(out.Labels))
	for _, m := range metrics {
		if m.form == overlap {
			work += n * n * float64(out.Dim+out.TeacherDim)
		}
	}
	return work
}

// measureAgreement compares with the teacher. Where there are too many samples for all distances, those of a sample of
// them are correlated.
func measureAgreement(ctx context.Context, metrics []Metric, out Outputs, o MetricOptions, f *Figures,
	progress *meter,
) error {
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
			f.Values[m.Name], err = neighbourOverlap(ctx, p, m.numbers[0], progress)
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
