package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"rkd/datasets"
	"rkd/datasets/regular"
	"rkd/models/onnx"
	"rkd/pipeline/config"
	"rkd/pipeline/storage"
	"rkd/student/engine"
	"rkd/student/loss"
	"rkd/teacher"
)

// ErrVerify reports an exported model that does not compute what the student's graph does.
var ErrVerify = errors.New("export does not agree with the student's graph")

const (
	opset = 17
	// verifySamples real samples are compared; verifyLimit is the largest absolute difference allowed.
	verifySamples = 64
	verifyLimit   = 1e-4
)

// Exported describes the export of one student.
type Exported struct {
	Model      string  `json:"model"`
	Difference float64 `json:"largest_difference"` // to the graph, over Samples samples; 0 where UpToDate
	Samples    int     `json:"samples"`
	UpToDate   bool    `json:"up_to_date"`
	// Images is the second file, which takes images of any size; nil without.
	Images *FromImages `json:"images,omitempty"`
	// Quantized is the smaller form that export.quantize asks for; nil without.
	Quantized *Quantized `json:"quantized,omitempty"`
}

// Export writes the students of tasks as ONNX files, each verified against its graph on real samples before it gets its
// name. A file that is there, whole, and made from the same weights and options is left alone. A student that was
// trained from another configuration than its task's is ErrMismatch.
func (r *Runner) Export(ctx context.Context, tasks []Task) (all []Exported, err error) {
	release, err := r.holdTasks(ctx, tasks)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	return r.export(ctx, tasks)
}

func (r *Runner) export(ctx context.Context, tasks []Task) ([]Exported, error) {
	var all []Exported
	for _, t := range tasks {
		if err := sweepExports(t.Dir()); err != nil {
			return nil, fmt.Errorf("%s: %w", t, err)
		}
		s, err := t.trained()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t, err)
		}
		done, err := r.exportStudent(ctx, s, t.Model(), t.Config.Export)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t, err)
		}
		all = append(all, *done)
		if done.UpToDate {
			r.Progress.Say("export %s: up to date", t)
		} else {
			r.Progress.Say("export %s: %s, largest difference to the graph %.1e over %d samples", t, done.Model, done.Difference,
				done.Samples)
			if done.Images != nil {
				r.Progress.Say("export %s: %s", t, done.Images)
			}
		}
		if t.Config.Export.Quantize != "" {
			q, err := r.exportQuantized(ctx, s, t.Model(), t.Config.Export)
			if err != nil {
				return nil, fmt.Errorf("%s: quantising: %w", t, err)
			}
			all[len(all)-1].Quantized = q
			r.Progress.Say("export %s: %s: %s", t, q.Model, q)
		}
	}
	return all, nil
}

