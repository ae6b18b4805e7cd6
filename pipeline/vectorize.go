package pipeline

import (
	"context"
	"fmt"
	"os"
	"strings"

	"rkd/datasets"
	"rkd/models/onnx"
	"rkd/pipeline/config"
	"rkd/pipeline/vectors"
	"rkd/teacher"
)

// EmbedOptions say what embeds which pictures.
type EmbedOptions struct {
	// Model is an ONNX file or a run directory, Student chooses one of its students; see docs/use.md.
	Model, Student string
	// As opens a model that rkd did not export; of a student it gives batch, threads and execution provider.
	As teacher.Options
	// Described says that As has the preprocessing; without it a model that rkd did not export is refused.
	Described bool
	// Source is a folder of pictures, a picture, or a source as in a configuration: "{source: mnist, split: test}".
	Source string
	// Out is the file of vectors to write, .parquet or .npy.
	Out string
}

// Embedded is what Embed wrote.
type Embedded struct {
	File    string `json:"file"`
	Model   string `json:"model"`
	Rows    int    `json:"rows"`
	Dim     int    `json:"dim"`
	Skipped int    `json:"skipped"`
}

// Embed runs a model over pictures and writes their vectors with their paths. Pictures of a folder that do not decode
// are left out, and told.
//
// It returns config.ErrConfig for a choice that fits nothing, vectors.ErrFormat for a file name of another end, and the
// errors of what it opens.
func (m Machine) Embed(ctx context.Context, o EmbedOptions) (*Embedded, error) {
	if err := vectors.CheckName(o.Out); err != nil {
		return nil, fmt.Errorf("%w: --out: %w", config.ErrConfig, err)
	}
	model, err := chooseModel(o.Model, o.Student, o.As)
	if err != nil {
		return nil, err
	}
	if err := o.check(model); err != nil {
		return nil, err
	}
	data, err := m.openPictures(ctx, o.Source)
	if err != nil {
		return nil, err
	}
	set, skipped, err := m.vectorize(ctx, model, data)
	if err != nil {
		return nil, err
	}
	set.Source = o.Source
	if err := vectors.Write(o.Out, set); err != nil {
		return nil, err
	}
	return &Embedded{File: o.Out, Model: model.Model, Rows: set.Len(), Dim: set.Dim, Skipped: skipped}, nil
}

// check refuses a model of which nothing says how pictures become its input.
func (o EmbedOptions) check(model teacher.Options) error {
	if o.Described || o.Student == "teacher" {
		return nil
	}
	if _, exported, err := exportedModelOptions(model.Model); err != nil || exported {
		return err
	}
	return fmt.Errorf("%w: %q was not exported by rkd, so that nothing says how its pictures are preprocessed: name a "+
		"configuration with --config, or --preprocess", config.ErrConfig, model.Model)
}

// openPictures opens what a user names as a source of pictures.
func (m Machine) openPictures(ctx context.Context, source string) (datasets.Dataset, error) {
	resources := datasets.Resources{CacheDir: m.CacheDir}
	if strings.HasPrefix(strings.TrimSpace(source), "{") {
		var s datasets.Source
		if err := config.ParseSection("SOURCE", []byte(source), &s); err != nil {
			return nil, err
		}
		return datasets.Open(ctx, s, resources)
	}
	info, err := os.Stat(source)
	switch {
	case err != nil:
		return nil, fmt.Errorf("opening pictures: %w", err)
	case info.IsDir():
		return datasets.Open(ctx, datasets.Source{Kind: "folder", Dir: source, OnError: "skip"}, resources)
	}
	return datasets.OpenFiles(ctx, []string{source}, resources)
}

// vectorize runs a model over all samples of data.
func (m Machine) vectorize(ctx context.Context, o teacher.Options, data datasets.Dataset) (set *vectors.Set,
	skipped int,
	err error,
) {
	r := &Runner{Machine: m}
	model, _, err := r.openModel(ctx, o, data)
	if err != nil {
		return nil, 0, err
	}
	defer model.Close()
	m.Progress.Start("embed", "images", 0, data.Len())
	defer m.Progress.Finish()
	out, err := newEmbedder(model, data, nil, model.Transform()).all(ctx, m.Progress)
	if err != nil {
		return nil, 0, err
	}
	saySkipped(m.Progress, "embed", out.skipped, data.Len())
	if len(out.ids) == 0 {
		return nil, 0, fmt.Errorf("%w: no picture of %s decodes", datasets.ErrDecode, data.Name())
	}
	set = &vectors.Set{
		About: vectors.About{
			Version: m.Version, Model: o.Model, Hash: model.Hash(), Metric: metricEuclidean, Normalize: normalization(o),
		},
		Dim: out.Dim, Values: out.Embeddings,
	}
	classes := data.Classes()
	for i, id := range out.ids {
		at, _ := data.Find(id)
		set.Paths = append(set.Paths, data.Path(at))
		class := ""
		if label := out.Labels[i]; label != datasets.NoLabel {
			class = classes[label]
		}
		set.Classes = append(set.Classes, class)
	}
	return set, len(out.skipped), nil
}

// metricEuclidean is what compares embeddings.
const metricEuclidean = "euclidean"

// normalization says whether a model's rows have length 1: by its options, or its own metadata.
func normalization(o teacher.Options) string {
	if o.Normalize == teacher.NormalizeL2 {
		return teacher.NormalizeL2
	}
	m, err := onnx.Load(o.Model)
	if err != nil || m.Metadata()[studentEntry] == "" {
		return teacher.NormalizeNone
	}
	c, err := readCard(m)
	if err != nil {
		return teacher.NormalizeNone
	}
	return c.Normalize
}
