package pipeline

import (
	"context"
	"errors"
	"slices"
	"time"

	"rkd/datasets"
	"rkd/pipeline/cache"
	"rkd/pipeline/config"
	"rkd/teacher"
)

// Forecast is the time, memory and disk space that an experiment will take, predicted without running it.
type Forecast struct {
	Train    Counted           `json:"train"`
	Test     *Counted          `json:"test,omitempty"`
	Teachers []TeacherForecast `json:"teachers"` // none where there is none
	Students []StudentForecast `json:"students"`
	// Trainings is the number of variants times seeds.
	Trainings int `json:"trainings"`
	// PaidAtEpoch is the epoch, counted through all trainings, at which the caches have paid for themselves against
	// teachers that run in every step. 0 where they are there already, -1 where the trainings see fewer rows than they
	// hold.
	PaidAtEpoch float64 `json:"paid_at_epoch"`
	// TeacherInEveryStepHours is what the trainings of all students would spend on a teacher in every step.
	TeacherInEveryStepHours float64 `json:"teacher_in_every_step_hours"`
}

// Counted are the samples of a part of the data.
type Counted struct {
	Name       string          `json:"name"`
	Samples    int             `json:"samples"`
	Unlabelled int             `json:"samples_without_label"`
	Classes    int             `json:"classes"` // that have samples
	Ledger     datasets.Ledger `json:"ledger"`
}

// TeacherForecast is what a teacher takes.
type TeacherForecast struct {
	Name         string        `json:"name,omitempty"` // where there are several
	Dim          int           `json:"dim"`
	LogitsDim    int           `json:"logits_dim"`
	SampleMillis float64       `json:"sample_ms"` // measured on Probed samples, preprocessing included
	Probed       int           `json:"probed_samples"`
	Hours        float64       `json:"hours"` // for the rows that are missing
	Cache        CacheForecast `json:"cache"`
}

// CacheForecast is what the cache takes.
type CacheForecast struct {
	Dir       string `json:"dir"`
	Rows      int    `json:"rows"`
	Missing   int    `json:"missing_rows"` // 0 where the cache is whole
	Bytes     int64  `json:"bytes"`        // of all rows, estimated
	FreeBytes int64  `json:"free_bytes"`
}

// StudentForecast is what the trainings of one variant take.
type StudentForecast struct {
	Variant       string   `json:"variant"`
	Input         []int    `json:"input"`
	Parameters    int64    `json:"parameters"`
	MemoryBytes   int64    `json:"memory_bytes"` // of a training, estimated
	BatchRows     int      `json:"batch_rows"`
	Epochs        int      `json:"epochs"`
	StepsPerEpoch int      `json:"steps_per_epoch"`
	Notes         []string `json:"notes,omitempty"`
}

// probeBatches is the number of batches on which the teacher's speed is measured.
const probeBatches = 4

// Forecast checks everything that can be checked before the teacher runs over the data, and predicts the rest from a
// few batches.
func (r *Runner) Forecast(ctx context.Context) (*Forecast, error) {
	if err := r.check(ctx); err != nil {
		return nil, err
	}
	c := &r.Experiment.Base
	data, err := r.dataset(ctx, "train")
	if err != nil {
		return nil, err
	}
	f := &Forecast{Train: count(data), Trainings: len(r.checks)}
	if c.Data.Tested() {
		test, err := r.dataset(ctx, "test")
		if err != nil {
			return nil, err
		}
		counted := count(test)
		f.Test = &counted
	}
	if err := r.checkTeachers(ctx, data); err != nil {
		return nil, err
	}
	for _, t := range c.EachTeacher() {
		of, err := r.forecastTeacher(ctx, t, data)
		if err != nil {
			return nil, t.Named(err)
		}
		f.Teachers = append(f.Teachers, *of)
	}
	f.students(r.checks)
	return f, nil
}

func (r *Runner) forecastTeacher(ctx context.Context, of config.Taught, data datasets.Dataset) (_ *TeacherForecast,
	err error,
) {
	c := of.Config
	key, err := cacheKey(data, c)
	if err != nil {
		return nil, err
	}
	f := &TeacherForecast{Name: of.Name, Cache: CacheForecast{Dir: c.Cache.Dir, Rows: data.Len() * c.Cache.Views}}
	if f.Cache.Missing, err = missingRows(ctx, c.Cache.Dir, key, f.Cache.Rows); err != nil {
		return nil, err
	}
	model, _, err := r.openModel(ctx, c.Teacher, data)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, model.Close()) }()
	if of.Name == "" {
		if err := r.checkWidths(ctx, []outputWidths{modelWidths(c, model.Dim(), model.LogitsDim())}); err != nil {
			return nil, err
		}
	}
	if err := r.probeTeacher(ctx, model, data, f); err != nil {
		return nil, err
	}
	f.Hours = float64(f.Cache.Missing) * f.perSample()
	f.Cache.Bytes = cacheBytes(data, c.Cache.Views, model.Dim(), logitsWidth(c.Teacher.Logits, model.LogitsDim()))
	if f.Cache.FreeBytes, _, err = freeSpace(c.Cache.Dir); err != nil {
		return nil, err
	}
	if f.Cache.Missing > 0 {
		err = checkDisk(c.Cache.Dir, f.Cache.Bytes)
	}
	return f, err
}

