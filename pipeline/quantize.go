package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"rkd/datasets"
	"rkd/datasets/regular"
	"rkd/models/onnx"
	"rkd/models/quantize"
	"rkd/pipeline/config"
	"rkd/pipeline/eval"
	"rkd/student/train/record"
	"rkd/teacher"
)

// Quantized says how a student was quantised, and what it costs; it stands in the metadata of its file.
type Quantized struct {
	Model string `json:"-"`
	Kind  string `json:"kind"` // int8 or float16
	// Layers is the number of layers with 8 bits, of All; Float lists those that were left in float, dearest first.
	Layers int      `json:"layers,omitempty"`
	All    int      `json:"all_layers,omitempty"`
	Float  []string `json:"float_layers,omitempty"`
	// Ranges is the method that chose the ranges of activations on Samples training samples.
	Ranges  string `json:"ranges,omitempty"`
	Samples int    `json:"calibration_samples,omitempty"`
	// Drop is how much lower each metric of the gate is than that of the student in float, on the test data.
	Drop map[string]float64 `json:"drop"`
	// Refused says that no file was written, since Drop is more than the gate allows whatever is left in float.
	Refused  bool `json:"refused,omitempty"`
	UpToDate bool `json:"-"`
}

func (q *Quantized) String() string {
	var drops []string
	for _, name := range slices.Sorted(maps.Keys(q.Drop)) {
		drops = append(drops, fmt.Sprintf("%s %+.4f", name, 0-q.Drop[name]))
	}
	text := strings.Join(drops, ", ")
	if q.Kind == config.QuantizeInt8 {
		text = fmt.Sprintf("%d of %d layers in int8 (ranges: %s of %d samples), %s", q.Layers, q.All, q.Ranges, q.Samples,
			text)
	}
	if q.Refused {
		return "refused: " + text
	}
	return text
}

// quantizationEntry holds Quantized as JSON in the metadata of a quantised student.
const quantizationEntry = metadataPrefix + "quantization"

// quantizedPath is where the quantised form of a student stands, beside it.
func quantizedPath(student, kind string) string {
	return strings.TrimSuffix(student, filepath.Ext(student)) + "_" + kind + filepath.Ext(student)
}

// exportQuantized writes the quantised form of the exported student in path, unless it is there and made from the same
// weights, options and data. Its layers' ranges are of training samples; both forms are measured on the test data, and
// layers are left in float, those that cost most first, until no metric of export.max_drop falls further than that
// says.
func (r *Runner) exportQuantized(ctx context.Context, s *student, path string, o config.Export) (*Quantized, error) {
	target := quantizedPath(path, o.Quantize)
	test, err := r.dataset(ctx, "test")
	if err != nil {
		return nil, err
	}
	key, err := s.quantizedKey(o, r.Experiment.Base.Eval, test.Fingerprint())
	if err != nil {
		return nil, err
	}
	if done, made := readQuantized(path, o.Quantize); made == key {
		done.UpToDate = true
		return done, nil
	}
	m, err := onnx.Load(path)
	if err != nil {
		return nil, err
	}
	if err := r.runtime(); err != nil {
		return nil, err
	}
	if needsTeacher(o) {
		if err := r.referTo(ctx, &r.Experiment.Base); err != nil {
			return nil, fmt.Errorf("export.max_drop compares with the teacher: %w", err)
		}
	}
	gate := &gate{runner: r, options: o, of: studentOptions(path, s.config), data: test}
	gate.scratch = filepath.Join(filepath.Dir(target), "."+filepath.Base(target)+unverifiedSuffix)
	if gate.float, err = gate.measure(ctx, path); err != nil {
		return nil, fmt.Errorf("export.max_drop measures the student on the test data: %w", err)
	}
	var q *onnx.Model
	done := &Quantized{Model: target, Kind: o.Quantize}
	if o.Quantize == config.QuantizeFloat16 {
		if q, err = quantize.Float16(m); err == nil {
			done.Drop, done.Refused, err = gate.check(ctx, q)
		}
	} else {
		q, err = r.int8(ctx, s, m, gate, done)
	}
	if err != nil {
		return nil, err
	}
	if done.Refused {
		if err := os.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("removing an earlier form: %w", err)
		}
	} else if err := r.saveQuantized(m, q, done, key); err != nil {
		return nil, err
	}
	data, err := record.Marshal(quantizedRecord{*done, key})
	if err != nil {
		return nil, err
	}
	return done, record.WriteFile(besideQuantized(target), data)
}

// saveQuantized writes a form with the metadata of the student in float.
func (r *Runner) saveQuantized(float, q *onnx.Model, about *Quantized, key string) error {
	text, err := json.Marshal(about)
	if err != nil {
		return err
	}
	meta := float.Metadata()
	meta[quantizationEntry], meta[sealEntry], meta[metadataPrefix+"export_key"] = string(text), unsealed, key
	q.SetMetadata(meta)
	return sealModel(q, about.Model)
}

// quantizedRecord is the file beside a quantised form: what its metadata say, or that there is none, and why.
type quantizedRecord struct {
	Quantized
	Key string `json:"key"`
}

