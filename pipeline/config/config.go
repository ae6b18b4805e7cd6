package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"rkd/datasets"
	"rkd/pipeline/eval"
	"rkd/pipeline/objective"
	"rkd/pipeline/storage"
	"rkd/student/arch"
	"rkd/student/sampler"
	"rkd/student/train"
	"rkd/teacher"
)

// ErrConfig reports a configuration that cannot be used: a usage error.
var ErrConfig = errors.New("configuration")

// Config is one experiment, as its YAML file describes it. docs/configuration.md says what every key means.
type Config struct {
	Name string `yaml:"name"`
	// Recipe names a set of defaults, see Recipes. Parse lays the file over it, and leaves the name out.
	Recipe string `yaml:"recipe,omitempty"`
	// Paths is what paths are relative to: current (default), the folder where rkd runs, or file, that of this file.
	Paths string `yaml:"paths,omitempty"`
	// Dir is the run directory; default runs/NAME.
	Dir string `yaml:"dir,omitempty" path:"true"`
	// Goal is metric_learning (default), classification or few_shot. It decides how batches are drawn, which loss on
	// labels, which metrics and which score of the selection split are the defaults.
	Goal    Goal            `yaml:"task,omitempty"`
	Data    Data            `yaml:"data"`
	Teacher teacher.Options `yaml:"teacher,omitempty"`
	// Teachers are several teachers in place of Teacher, which then holds what is common to them; Combine says how the
	// student learns from them: losses (default) or concat.
	Teachers Teachers         `yaml:"teachers,omitempty"`
	Combine  string           `yaml:"combine,omitempty"`
	Cache    Cache            `yaml:"cache,omitempty"`
	Student  Student          `yaml:"student"`
	Loss     objective.Losses `yaml:"loss"`
	Train    train.Options    `yaml:"train,omitempty"`
	Engine   Engine           `yaml:"engine,omitempty"`
	Export   Export           `yaml:"export,omitempty"`
	Eval     Eval             `yaml:"eval,omitempty"`
	// Seeds lists the seeds that every variant is trained with; default [1].
	Seeds []uint64 `yaml:"seeds,flow,omitempty"`
	// Generations is the number of students that follow each other, each the teacher of the next; default 1.
	Generations int `yaml:"generations,omitempty" within:"[1,1000]"`
	// Variants are named changes to this file, all trained from the same cache; without any there is one, "student".
	Variants yaml.Node `yaml:"variants,omitempty"`
	// Grid maps keys of the sections in which variants may differ to lists of values: each variant is trained with each
	// combination.
	Grid yaml.Node `yaml:"grid,omitempty"`
	// Batch says how a cluster runs the experiment; Parse moves it to the Experiment.
	Batch Batch `yaml:"batch,omitempty"`
}

// Data is the `data` section.
type Data struct {
	Train datasets.Sources `yaml:"train"`
	// Test may be left out: then Split divides Train, or nothing is evaluated.
	Test  datasets.Sources  `yaml:"test,omitempty"`
	Split datasets.Division `yaml:"split,omitempty"`
	// Augment says how the views of a sample are made; ViewSeed seeds them.
	Augment  datasets.Views `yaml:"augment,omitempty"`
	ViewSeed uint64         `yaml:"view_seed,omitempty"`
	// Limits bound the memory that reading takes.
	datasets.Limits `yaml:",inline"`
}

// Cache is the `cache` section.
type Cache struct {
	// Dir is the cache folder; default DIR/cache in the run directory.
	Dir string `yaml:"dir,omitempty" path:"true"`
	// DType is the type that embeddings are stored in: float32 (default), float16, bfloat16 or int8.
	DType string `yaml:"dtype,omitempty"`
	// PCA stores so many principal components of the embeddings, all of them where they are narrower, instead of the
	// embeddings; 0 stores these.
	PCA int `yaml:"pca,omitempty" within:"[0,65536]"`
	// Whiten divides each of them by its standard deviation to this power: 0 leaves them as they are, 1 makes them equal.
	Whiten float64 `yaml:"whiten,omitempty" within:"[0,1]"`
	// Views is the number of views of every sample; the first is the sample itself.
	Views        int `yaml:"views,omitempty" within:"[1,10000]"`
	RowsPerShard int `yaml:"rows_per_shard,omitempty" within:"[1,16777216]"`
}