// perSample is the teacher's time for one sample in hours.
func (f *TeacherForecast) perSample() float64 { return f.SampleMillis / 3.6e6 }

// students fills in what trainings take.
func (f *Forecast) students(all []*checked) {
	perSample, missing := 0.0, 0.0 // of all teachers: hours, and hours for their caches
	for _, t := range f.Teachers {
		perSample += t.perSample()
		missing += t.Hours
	}
	left, epochs := 0.0, 0.0 // rows that the teachers compute once, less those that a step would have
	if perSample > 0 {
		left = missing / perSample
	}
	for _, c := range all {
		perEpoch := float64(c.options.StepsPerEpoch * c.options.Batch.Rows())
		total := float64(c.options.Epochs) * perEpoch
		f.TeacherInEveryStepHours += total * perSample
		if left > 0 {
			epochs += min(left, total) / perEpoch
			left -= total
		}
		if i := slices.IndexFunc(f.Students, func(s StudentForecast) bool { return s.Variant == c.Variant }); i >= 0 {
			continue // of another seed
		}
		s := StudentForecast{
			Variant: c.Variant, Input: c.network.Input, BatchRows: c.options.Batch.Rows(), Epochs: c.options.Epochs,
			StepsPerEpoch: c.options.StepsPerEpoch, Notes: c.notes,
			MemoryBytes: trainingBytes(c.network, c.options, c.options.Batch.Rows()),
		}
		for _, l := range c.network.Summaries() {
			s.Parameters += l.Parameters
		}
		f.Students = append(f.Students, s)
	}
	f.PaidAtEpoch = epochs
	if left > 0 {
		f.PaidAtEpoch = -1 // all trainings together see fewer rows than the cache has
	}
}

func count(d datasets.Dataset) Counted {
	c := Counted{Name: d.Name(), Samples: d.Len(), Ledger: d.Ledger()}
	seen := map[int32]bool{}
	for i := range d.Len() {
		if label := d.Label(i); label == datasets.NoLabel {
			c.Unlabelled++
		} else if !seen[label] {
			seen[label] = true
			c.Classes++
		}
	}
	return c
}

// missingRows is the number of rows that a cache of the key lacks: none of a whole one, all where it cannot be told.
func missingRows(ctx context.Context, dir string, key cache.Key, rows int) (int, error) {
	if err := cache.Admits(ctx, dir, key); err != nil {
		return 0, refused(err)
	}
	done, err := cache.Open(ctx, dir)
	switch {
	case errors.Is(err, cache.ErrNoCache), errors.Is(err, cache.ErrCorrupt):
		return rows, nil
	case err != nil:
		return 0, err
	case done.Check(key) == nil:
		return 0, nil
	}
	return max(0, rows-done.Rows()), nil
}

// probeTeacher measures the teacher on a few batches from all over the data, the first of which warms it up.
func (r *Runner) probeTeacher(ctx context.Context, model *teacher.Model, data datasets.Dataset,
	f *TeacherForecast,
) error {
	f.Dim, f.LogitsDim = model.Dim(), model.LogitsDim()
	n := min((probeBatches+1)*model.Batch(), data.Len())
	rows := make([]datasets.Row, n)
	for i := range rows {
		rows[i].Sample = i * data.Len() / n
	}
	e := newEmbedder(model, data, rows, model.Transform())
	warm, samples, start := n <= model.Batch(), 0, time.Now()
	err := e.embed(ctx, e.loader.InOrder(0, n), func(b *datasets.Batch, _ teacher.Embeddings) error {
		if !warm {
			warm, start = true, time.Now()
			return nil
		}
		samples += b.Len()
		return nil
	})
	if err != nil {
		return err
	}
	if f.Probed = samples; samples > 0 {
		f.SampleMillis = float64(time.Since(start).Nanoseconds()) / 1e6 / float64(samples)
	}
	return nil
}
