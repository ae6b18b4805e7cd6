package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"gonum.org/v1/gonum/stat"

	"rkd/pipeline"
	"rkd/student/train"
)

// experiment is a plan with what its run measured.
type experiment struct {
	plan
	results pipeline.Results
	curves  curves
}

// curves are the figures of the test data after every epoch: by variant, then seed by seed.
type curves map[string][][]map[string]float64

// collect copies what a run measured into folder to.
func (p plan) collect(run, to string) error {
	data, err := os.ReadFile(filepath.Join(run, pipeline.ResultsFile))
	if err != nil {
		return fmt.Errorf("%w: run bin/rkd run %s first", err, p.file)
	}
	var results pipeline.Results
	if err := json.Unmarshal(data, &results); err != nil {
		return fmt.Errorf("reading the results of %s: %w", p.name, err)
	}
	if err := os.WriteFile(p.resultsFile(to), data, 0o644); err != nil {
		return err
	}
	if p.curve == "" {
		return nil
	}
	all := curves{}
	for _, name := range results.Order {
		for _, seed := range results.Models[name].Seeds {
			epochs, err := readEpochs(filepath.Join(run, name, fmt.Sprintf("seed-%d", seed), train.MetricsFile))
			if err != nil {
				return err
			}
			all[name] = append(all[name], epochs)
		}
	}
	data, err = json.MarshalIndent(all, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(p.curvesFile(to), append(data, '\n'), 0o644)
}

func (p plan) resultsFile(dir string) string { return filepath.Join(dir, p.name+".json") }
func (p plan) curvesFile(dir string) string  { return filepath.Join(dir, p.name+"-curves.json") }

// readEpochs reads the figures of the test data from a training's metrics.
func readEpochs(path string) ([]map[string]float64, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var epochs []map[string]float64
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		var m train.Metrics
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			return nil, fmt.Errorf("reading %q: %w", path, err)
		}
		epochs = append(epochs, m.Watched)
	}
	return epochs, nil
}

// read returns the plan with what was collected in dir.
func (p plan) read(dir string) (*experiment, error) {
	e := &experiment{plan: p}
	if err := readJSON(p.resultsFile(dir), &e.results); err != nil {
		return nil, err
	}
	if p.curve == "" {
		return e, nil
	}
	return e, readJSON(p.curvesFile(dir), &e.curves)
}

func readJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("reading %q: %w", path, err)
	}
	return nil
}

// estimate is a mean with its standard error.
type estimate struct{ mean, err float64 }

// row returns a metric of a variant over its seeds, or of the teacher, which is one model and has no spread.
func (e *experiment) row(name, metric string) ([]float64, error) {
	if name == teacher {
		if value, ok := e.results.Teacher.Metrics[metric]; ok {
			return []float64{value}, nil
		}
	}
	if s, ok := e.results.Models[name].Metrics[metric]; ok {
		return s.Values, nil
	}
	return nil, fmt.Errorf("%s: no %s of %s", e.name, metric, name)
}

func mean(values []float64) estimate {
	if len(values) == 1 {
		return estimate{mean: values[0]}
	}
	m, std := stat.MeanStdDev(values, nil)
	return estimate{m, stat.StdErr(std, float64(len(values)))}
}

// sure is how many standard errors a difference must be above 0 for a claim to hold.
const sure = 2

// verdict compares both sides of a claim: it says what the difference is in favour of the claim, and whether the claim
// holds.
func (e *experiment) verdict(c claim) (difference, verdict string, err error) {
	better, err := e.row(c.better, c.metric)
	if err != nil {
		return "", "", err
	}
	than, err := e.row(c.than, c.metric)
	if err != nil {
		return "", "", err
	}
	format, unit := "%+.4f ± %.4f", ""
	if c.fewerEpochsThan {
		goal := mean(than).mean
		// Fewer is better: the claim's side is subtracted.
		than, better = e.epochsTo(c.better, c.metric, goal), e.epochsTo(c.than, c.metric, goal)
		format, unit = "%+.1f ± %.1f", " epochs"
	}
	a, b := mean(better), mean(than)
	d := estimate{a.mean - b.mean, math.Hypot(a.err, b.err)}
	switch {
	case d.mean > sure*d.err:
		verdict = "holds"
	case d.mean < -sure*d.err:
		verdict = "**does not hold**"
	default:
		verdict = "undecided"
	}
	return fmt.Sprintf(format, d.mean, d.err) + unit, verdict, nil
}

// epochsTo counts, for every seed of a variant, the epochs until a metric of the test data has reached goal; one that
// never does counts one epoch more than there are.
func (e *experiment) epochsTo(name, metric string, goal float64) []float64 {
	var counts []float64
	for _, epochs := range e.curves[name] {
		n := 1
		for _, m := range epochs {
			if m[metric] >= goal {
				break
			}
			n++
		}
		counts = append(counts, float64(n))
	}
	return counts
}
