package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"rkd/datasets"
	"rkd/datasets/regular"
	"rkd/pipeline/cache"
	"rkd/pipeline/config"
	"rkd/pipeline/eval"
	"rkd/student/train"
	"rkd/student/train/record"
	"rkd/teacher"
)

// measuredFile is the name, in a run directory, of the figures of single models.
const measuredFile = "measured.json"

// measuredModels are the figures of models that an experiment has evaluated, so that another seed or variant evaluates
// itself alone. It is kept for speed: what is lost or damaged is measured again.
type measuredModels struct {
	Models map[string]*measuredModel `json:"models"` // by what decides the figures
}

// measuredModel are a model's figures on the test data.
type measuredModel struct {
	ModelResult
	Samples  int                `json:"samples"`
	Skipped  int                `json:"skipped,omitempty"`
	Fidelity map[string]float64 `json:"fidelity,omitempty"` // see fidelity
}

func readMeasured(dir string) (*measuredModels, error) {
	m := &measuredModels{}
	data, err := regular.ReadFile(filepath.Join(dir, measuredFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading figures: %w", err)
	}
	if err == nil {
		if _, err := record.Unmarshal(data, m); err != nil {
			m = &measuredModels{}
		}
	}
	if m.Models == nil {
		m.Models = map[string]*measuredModel{}
	}
	return m, nil
}

func (m *measuredModels) write(dir string) error {
	data, err := record.Marshal(m)
	if err != nil {
		return fmt.Errorf("writing figures: %w", err)
	}
	return record.WriteFile(filepath.Join(dir, measuredFile), data)
}

// measureOnce is measure for a model of the experiment, unless it was measured before on the same data, opened in the
// same way.
func (r *Runner) measureOnce(ctx context.Context, data datasets.Dataset, alike *fidelity, o teacher.Options,
) (*measuredModel, error) {
	return r.once(data, o, func() (*measuredModel, error) {
		figures, out, err := r.measure(ctx, data, o)
		if err != nil {
			return nil, err
		}
		if len(r.measured.Models) == 0 {
			saySkipped(r.Progress, "evaluate", out.skipped, data.Len()) // the same for all models
		}
		m := &measuredModel{ModelResult: *figures, Samples: len(out.Labels), Skipped: len(out.skipped)}
		m.Fidelity, err = alike.to(ctx, out)
		return m, err
	})
}

// once returns the figures that are kept of a model, or measures them.
func (r *Runner) once(data datasets.Dataset, o teacher.Options, measure func() (*measuredModel, error)) (*measuredModel,
	error,
) {
	key, err := r.measuredKey(data, o)
	if err != nil {
		return nil, err
	}
	return r.onceBy(key, data, measure)
}

func (r *Runner) onceBy(key string, data datasets.Dataset, measure func() (*measuredModel, error)) (*measuredModel,
	error,
) {
	if m := r.measured.Models[key]; m != nil {
		r.Progress.Add(2 * data.Len())
		return m, nil
	}
	m, err := measure()
	if err != nil {
		return nil, err
	}
	r.measured.Models[key] = m
	return m, r.measured.write(workDir(&r.Experiment.Base))
}

// measuredKey is what decides a model's figures.
func (r *Runner) measuredKey(data datasets.Dataset, o teacher.Options) (string, error) {
	hash, err := modelHash(o.Model)
	if err != nil {
		return "", err
	}
	options, err := config.SectionKey("teacher", o)
	if err != nil {
		return "", err
	}
	options["model"], options["preprocess"] = hash, o.Preprocess.Canonical()
	return r.figuresKey(data, "model", options)
}

// figuresKey is what decides the figures of what is described.
func (r *Runner) figuresKey(data datasets.Dataset, name string, described map[string]any) (string, error) {
	metrics := r.Experiment.Base.Eval
	metrics.Curve = false // belongs to trainings
	of, err := config.SectionKey("eval", metrics)
	if err != nil {
		return "", err
	}
	key := config.Key{"format_version": resultsKeyVersion, "data": data.Fingerprint(), "eval": of, name: described}
	if r.reference != nil {
		key["reference"] = r.reference.key
	}
	return key.Hash(), nil
}

// reference is what the teachers say of the test data.
type reference struct {
	key      string // of their caches
	teachers []referred
	joined   outputs       // of all, times their weights, behind each other; the only one's as they are
	rows     map[int64]int // of joined, by sample
}

// referred is what one teacher says of the test data.
type referred struct {
	config.Taught
	out outputs
}

// testCache is the name, in a run directory, of the cache of the teacher's embeddings of the test data.
const testCache = "test-cache"

// referTo makes ready what students are compared with: the teachers' embeddings of the test data, from caches of their
// own, so that the teachers run over them once.
func (r *Runner) referTo(ctx context.Context, c *config.Config) error {
	r.reference = nil
	data, err := r.dataset(ctx, "test")
	if err != nil || c.Untaught() || anyDeclared(c) {
		return err
	}
	of := *c
	of.Cache.Dir, of.Cache.Views = filepath.Join(workDir(c), testCache), 1
	of.Cache.DType, of.Cache.PCA, of.Cache.Whiten = "float32", 0, 0 // students are compared with the embeddings themselves
	of.Teacher.Logits.Top = 0                                       // all of them are measured
	of.Teachers = maps.Clone(c.Teachers)
	for name, t := range of.Teachers {
		t.Logits.Top = 0
		of.Teachers[name] = t
	}
	if err := r.precomputeAll(ctx, &of, data); err != nil {
		return fmt.Errorf("what the teacher says of the test data: %w", err)
	}
	filled, err := openSource(ctx, data, &of)
	if err != nil {
		return err
	}
	f := &reference{rows: map[int64]int{}}
	f.key, _ = filled.identity()
	for i, t := range filled.teachers {
		table, err := filled.caches[i].Load(ctx)
		if err != nil {
			return t.Named(err)
		}
		out := outputs{ids: table.IDs, Outputs: eval.Outputs{
			Embeddings: table.Embeddings, Dim: table.Dim, Logits: table.Logits, Classes: table.LogitsDim, Labels: table.Labels,
			Teacher: table.Embeddings, TeacherDim: table.Dim,
		}}
		f.teachers = append(f.teachers, referred{t, out})
		if err := f.join(out, t); err != nil {
			return err
		}
	}
	for i, id := range f.joined.ids {
		f.rows[id] = i
	}
	f.joined.Teacher, f.joined.TeacherDim = f.joined.Embeddings, f.joined.Dim
	r.reference = f
	return nil
}

// join puts what another teacher says behind what those before it do.
func (f *reference) join(out outputs, t config.Taught) error {
	if t.Name != "" {
		weighted := make([]float32, len(out.Embeddings))
		for i, v := range out.Embeddings {
			weighted[i] = v * float32(t.Weight)
		}
		out.Embeddings = weighted
	}
	if len(f.teachers) == 1 {
		f.joined = out
		return nil
	}
	if !slices.Equal(out.ids, f.joined.ids) {
		return fmt.Errorf("%w: teachers %s and %s were shown different test samples", datasets.ErrChanged, f.teachers[0].Name,
			t.Name)
	}
	f.joined.Embeddings = beside(f.joined.Embeddings, f.joined.Dim, out.Embeddings, out.Dim)
	f.joined.Dim += out.Dim
	if out.Classes > 0 {
		f.joined.Logits, f.joined.Classes = out.Logits, out.Classes
	}
	return nil
}

// beside puts the rows of two matrices of as many rows behind each other.
func beside(a []float32, widthA int, b []float32, widthB int) []float32 {
	both := make([]float32, 0, len(a)+len(b))
	for i := range len(a) / widthA {
		both = append(both, a[i*widthA:(i+1)*widthA]...)
		both = append(both, b[i*widthB:(i+1)*widthB]...)
	}
	return both
}

// models is the number of teachers.
func (f *reference) models() int {
	if f == nil {
		return 0
	}
	return len(f.teachers)
}

// outputs are what the teachers say, nothing where there is none.
func (f *reference) outputs() outputs {
	if f == nil {
		return outputs{}
	}
	return f.joined
}

// beside adds the teacher's embeddings to what a model says of the same samples.
func (f *reference) beside(out *outputs) error {
	if f == nil {
		return nil
	}
	of := &f.joined
	out.TeacherDim = of.Dim
	out.Teacher = make([]float32, 0, len(out.ids)*of.Dim)
	for _, id := range out.ids {
		row, ok := f.rows[id]
		if !ok {
			return fmt.Errorf("%w: the teacher's embeddings of the test data lack sample %d", cache.ErrCorrupt, id)
		}
		out.Teacher = append(out.Teacher, of.Embeddings[row*of.Dim:(row+1)*of.Dim]...)
	}
	return nil
}

// describeOnly are the results without test data: sizes and speeds, and the score by which checkpoints were chosen.
func (r *Runner) describeOnly(ctx context.Context, tasks []Task) (*Results, error) {
	c := &r.Experiment.Base
	data, err := r.dataset(ctx, "train")
	if err != nil {
		return nil, err
	}
	r.Progress.Say("evaluate: there are no test data: the table has the score of the samples held out of training, by " +
		"which checkpoints were chosen, and sizes; name data.test or data.split for figures that compare with others'")
	res := &Results{
		Format: resultsFormat, Name: c.Name, Models: map[string]VariantResult{}, Metrics: []string{selectionMetric},
	}
	describe := func(o teacher.Options) (*ModelResult, error) {
		model, sample, err := r.openModel(ctx, o, data)
		if err != nil {
			return nil, err
		}
		defer model.Close()
		m := &ModelResult{Metrics: map[string]float64{}, Parameters: model.Parameters(), Bytes: model.Bytes()}
		m.LatencyMillis, err = model.Latency(ctx, sample, latencyRuns)
		return m, err
	}
	teachers := c.EachTeacher()
	for _, t := range teachers {
		m, err := describe(t.Config.Teacher)
		if err != nil {
			return nil, err
		}
		if res.Teacher = *m; len(teachers) > 1 {
			res.Teachers = append(res.Teachers, NamedResult{Name: t.Name, ModelResult: *m})
		}
	}
	for _, group := range byRow(tasks) {
		v, err := r.gather(group, func(t Task) (*measuredModel, error) {
			of, err := describe(studentOptions(t.Model(), t.Config))
			if err != nil {
				return nil, err
			}
			m := &measuredModel{ModelResult: *of}
			checkpoint, err := train.ReadCheckpoint(t.Dir())
			if err == nil && checkpoint.Best != nil {
				m.Metrics[selectionMetric] = checkpoint.Best.Score
			}
			return m, err
		})
		if err != nil {
			return nil, err
		}
		res.Models[group[0].row()] = v
		res.Order = append(res.Order, group[0].row())
	}
	return res, res.write(workDir(c))
}

// selectionMetric is what the score of the selection split is called among figures.
const selectionMetric = "selection"
