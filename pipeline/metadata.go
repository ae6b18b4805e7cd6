package pipeline

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"

	"rkd/datasets"
	"rkd/models/onnx"
	"rkd/pipeline/config"
	"rkd/teacher"
)

// Names in the metadata of an exported student. They describe it, to people and to other programs; of what they say rkd
// uses the preprocessing and the names of input and outputs alone. docs/configuration.md documents them.
const (
	metadataPrefix = "rkd."
	// studentEntry holds a studentCard as JSON.
	studentEntry = metadataPrefix + "student"
	// configEntry held the whole configuration in exports of earlier versions: of that the preprocessing is used.
	configEntry = metadataPrefix + "config"

	embeddingOutput = "embedding"
	logitsOutput    = "logits"
	floatInput      = "input"
	pixelInput      = "pixels"
	imagesInput     = "images"

	// cardFormat of what is written; of format 1, without shape, hashes and version, all is read that it has.
	cardFormat = 2
)

// studentCard says what an exported student takes and gives. It names no file.
type studentCard struct {
	Format  int    `yaml:"format"`
	Name    string `yaml:"name"`
	Version string `yaml:"rkd_version,omitempty"`
	Variant string `yaml:"variant,omitempty"`
	Seed    uint64 `yaml:"seed"`
	// Input is the name of the input: float32 in the layout of Preprocess, or uint8 (N,H,W,C) where Baked, which takes the
	// pixels that Preprocess gives before its normalisation. Shape is that of one sample there; 0 is any size.
	Input      string              `yaml:"input"`
	Type       string              `yaml:"input_type,omitempty"`
	Shape      []int               `yaml:"input_shape,flow,omitempty"`
	Baked      bool                `yaml:"preprocess_baked_in"`
	Preprocess datasets.Preprocess `yaml:"preprocess"`
	Embedding  string              `yaml:"embedding"`
	Dim        int                 `yaml:"embedding_dim"`
	Normalize  string              `yaml:"normalize"` // l2: rows of unit length; none
	// Metric compares embeddings as training and evaluation do: euclidean. (On unit rows the cosine gives the same order.)
	Metric  string `yaml:"metric"`
	Logits  string `yaml:"logits,omitempty"`
	Classes int    `yaml:"classes,omitempty"` // that logits tell apart
	// ClassNames are the training data's, in the order of the logits.
	ClassNames []string `yaml:"class_names,flow,omitempty"`
	// DropIn says that embeddings search those of the teacher.
	DropIn bool `yaml:"drop_in,omitempty"`
	// Hashes of the teacher's model, of the cache's key and of the weights.
	Teacher string `yaml:"teacher_sha256,omitempty"`
	Cache   string `yaml:"cache_key,omitempty"`
	Weights string `yaml:"weights_sha256,omitempty"`
}

// card describes the student as it is exported with options o.
func (s *student) card(o config.Export, version string) studentCard {
	c := studentCard{
		Format: cardFormat, Name: s.config.Name, Version: version, Variant: s.about.Variant, Seed: s.about.Seed,
		Input: floatInput, Type: onnx.Float32.String(), Shape: s.about.Input, Baked: o.Preprocess,
		Preprocess: s.config.Student.Preprocess.Resolved(), Embedding: embeddingOutput, Dim: s.network.Dim,
		Normalize: s.config.Student.Normalize, Metric: metricEuclidean, Classes: s.about.Classes,
		DropIn: s.config.Student.DropIn, Teacher: s.about.Teacher, Cache: s.about.Cache, Weights: s.file.SHA256,
	}
	if s.about.Mixed && c.Preprocess.Color == "" {
		c.Preprocess.Color = "rgb" // a picture by itself is not known to be one among others
	}
	if c.Baked {
		c.Input, c.Type = pixelInput, onnx.Uint8.String()
		c.Shape = []int{c.Shape[1], c.Shape[2], c.Shape[0]}
	}
	if len(s.classes) == c.Classes {
		c.ClassNames = s.classes
	}
	if s.head != nil {
		c.Logits = logitsOutput
	}
	return c
}

// text is the card as JSON, with the names that the configuration has.
func (c studentCard) text() (string, error) {
	values, err := config.Values(c)
	if err != nil {
		return "", err
	}
	data, err := json.Marshal(values)
	return string(data), err
}