// Student is the `student` section.
type Student struct {
	Arch         arch.Config `yaml:"arch"`
	EmbeddingDim int         `yaml:"embedding_dim,omitempty" within:"[1,65536]"`
	// DropIn makes embeddings that search the teacher's own: as wide, by a linear map behind EmbeddingDim where that is
	// another width, and at the same length.
	DropIn bool `yaml:"drop_in,omitempty"`
	// Freeze lists patterns of names of weights or nodes of Arch.ONNX that are not trained.
	Freeze []string `yaml:"freeze,flow,omitempty"`
	// Normalize is none (default) or l2: unit rows. The default of a drop-in student is the teacher's.
	Normalize string `yaml:"normalize,omitempty"`
	// Head turns embeddings into logits; it is present when a loss needs them.
	Head objective.Head `yaml:"head,omitempty"`
	// Preprocess of the student, NCHW; default the teacher's but for its layout.
	Preprocess *datasets.Preprocess `yaml:"preprocess,omitempty"`
}

// Experiment is a configuration with its variants written out.
type Experiment struct {
	File     string
	Base     Config // without variants and batch
	Variants []Variant
	Batch    Batch
}

// Variant is the configuration of one of an experiment's variants.
type Variant struct {
	Name   string
	Config Config
}

// Load reads the configuration in file, with the values of overrides ("key.path=value") replaced. Errors are ErrConfig
// and name file, line, key, value and what was expected.
func Load(file string, overrides []string) (*Experiment, error) {
	data, err := readFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w: reading the configuration: %w", ErrConfig, err)
	}
	return Parse(file, data, overrides)
}

// Parse is Load on the text of a configuration; file serves for messages.
func Parse(file string, data []byte, overrides []string) (*Experiment, error) {
	doc, err := parseDocument(file, data)
	if err != nil {
		return nil, err
	}
	for _, o := range overrides {
		if err := doc.override(o); err != nil {
			return nil, err
		}
	}
	if err := doc.useRecipe(); err != nil {
		return nil, err
	}
	doc.kind = labelLossOf(doc)
	e := &Experiment{File: file}
	if err := doc.decode(&e.Base); err != nil {
		return nil, err
	}
	if err := e.Base.placePaths(file); err != nil {
		return nil, doc.incomplete(err)
	}
	grid, variants := e.Base.Grid, e.Base.Variants
	e.Base.Grid, e.Base.Variants = yaml.Node{}, yaml.Node{}
	changes, err := spread(doc, &grid, &variants)
	if err != nil {
		return nil, err
	}
	if err := e.Base.complete(); err != nil {
		return nil, doc.incomplete(err)
	}
	e.Batch, e.Base.Batch = e.Base.Batch, Batch{}
	if err := e.expand(doc, changes); err != nil {
		return e, err
	}
	e.measureDropIn()
	return e, nil
}

// expand decodes every variant: the file with the variant's keys laid over it.
func (e *Experiment) expand(doc *document, changes *yaml.Node) error {
	if len(changes.Content) == 0 {
		if changes.Kind != 0 && changes.Kind != yaml.MappingNode && changes.Tag != "!!null" {
			return doc.wrong(changes, "variants", "a section with a name for every variant")
		}
		e.Variants = []Variant{{Name: "student", Config: e.Base}}
		if err := e.Base.checkLosses(); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrConfig, e.File, err)
		}
		return e.checkBaseline()
	}
	base := *doc.root
	base.Content = slices.Clone(base.Content)
	setValue(&base, "variants", &yaml.Node{Kind: yaml.MappingNode})
	for i := 0; i+1 < len(changes.Content); i += 2 {
		name, change := changes.Content[i].Value, changes.Content[i+1]
		if !namePattern.MatchString(name) {
			return fmt.Errorf("%w: %s: variant %q: expected a name of letters, digits, '.', '_' and '-'", ErrConfig,
				doc.at(changes.Content[i]), name)
		}
		for j := 0; change.Kind == yaml.MappingNode && j+1 < len(change.Content); j += 2 {
			if key := change.Content[j].Value; !slices.Contains(variable, key) {
				return fmt.Errorf("%w: %s: variant %q changes %q: variants share data, teacher and cache, and differ in %v only",
					ErrConfig, doc.at(change.Content[j]), name, key, variable)
			}
		}
		merged := &document{name: doc.name, root: merge(clearFor(change, &base), change), kind: doc.kind, sets: doc.sets}
		v := Variant{Name: name}
		err := merged.decode(&v.Config)
		if err == nil {
			v.Config.Variants, v.Config.Grid = yaml.Node{}, yaml.Node{}
			if err = v.Config.placePaths(doc.name); err == nil {
				err = v.Config.complete()
			}
			v.Config.Batch = Batch{}
		}
		if err == nil {
			err = v.Config.checkLosses()
		}
		if err != nil {
			return fmt.Errorf("%w: variant %q: %w", ErrConfig, name, err)
		}
		e.Variants = append(e.Variants, v)
	}
	return e.checkBaseline()
}

