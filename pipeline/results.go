package pipeline

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"rkd/datasets/regular"
	"rkd/pipeline/eval"
	"rkd/student/train/record"
)

// ResultsFile is the name of the results in a run directory.
const ResultsFile = "results.json"

// resultsFormat is the format of results that are written. Those of format 1 name no format and say `variants` where
// they now say `models`.
const resultsFormat = 2

// Results are the figures of a run: results.json.
type Results struct {
	Format  int         `json:"format"` // resultsFormat
	Name    string      `json:"name"`
	Teacher ModelResult `json:"teacher"` // several: their embeddings, times the teachers' weights, behind each other
	// Teachers are the figures of each of several teachers.
	Teachers []NamedResult `json:"teachers,omitempty"`
	// Baseline is what gaps are counted from; results of earlier versions have none.
	Baseline *Baseline `json:"baseline,omitempty"`
	// Models maps a student's name, that of its variant and generation, to its figures; Order lists the names as the
	// configuration does.
	Models map[string]VariantResult `json:"models"`
	Order  []string                 `json:"order"`
	// Samples is the number of test samples, Skipped that of those which did not decode.
	Samples int `json:"samples"`
	Skipped int `json:"skipped,omitempty"`
	// FidelitySamples is the number of test samples on which students are compared with the teacher; 0 where they are
	// too few for that.
	FidelitySamples int `json:"fidelity_samples,omitempty"`
	// Metrics lists the metrics in the order of the configuration.
	Metrics []string `json:"metrics"`
	// Key identifies what was measured: models, data and metrics.
	Key string `json:"key"`
}

// ModelResult are the figures of one model.
type ModelResult struct {
	Metrics map[string]float64 `json:"metrics"`
	// CI95 is half the width of the 95 % confidence interval of metrics that are estimated from episodes.
	CI95          map[string]float64 `json:"ci95,omitempty"`
	Parameters    int64              `json:"parameters"`
	Bytes         int64              `json:"bytes"`
	LatencyMillis float64            `json:"latency_ms"` // median time of one sample alone
}

// ModelResults are the figures of single models, and what they are held against.
type ModelResults struct {
	Models []ComparedModel `json:"models"`
	// Teacher is nil where there is none, or it is not there to be asked.
	Teacher *ModelResult `json:"teacher,omitempty"`
	// Baseline is nil before the training that it belongs to, and without a teacher.
	Baseline        *Baseline `json:"baseline,omitempty"`
	FidelitySamples int       `json:"fidelity_samples,omitempty"`
	Samples         int       `json:"samples"`
	Skipped         int       `json:"skipped,omitempty"`
	Metrics         []string  `json:"metrics"`
}

// ComparedModel are a model's figures beside those of teacher and baseline.
type ComparedModel struct {
	NamedResult
	Gap      map[string]float64 `json:"gap_closed,omitempty"` // see VariantResult
	Fidelity map[string]float64 `json:"fidelity,omitempty"`
}

// NamedResult are the figures of the model in a file.
type NamedResult struct {
	Name string `json:"name"` // path of the file, or a teacher's name
	ModelResult
}

// Baseline are the figures that a student starts from, as it were.
type Baseline struct {
	Kind string `json:"kind"` // config.BaselineUntrained, config.BaselinePixels, or the name of a variant
	ModelResult
	// Fidelity is that of VariantResult.
	Fidelity map[string]float64 `json:"fidelity,omitempty"`
}

// Measures of fidelity.
const (
	Overlap         = "overlap@10"       // share of common samples among the 10 nearest, eval.NeighbourOverlap
	RankCorrelation = "rank_correlation" // of distances, eval.PairwiseSpearman
)

// VariantResult are the figures of a variant over its seeds.
type VariantResult struct {
	Metrics map[string]Statistic `json:"metrics"`
	// Gap is, for each metric, the share of the way from the baseline to the teacher that the students have come, in the
	// mean: 0 is the baseline, 1 the teacher. A metric in which the teacher is not ahead of the baseline has none.
	Gap map[string]float64 `json:"gap_closed,omitempty"`
	// Fidelity is how alike student and teacher are on the test samples, by Overlap and RankCorrelation.
	Fidelity      map[string]Statistic `json:"fidelity,omitempty"`
	Parameters    int64                `json:"parameters"`
	Bytes         int64                `json:"bytes"`
	LatencyMillis float64              `json:"latency_ms"` // mean over seeds
	StepMillis    float64              `json:"step_ms"`    // mean over seeds and epochs of a training step's time
	Seeds         []uint64             `json:"seeds"`
	// Quantized says of each quantised student how it was made and what it costs; of a student in float, which forms of
	// it were refused.
	Quantized []Quantized `json:"quantized,omitempty"`
}

// Statistic is a figure over seeds: Values in the order of the seeds, their mean and sample standard deviation.
type Statistic struct {
	Mean   float64   `json:"mean"`
	Std    float64   `json:"std"`
	Values []float64 `json:"values"`
	// Interval is half the width of the 95 % confidence interval: of the mean over seeds, or, of a single seed, of its
	// estimate from episodes; 0 where neither is known.
	Interval float64 `json:"interval95,omitempty"`
	// CI95 is half the width of each value's 95 % confidence interval, where it is estimated from episodes.
	CI95 []float64 `json:"ci95,omitempty"`
}

// newStatistic sums up a figure over seeds; ci95 are the values' own intervals, or nil.
func newStatistic(values, ci95 []float64) Statistic {
	s := Statistic{Values: values, CI95: ci95, Interval: eval.Interval95(values)}
	s.Mean, s.Std = eval.MeanStd(values)
	if len(values) == 1 && len(ci95) == 1 {
		s.Interval = ci95[0]
	}
	return s
}

// UnmarshalJSON reads results of any format into today's form.
func (res *Results) UnmarshalJSON(data []byte) error {
	type results Results
	read := struct {
		*results
		Variants map[string]VariantResult `json:"variants"`
	}{results: (*results)(res)}
	if err := json.Unmarshal(data, &read); err != nil {
		return err
	}
	if res.Format == 0 {
		res.Format, res.Models = 1, read.Variants
	}
	for _, m := range res.Models { // which earlier versions wrote without intervals
		for name, s := range m.Metrics {
			m.Metrics[name] = newStatistic(s.Values, s.CI95)
		}
	}
	return nil
}

// readResults returns the results in a run directory, or nil where there are none, or damaged ones, which are measured
// again. Results of a later version of rkd are ErrMismatch.
func readResults(dir string) (*Results, error) {
	path := filepath.Join(dir, ResultsFile)
	data, err := regular.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading results: %w", err)
	}
	res := new(Results)
	sealed, err := record.Unmarshal(data, res)
	if err != nil || !sealed && res.Format > 1 {
		return nil, nil
	}
	if res.Format > resultsFormat {
		return nil, fmt.Errorf("%w: %q has format %d, expected 1 to %d: it was written by a later version of rkd; "+
			"remove it to measure again", ErrMismatch, path, res.Format, resultsFormat)
	}
	res.Format = resultsFormat // earlier formats are read into today's form
	return res, nil
}

func (res *Results) write(dir string) error {
	data, err := record.Marshal(res)
	if err != nil {
		return fmt.Errorf("writing results: %w", err)
	}
	return record.WriteFile(filepath.Join(dir, ResultsFile), data)
}