// besideQuantized is its path.
func besideQuantized(target string) string {
	return strings.TrimSuffix(target, filepath.Ext(target)) + ".json"
}

// quantizedKey identifies a quantised form: what decides the export, and what the gate looks at.
func (s *student) quantizedKey(o config.Export, e config.Eval, data string) (string, error) {
	export, err := s.exportKey(o)
	if err != nil {
		return "", err
	}
	options, err := config.SectionKey("export", o)
	if err != nil {
		return "", err
	}
	measured, err := config.SectionKey("eval", e)
	if err != nil {
		return "", err
	}
	key := config.Key{
		"format_version": quantizedKeyVersion, "export": export, "options": options, "eval": measured, "data": data,
	}
	if needsTeacher(o) {
		key["teacher"] = s.about.Teacher
	}
	return key.Hash(), nil
}

// needsTeacher says that the gate compares with the teacher.
func needsTeacher(o config.Export) bool {
	metrics, err := eval.ParseMetrics(slices.Sorted(maps.Keys(o.MaxDrop)))
	return err == nil && slices.ContainsFunc(metrics, eval.Metric.NeedsTeacher)
}

// quantizedKeyVersion is raised when the same student is quantised differently.
const quantizedKeyVersion = 1

// readQuantized returns what is known of the quantised form of the student in path, and the key that it was made with;
// nil where there is none, or it is damaged.
func readQuantized(path, kind string) (*Quantized, string) {
	target := quantizedPath(path, kind)
	data, err := regular.ReadFile(besideQuantized(target))
	if err != nil {
		return nil, ""
	}
	var known quantizedRecord
	if sealed, err := record.Unmarshal(data, &known); err != nil || !sealed {
		return nil, ""
	}
	known.Model = target
	if known.Refused {
		return &known.Quantized, known.Key
	}
	m, err := onnx.Load(target)
	if err != nil || m.Metadata()[metadataPrefix+"export_key"] != known.Key {
		return nil, ""
	}
	if intact, _, err := seal(target, m); err != nil || !intact {
		return nil, ""
	}
	return &known.Quantized, known.Key
}

// gate measures forms of a student on the test data.
type gate struct {
	runner  *Runner
	options config.Export
	of      teacher.Options
	data    datasets.Dataset
	float   map[string]float64
	scratch string // path of forms that are measured
}

// measure computes the metrics of the gate of the model in a file.
func (g *gate) measure(ctx context.Context, path string) (map[string]float64, error) {
	g.of.Model = path
	model, _, err := g.runner.openModel(ctx, g.of, g.data)
	if err != nil {
		return nil, err
	}
	defer model.Close()
	out, err := newEmbedder(model, g.data, nil, model.Transform()).all(ctx, Quiet{})
	if err != nil {
		return nil, err
	}
	if err := g.runner.reference.beside(&out); err != nil {
		return nil, err
	}
	e := g.runner.Experiment.Base.Eval
	e.Metrics = slices.Sorted(maps.Keys(g.options.MaxDrop))
	figures, err := measure(ctx, e, out.Outputs, Quiet{}, 0)
	if err != nil {
		return nil, err
	}
	for _, name := range e.Metrics {
		if _, measured := figures.Values[name]; !measured {
			return nil, fmt.Errorf("%w: export.max_drop has %s, which this student has no figure of", config.ErrConfig, name)
		}
	}
	return figures.Values, nil
}

// check says how far a form falls, and whether that is further than allowed.
func (g *gate) check(ctx context.Context, m *onnx.Model) (drop map[string]float64, refused bool, err error) {
	if err := m.Save(g.scratch); err != nil {
		return nil, false, err
	}
	defer func() { err = errors.Join(err, os.Remove(g.scratch)) }()
	values, err := g.measure(ctx, g.scratch)
	if err != nil {
		return nil, false, err
	}
	drop = map[string]float64{}
	for name, most := range g.options.MaxDrop {
		drop[name] = g.float[name] - values[name]
		refused = refused || !(drop[name] <= most)
	}
	return drop, refused, nil
}

// measureQuantized adds the row of a variant's quantised students, and what was refused to the row before it.
func (r *Runner) measureQuantized(ctx context.Context, data datasets.Dataset, alike *fidelity, tasks []Task,
	res *Results,
) error {
	kind, row := tasks[0].Config.Export.Quantize, tasks[0].row()
	if kind == "" {
		return nil
	}
	var there []Task
	var about []Quantized
	for _, t := range tasks {
		q, _ := readQuantized(t.Model(), kind)
		switch {
		case q == nil:
		case q.Refused:
			float := res.Models[row]
			float.Quantized = append(float.Quantized, *q)
			res.Models[row] = float
		default:
			there, about = append(there, t), append(about, *q)
		}
	}
	if len(there) == 0 {
		return nil
	}
	v, err := r.measureVariant(ctx, data, alike, there, func(t Task) string { return quantizedPath(t.Model(), kind) }, res)
	if err != nil {
		return err
	}
	v.Quantized = about
	row += "/" + kind
	res.Models[row], res.Order = v, append(res.Order, row)
	return nil
}