// checkBaseline returns ErrConfig where the baseline is neither one of the two that there always are nor a variant.
func (e *Experiment) checkBaseline() error {
	name := e.Base.Eval.Baseline
	expected := []string{BaselineUntrained, BaselinePixels}
	for _, v := range e.Variants {
		expected = append(expected, v.Name)
	}
	if !slices.Contains(expected, name) {
		return fmt.Errorf("%w: %s: eval.baseline is %q, expected one of %s", ErrConfig, e.File, name,
			strings.Join(expected, ", "))
	}
	return nil
}

// dtypes are those of package cache.
var dtypes = []string{"float32", "float16", "bfloat16", "int8"}

// variable lists the sections in which variants may differ.
var variable = []string{"student", "loss", "train", "engine", "export"}

// namePattern is what an experiment or a variant may be called: its name becomes a folder's.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// complete fills in defaults and checks every field that can be checked without opening anything.
func (c *Config) complete() error {
	if err := c.fillIn(); err != nil {
		return aboutKey("", err)
	}
	if err := c.checkKeys(); err != nil {
		return aboutKey("", err)
	}
	return c.checkSections()
}

// checkKeys checks what belongs to no section's own package.
func (c *Config) checkKeys() error {
	switch {
	case !slices.Contains([]Goal{MetricLearning, Classification, FewShot}, c.Goal):
		return fmt.Errorf("task is %q, expected %s, %s or %s", c.Goal, MetricLearning, Classification, FewShot)
	case c.Loss.OnTeacherLogits() != "" && !c.TeacherLogits():
		return fmt.Errorf("loss.%s needs the teacher's logits: name their tensor in teacher.logits", c.Loss.OnTeacherLogits())
	case c.Loss.LogitMSE.Weight > 0 && c.topLogits():
		return fmt.Errorf("loss.logit_mse needs all of the teacher's logits, but teacher.logits.top keeps some: leave top " +
			"out, or use loss.hkd")
	case c.Generations < 1:
		return fmt.Errorf("generations is %d, expected 1 or more", c.Generations)
	case !namePattern.MatchString(c.Name):
		return fmt.Errorf("name is %q, expected letters, digits, '.', '_' and '-'", c.Name)
	case !slices.Contains(dtypes, c.Cache.DType):
		return fmt.Errorf("cache.dtype is %q, expected %s", c.Cache.DType, strings.Join(dtypes, ", "))
	case c.Cache.PCA < 0:
		return fmt.Errorf("cache.pca is %d, expected the number of principal components, or 0 for none", c.Cache.PCA)
	case c.Cache.Whiten > 0 && c.Cache.PCA == 0:
		return fmt.Errorf("cache.whiten is %g, but there are no principal components to scale: give their number in "+
			"cache.pca", c.Cache.Whiten)
	case c.Cache.Views < 1:
		return fmt.Errorf("cache.views is %d, expected 1 or more", c.Cache.Views)
	case c.Cache.RowsPerShard < 1:
		return fmt.Errorf("cache.rows_per_shard is %d, expected 1 or more", c.Cache.RowsPerShard)
	case c.Student.EmbeddingDim < 1 && !c.widthFollows():
		return fmt.Errorf("student.embedding_dim is %d, expected 1 or more", c.Student.EmbeddingDim)
	case c.Student.Normalize != "none" && c.Student.Normalize != "l2":
		return fmt.Errorf("student.normalize is %q, expected none or l2", c.Student.Normalize)
	case len(c.Student.Freeze) > 0 && c.Student.Arch.ONNX == "":
		return fmt.Errorf("student.freeze is %v, but student.arch names no onnx file", c.Student.Freeze)
	case len(c.Seeds) != len(slices.Compact(slices.Sorted(slices.Values(c.Seeds)))):
		return fmt.Errorf("seeds are %v, expected different numbers", c.Seeds)
	}
	if err := c.checkTeachers(); err != nil {
		return err
	}
	return c.checkDropIn()
}

