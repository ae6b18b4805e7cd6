package pipeline

import (
	"context"
	"fmt"
	"slices"

	"rkd/datasets"
	"rkd/models/ort"
	"rkd/pipeline/cache"
	"rkd/pipeline/config"
	"rkd/teacher"
)

// CacheDir is the project's cache folder; see ort.CacheDir.
func CacheDir() (string, error) { return ort.CacheDir() }

// Machine is what stages need from the computer that they run on, whatever the experiment.
type Machine struct {
	// Library is the path of ONNX Runtime's library; empty looks in the usual places.
	Library  string
	CacheDir string
	Version  string // of the program, for the exported model's metadata
	Progress Progress
	// Wait waits for a folder that another process holds; without it that is an error.
	Wait bool
}

// Runner carries out the stages of an experiment on a machine. It is not safe for concurrent use.
type Runner struct {
	Machine
	Experiment *config.Experiment
	// Restart trains again from the first step what was interrupted or is finished.
	Restart bool
	// Overwrite lets a training take the place of one that was made from another configuration.
	Overwrite bool

	data   map[string]datasets.Dataset // open data sets by part
	budget *datasets.Budget            // of decoding, for all data sets
	leases map[string]*lease           // of run directories in buckets, by location

	width     int             // of the teacher's vectors, once a drop-in student has asked
	checks    []*checked      // of the trainings, once the experiment has been checked
	measured  *measuredModels // models of the run directory that were evaluated before
	reference *reference      // what the teacher says of the test data, nil where no metric asks
}

// runtime makes ONNX Runtime ready; only stages that run a model need it.
func (m *Machine) runtime() error {
	path, err := ort.Find(m.Library, m.CacheDir)
	if err != nil {
		return err
	}
	return ort.Init(path)
}

// dataset opens a part of the data, "train" or "test", once.
func (r *Runner) dataset(ctx context.Context, part string) (datasets.Dataset, error) {
	if d := r.data[part]; d != nil {
		return d, nil
	}
	d, err := r.openData(ctx, part, nil, false)
	if err != nil {
		return nil, err
	}
	if r.data == nil {
		r.data = map[string]datasets.Dataset{}
	}
	r.data[part] = d
	return d, nil
}

var errNoSample = fmt.Errorf("%w: no sample is left after classes and limit", datasets.ErrSource)

// openData opens a part of the data; sums are those of its samples where they are known, and so is whether it is mixed,
// see datasets.Resources.
func (r *Runner) openData(ctx context.Context, part string, sums map[string][32]byte,
	mixed bool,
) (d datasets.Dataset, err error) {
	data := &r.Experiment.Base.Data
	if r.budget == nil {
		r.budget = datasets.NewBudget(data.Limits)
	}
	resources := datasets.Resources{CacheDir: r.CacheDir, Budget: r.budget, Sums: sums, Mixed: mixed}
	sources := data.Train
	if part == "test" && len(data.Test) > 0 {
		sources = data.Test
	}
	sources = slices.Clone(sources)
	for i := range sources {
		if sources[i], err = localSource(ctx, sources[i]); err != nil {
			return nil, fmt.Errorf("opening data.%s: %w", part, err)
		}
	}
	switch {
	case part == "test" && !data.Tested():
		return nil, fmt.Errorf("%w: data.test is missing, expected a source, or data.split to divide data.train",
			config.ErrConfig)
	case data.Split != datasets.Division{}:
		parts := make([]datasets.Dataset, 2)
		if parts[0], parts[1], err = datasets.Divide(ctx, sources, data.Split, resources); err == nil && sums == nil {
			r.data = map[string]datasets.Dataset{"train": parts[0], "test": parts[1]}
		}
		d = parts[0]
		if part == "test" {
			d = parts[1]
		}
	default:
		d, err = datasets.OpenAll(ctx, sources, resources)
	}
	if err != nil {
		return nil, fmt.Errorf("opening data.%s: %w", part, err)
	}
	if d.Len() == 0 {
		return nil, fmt.Errorf("opening data.%s: %w", part, errNoSample)
	}
	if err := d.Ledger().Balance(); err != nil && sums == nil {
		return nil, fmt.Errorf("opening data.%s: %w", part, err)
	}
	return d, nil
}

// openModel opens a model for the samples of d, and returns one of them.
func (r *Runner) openModel(ctx context.Context, o teacher.Options, d datasets.Dataset) (*teacher.Model,
	datasets.Sample, error,
) {
	if o.Declared != "" {
		return nil, datasets.Sample{},
			fmt.Errorf("%w: teacher %q is declared, and no model is here to run: \"rkd cache import "+
				"CONFIG VECTORS\" fills the cache with its vectors", cache.ErrNoCache, o.Declared)
	}
	if err := r.runtime(); err != nil {
		return nil, datasets.Sample{}, err
	}
	sample, _, err := datasets.First(ctx, d)
	if err == nil {
		o.Model, err = localModel(ctx, o.Model)
	}
	if err != nil {
		return nil, sample, err
	}
	samples := []datasets.Sample{sample}
	if others, err := datasets.Spread(ctx, d, 2); err == nil { // else the stage itself names the sample that fails
		samples = append(samples, others[len(others)-1])
	}
	m, err := teacher.Open(ctx, o, samples...)
	if err != nil {
		return nil, sample, err
	}
	for _, note := range m.Notes() {
		r.Progress.Say("model %q: %s", o.Model, note)
	}
	return m, sample, nil
}
