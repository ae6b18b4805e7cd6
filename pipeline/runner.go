package pipeline

import (
	"context"
	"fmt"

	"rkd/datasets"
	"rkd/models/ort"
	"rkd/pipeline/config"
	"rkd/teacher"
)

// CacheDir is the project's cache folder; see ort.CacheDir.
func CacheDir() (string, error) { return ort.CacheDir() }

// Machine is what stages find where they run, whatever the experiment.
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

	data map[string]datasets.Dataset // open data sets by part
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
	source := r.Experiment.Base.Data.Train
	if part == "test" {
		source = r.Experiment.Base.Data.Test
	}
	d, err := datasets.Open(ctx, source, r.CacheDir)
	if err != nil {
		return nil, fmt.Errorf("opening data.%s: %w", part, err)
	}
	if d.Len() == 0 {
		return nil, fmt.Errorf("opening data.%s: %w: no sample is left after classes and limit", part, datasets.ErrSource)
	}
	if r.data == nil {
		r.data = map[string]datasets.Dataset{}
	}
	r.data[part] = d
	return d, nil
}

// firstImage returns the first sample that decodes: models are checked against its shape.
func firstImage(d datasets.Dataset, skip bool) (datasets.Image, error) {
	for i := range d.Len() {
		img, err := d.Image(i)
		if err == nil || !skip {
			return img, err
		}
	}
	return datasets.Image{}, fmt.Errorf("%w: none of the %d samples of %s decodes", datasets.ErrDecode, d.Len(), d.Name())
}

// openModel opens a model for the samples of d.
func (r *Runner) openModel(ctx context.Context, o teacher.Options, d datasets.Dataset, skip bool) (*teacher.Model, error) {
	if err := r.runtime(); err != nil {
		return nil, err
	}
	img, err := firstImage(d, skip)
	if err != nil {
		return nil, err
	}
	return teacher.Open(ctx, o, img)
}