// widthFollows says that the embedding's width need not be given: it is the teacher's, or that of a tensor.
func (c *Config) widthFollows() bool {
	return c.Student.EmbeddingDim == 0 &&
		(c.Student.DropIn || c.Student.Arch.ONNX != "" && c.Student.Arch.Head == arch.NoHead)
}

// checkSections lets each section check itself.
func (c *Config) checkSections() error {
	for _, part := range []struct {
		section string
		check   func() error
	}{
		{"dir", func() error { return checkLocation(c.Dir) }},
		{"cache.dir", func() error { return checkLocation(c.Cache.Dir) }},
		{"data.train", c.Data.Train.Validate},
		{"data.test", c.Data.validateTest},
		{"data.split", c.Data.Split.Validate},
		{"data.augment", c.Data.Augment.Validate},
		{"data", c.Data.Validate},
		{"student.preprocess", c.Student.Preprocess.Validate},
		{"student.head", c.Student.Head.Validate},
		{"train", c.Train.Validate},
		{"engine", c.Engine.validate},
		{"export", c.Export.validate},
		{"loss", func() error { return c.Loss.Validate(c.Student.Head, c.Train.Batch.WithDefaults()) }},
		{"eval", c.Eval.validate},
		{"eval", c.checkEvalLabels},
		{"loss", c.checkLossLabels},
		{"data", c.checkVectors},
		{"batch", c.Batch.validate},
	} {
		if err := part.check(); err != nil {
			return aboutKey(part.section, fmt.Errorf("%s: %w", part.section, err))
		}
	}
	return nil
}

// checkLocation refuses URLs that are none.
func checkLocation(location string) error {
	_, err := storage.Clean(location)
	return err
}

func (c *Config) fillIn() error {
	c.fillInTeachers()
	if c.Dir == "" {
		c.Dir = filepath.Join("runs", c.Name)
	}
	if c.Cache.Dir == "" {
		c.Cache.Dir = storage.Join(c.Dir, "cache")
	}
	if c.Cache.DType == "" {
		c.Cache.DType = "float32"
	}
	if c.Cache.Views == 0 {
		c.Cache.Views = 1
	}
	if c.Cache.RowsPerShard == 0 {
		c.Cache.RowsPerShard = 8192
	}
	if c.Student.Normalize == "" {
		c.Student.Normalize = "none"
		if c.Student.DropIn {
			c.Student.Normalize = c.teacherNormalize()
		}
	}
	if c.Student.Preprocess == nil {
		of, err := c.commonPreprocess()
		if err != nil {
			return err
		}
		p := of.Preprocess
		p.Layout = "" // the student's operators take NCHW whatever the teacher does
		c.Student.Preprocess = &p
	}
	if len(c.Seeds) == 0 {
		c.Seeds = []uint64{1}
	}
	if c.Goal == "" {
		c.Goal = MetricLearning
	}
	if c.Generations == 0 {
		c.Generations = 1
	}
	defaults := goalDefaults[c.Goal]
	if b := c.Train.Batch; c.Data.Train.Unlabelled() && b.Classes+b.PerClass+b.Ways == 0 {
		defaults.batch = sampler.Shuffled
	}
	if c.Data.tests().Unlabelled() {
		defaults.metrics = []string{eval.Spearman, "overlap@10", eval.CKA}
	}
	if c.Train.Batch.Kind == "" {
		c.Train.Batch.Kind = defaults.batch
	}
	if len(c.Eval.Metrics) == 0 {
		c.Eval.Metrics = defaults.metrics
	}
	c.Eval.fillIn()
	c.Batch.fillIn()
	if c.Engine.Kind == "" {
		c.Engine.Kind = EngineONNXRuntime
	}
	c.Export.fillIn(c.Eval.Metrics)
	return nil
}