// readCard reads what an exported student says of itself.
func readCard(m *onnx.Model) (c studentCard, err error) {
	err = config.ParseSection(studentEntry, []byte(m.Metadata()[studentEntry]), &c)
	if err == nil && (c.Format < 1 || c.Format > cardFormat) {
		err = fmt.Errorf("format is %d, expected 1 to %d", c.Format, cardFormat)
	}
	return c, err
}

// exportedOptions returns how to open m, read from path, where it was exported by rkd; ok is false where it was not.
// Metadata that do not fit the model are onnx.ErrFormat.
func exportedOptions(path string, m *onnx.Model) (o teacher.Options, ok bool, err error) {
	o = teacher.Options{Model: path, Output: teacher.Names{embeddingOutput}, Normalizes: true}
	meta := m.Metadata()
	switch {
	case meta[studentEntry] != "":
		var c studentCard
		c, err = readCard(m)
		o.Input, o.Output, o.Preprocess = c.Input, teacher.Names{c.Embedding}, c.Preprocess
		o.Logits.Tensor = c.Logits
	case meta[configEntry] != "":
		o.Preprocess, err = config.StudentPreprocess(configEntry, []byte(meta[configEntry]))
		if slices.ContainsFunc(m.Outputs(), func(t onnx.Tensor) bool { return t.Name == logitsOutput }) {
			o.Logits.Tensor = logitsOutput
		}
	default:
		return teacher.Options{}, false, nil
	}
	if err == nil {
		err = o.Preprocess.Validate()
	}
	if err == nil {
		err = checkNames(o, m)
	}
	if err != nil {
		// The fault is the file's, not one of the user's configuration.
		return o, true, fmt.Errorf("%w: %q has metadata that do not describe it: %s", onnx.ErrFormat, path, err.Error())
	}
	return o, true, nil
}

// exportedModelOptions is exportedOptions of the model in a file.
func exportedModelOptions(path string) (o teacher.Options, exported bool, err error) {
	m, err := onnx.Load(path)
	if err != nil {
		return o, false, err
	}
	return exportedOptions(path, m)
}

// checkNames holds the names in o against the model's own inputs and outputs.
func checkNames(o teacher.Options, m *onnx.Model) error {
	has := func(tensors []onnx.Tensor, name string) bool {
		return slices.ContainsFunc(tensors, func(t onnx.Tensor) bool { return t.Name == name })
	}
	switch {
	case o.Input != "" && !has(m.Inputs(), o.Input):
		return fmt.Errorf("input is %q, which the model does not have", o.Input)
	case !has(m.Outputs(), o.Output[0]):
		return fmt.Errorf("embedding is %q, which is no output of the model", o.Output[0])
	case o.Logits.Tensor != "" && !has(m.Outputs(), o.Logits.Tensor):
		return fmt.Errorf("logits is %q, which is no output of the model", o.Logits.Tensor)
	}
	return nil
}

// modelOptions says how to open the model in path for the experiment e, whose teacher section gives batch, threads and
// execution provider. A student that was exported by rkd is opened with the preprocessing it was trained with, any
// other model with that of e's teacher.
func modelOptions(e *config.Experiment, path string) (teacher.Options, error) {
	if e == nil {
		return teacher.Options{}, fmt.Errorf("%w: nothing says what data %q runs on: name a configuration with --config",
			config.ErrConfig,
			path)
	}
	m, err := loadModel(path)
	if err != nil {
		return teacher.Options{}, err
	}
	of := e.Base.Teacher
	o, exported, err := exportedOptions(path, m)
	if err != nil {
		return of, err
	}
	if !exported {
		for _, t := range e.Base.EachTeacher() {
			if one := t.Config.Teacher; t.Name == "" || filepath.Clean(one.Model) == filepath.Clean(path) {
				one.Model, one.Declared = path, ""
				return one, nil
			}
		}
		return of, fmt.Errorf("%w: %s: %q is none of the teachers, so that nothing says how it is preprocessed",
			config.ErrConfig, e.File, path)
	}
	o.Batch, o.Threads, o.Provider, o.ProviderOptions = of.Batch, of.Threads, of.Provider, of.ProviderOptions
	return o, nil
}