// ExportCheckpoint exports the student of the checkpoint in dir to the file path, default student.onnx in dir, without
// a configuration file: the checkpoint holds the one that it was trained with. Both may be URLs.
func (m Machine) ExportCheckpoint(ctx context.Context, dir, path string) (done *Exported, err error) {
	local, err := localRun(ctx, dir)
	if err != nil {
		return nil, err
	}
	s, err := readStudent(local)
	if err != nil {
		return nil, err
	}
	if path == "" {
		path = storage.Join(dir, exportedName(""))
	}
	r := &Runner{Machine: m, Experiment: &config.Experiment{File: dir, Base: *s.config}}
	if !storage.IsRemote(path) {
		return r.exportStudent(ctx, s, path, s.config.Export)
	}
	scratch, err := os.MkdirTemp("", "rkd-export-")
	if err != nil {
		return nil, fmt.Errorf("exporting: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	folder, name := storage.Split(path)
	file := filepath.Join(scratch, name)
	if done, err = r.exportStudent(ctx, s, file, s.config.Export); err != nil {
		return nil, err
	}
	upload := func(file string) (string, error) {
		data, err := regular.ReadFile(file)
		if err == nil {
			err = storage.At(folder).Replace(ctx, filepath.Base(file), storage.Bytes(data))
		}
		return storage.Join(folder, filepath.Base(file)), err
	}
	if done.Model, err = upload(file); err == nil && done.Images != nil {
		done.Images.Model, err = upload(done.Images.Model)
	}
	if err != nil {
		return nil, fmt.Errorf("exporting to %q: %w", path, err)
	}
	return done, nil
}

func (r *Runner) exportStudent(ctx context.Context, s *student, path string, o config.Export) (*Exported, error) {
	key, err := s.exportKey(o)
	if err != nil {
		return nil, err
	}
	images := o.Preprocess && shapes(s.config.Student.Preprocess)
	done, err := s.exported(path, key, o)
	if err != nil {
		return nil, err
	}
	if done && images && exportedWith(path, key) { // an earlier version wrote no second file
		if done, err = s.exported(imagesPath(path), key, o); err != nil {
			return nil, err
		}
	}
	if done {
		return &Exported{Model: path, UpToDate: true}, nil
	}
	data, err := r.dataset(ctx, "train")
	if err != nil {
		return nil, err
	}
	s.classes = data.Classes()
	m, err := s.model(o, r.Version, key)
	if err != nil {
		return nil, err
	}
	unverified := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+unverifiedSuffix)
	defer func() { _ = os.Remove(unverified) }() // gone already when it has been verified
	if err := sealModel(m, unverified); err != nil {
		return nil, err
	}
	verified, err := r.verify(ctx, s, unverified)
	if err != nil {
		return nil, err
	}
	if images {
		if verified.Images, err = r.exportImages(ctx, s, imagesPath(path), key); err != nil {
			return nil, err
		}
	}
	if err := os.Rename(unverified, path); err != nil {
		return nil, fmt.Errorf("exporting: %w", err)
	}
	verified.Model = path
	return verified, nil
}

// model builds the student's ONNX model.
func (s *student) model(o config.Export, version, key string) (*onnx.Model, error) {
	b := onnx.NewBuilder(s.config.Name, opset)
	dims := []any{"N"}
	for _, d := range s.about.Input {
		dims = append(dims, d)
	}
	var input string
	if o.Preprocess {
		input = s.bakePreprocess(b)
	} else {
		input = b.Input(floatInput, onnx.Float32, dims...)
	}
	return s.finish(b, input, s.card(o, version), o, key)
}

// finish adds the network and its outputs behind input, and says in the model's metadata what it is, by card, and what
// it was made from.
func (s *student) finish(b *onnx.Builder, input string, card studentCard, o config.Export, key string) (*onnx.Model,
	error,
) {
	embedding, err := engine.ToONNX(b, input, s.network, s.weights)
	if err != nil {
		return nil, err
	}
	b.Rename(embedding, embeddingOutput)
	b.Output(embeddingOutput, onnx.Float32, "N", s.network.Dim)
	if s.head != nil {
		b.Rename(s.config.Student.Head.Lower(b, embeddingOutput, s.head), logitsOutput)
		b.Output(logitsOutput, onnx.Float32, "N", s.about.Classes)
	}
	m, err := b.Model("rkd", card.Version)
	if err != nil {
		return nil, err
	}
	if *o.FoldBatchNorm {
		m.FoldBatchNorm()
	}
	text, err := card.text()
	if err != nil {
		return nil, fmt.Errorf("describing the student: %w", err)
	}
	m.SetMetadata(map[string]string{
		metadataPrefix + "version":        card.Version,
		metadataPrefix + "teacher_sha256": s.about.Teacher,
		metadataPrefix + "cache_key":      s.about.Cache,
		metadataPrefix + "variant":        s.about.Variant,
		metadataPrefix + "seed":           strconv.FormatUint(s.about.Seed, 10),
		metadataPrefix + "weights_sha256": s.file.SHA256,
		metadataPrefix + "export_key":     key,
		studentEntry:                      text,
		sealEntry:                         unsealed,
	})
	return m, nil
}

// bakePreprocess adds the input of pixels, uint8 (N,H,W,C) as they are after resizing, cropping and the choice of
// colours, and what is left of the preprocessing: (x·scale − mean)/std and the layout.
func (s *student) bakePreprocess(b *onnx.Builder) string {
	c, h, w := s.about.Input[0], s.about.Input[1], s.about.Input[2]
	pixels := b.Input(pixelInput, onnx.Uint8, "N", h, w, c)
	scale, mean, std := s.config.Student.Preprocess.Normalization(c)
	x := b.Node("Cast", []string{pixels}, onnx.Int("to", int64(onnx.Float32)))
	x = b.Node("Mul", []string{x, b.Float32("preprocess.scale", []int{1}, []float32{scale})})
	x = b.Node("Sub", []string{x, b.Float32("preprocess.mean", []int{c}, mean)})
	x = b.Node("Div", []string{x, b.Float32("preprocess.std", []int{c}, std)})
	return b.Node("Transpose", []string{x}, onnx.Ints("perm", 0, 3, 1, 2))
}

// verify compares the model in path, run by ONNX Runtime, with the student's graph, run by the engine, on samples of
// the training data.
func (r *Runner) verify(ctx context.Context, s *student, path string) (*Exported, error) {
	samples, err := r.verified(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.runtime(); err != nil {
		return nil, err
	}
	options := studentOptions(path, s.config)
	options.Batch, options.Provider, options.ProviderOptions = len(samples), "", nil
	model, err := teacher.Open(ctx, options, samples[0])
	if err != nil {
		return nil, err
	}
	defer model.Close()
	got, err := model.Embed(ctx, samples...)
	if err != nil {
		return nil, err
	}
	want, err := s.embed(ctx, samples)
	if err != nil {
		return nil, err
	}
	done := &Exported{Samples: len(samples)}
	for i, v := range slices.Concat(got.Embedding, got.Logits) {
		done.Difference = max(done.Difference, math.Abs(float64(v)-float64(want[i])))
	}
	if !(done.Difference <= verifyLimit) {
		return nil, fmt.Errorf("%w: largest difference %.1e over %d samples, expected at most %.0e", ErrVerify,
			done.Difference,
			done.Samples, verifyLimit)
	}
	return done, nil
}

// verified are the samples of the training data that exports are verified on.
func (r *Runner) verified(ctx context.Context) ([]datasets.Sample, error) {
	data, err := r.dataset(ctx, "train")
	if err != nil {
		return nil, err
	}
	return datasets.Spread(ctx, data, verifySamples)
}

// embed runs the student's inference graph on the engine: embeddings (N,D), then, where there is a head, logits (N,C).
func (s *student) embed(ctx context.Context, samples []datasets.Sample) ([]float32, error) {
	t, err := datasets.NewTransform(*s.config.Student.Preprocess, datasets.Float32, s.about.size())
	if err != nil {
		return nil, err
	}
	b, err := datasets.Gather(ctx, t, len(samples), samples...)
	if err != nil {
		return nil, err
	}
	reference, err := engine.NewGorgonia(s.network, s.weights, len(samples))
	if err != nil {
		return nil, err
	}
	defer reference.Close()
	out, err := reference.Embed(ctx, nil, b.Values.Float32)
	if err != nil || s.head == nil {
		return out, err
	}
	logits, err := s.head.Forward(nil, loss.Matrix[float32]{Rows: len(samples), Cols: s.network.Dim, Data: out})
	return append(out, logits...), err
}
