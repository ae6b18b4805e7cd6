package pipeline

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"

	"gorgonia.org/tensor"

	"rkd/models/onnx"
	"rkd/pipeline/config"
	"rkd/student/arch"
	"rkd/student/importer"
	"rkd/student/loss"
	"rkd/student/sampler"
	"rkd/student/train"
)

// Task is one training of an experiment: a variant with a seed, in a generation.
type Task struct {
	Variant    string
	Seed       uint64
	Generation int // from 1
	Config     *config.Config
}

// Tasks lists the trainings of an experiment, the product of variants and seeds, variants first, of the first generation.
func Tasks(e *config.Experiment) []Task {
	var tasks []Task
	for i := range e.Variants {
		v := &e.Variants[i]
		for _, seed := range e.Base.Seeds {
			tasks = append(tasks, Task{Variant: v.Name, Seed: seed, Generation: 1, Config: &v.Config})
		}
	}
	return tasks
}

// next returns the tasks of the generation after that of tasks: each one's student is the teacher, with a cache of its own.
func next(tasks []Task) []Task {
	following := make([]Task, len(tasks))
	for i, t := range tasks {
		c := *t.Config
		c.Teacher = studentOptions(t.Model(), t.Config)
		c.Teacher.Normalize = t.Config.Teacher.Normalize
		following[i] = Task{Variant: t.Variant, Seed: t.Seed, Generation: t.Generation + 1, Config: &c}
		c.Cache.Dir = filepath.Join(following[i].Dir(), "cache")
	}
	return following
}

// generations lists the tasks of all generations, those of one variant together.
func generations(e *config.Experiment) []Task {
	of := Tasks(e)
	all := slices.Clone(of)
	for range e.Base.Generations - 1 {
		of = next(of)
		all = append(all, of...)
	}
	variants := map[string]int{}
	for i, v := range e.Variants {
		variants[v.Name] = i
	}
	slices.SortStableFunc(all, func(a, b Task) int { return cmp.Compare(variants[a.Variant], variants[b.Variant]) })
	return all
}

// Dir is the task's folder: checkpoint, metrics and exported student.
func (t Task) Dir() string {
	dir := filepath.Join(t.Config.Dir, t.Variant, fmt.Sprintf("seed-%d", t.Seed))
	if t.Generation > 1 {
		dir = filepath.Join(dir, t.generation())
	}
	return dir
}

func (t Task) generation() string { return fmt.Sprintf("generation-%d", t.Generation) }

// row is what the task's figures are called among the results, together with those of other seeds.
func (t Task) row() string {
	if t.Generation > 1 {
		return t.Variant + "/" + t.generation()
	}
	return t.Variant
}

// Model is the path of the exported student.
func (t Task) Model() string { return filepath.Join(t.Dir(), "student.onnx") }

// Profile says where the time of the task's training steps went.
func (t Task) Profile() (profile train.Profile, stepMillis float64, err error) {
	c, err := train.ReadCheckpoint(t.Dir())
	if err != nil {
		return profile, 0, fmt.Errorf("%s: %w", t, err)
	}
	profile, stepMillis = c.MeanProfile()
	return profile, stepMillis, nil
}

func (t Task) String() string { return fmt.Sprintf("%s seed %d", t.row(), t.Seed) }

// about describes a student in its checkpoint, and by that in its ONNX file: what export and evaluation need to know
// where there is no configuration file.
type about struct {
	Variant string `json:"variant"`
	Seed    uint64 `json:"seed"`
	Input   []int  `json:"input"`  // shape of one sample, as the network takes it
	Pixels  [3]int `json:"pixels"` // height, width and channels of a sample before preprocessing
	Teacher string `json:"teacher_sha256"`
	Cache   string `json:"cache_key"`
	Classes int    `json:"classes,omitempty"`      // that the head tells apart; 0 without one
	Start   string `json:"start_sha256,omitempty"` // of the ONNX file that the network was imported from
	Config  string `json:"config"`                 // the variant's resolved configuration, YAML
}

// student is a trained student, read from its checkpoint.
type student struct {
	about   about
	config  *config.Config
	network *arch.Network
	weights *arch.Weights
	head    *loss.Projection[float32] // nil without
	file    train.TensorFile          // that the weights come from
	dir     string
}

// newNetwork fits a configuration's student to its input. hash identifies the ONNX file that it starts from; it is empty
// without one.
func newNetwork(c *config.Config, input []int) (n *arch.Network, hash string, err error) {
	o := c.Student
	if o.Arch.ONNX == "" {
		if n, err = arch.New(o.Arch, input, o.EmbeddingDim, o.Normalize == "l2"); err != nil {
			return nil, "", fmt.Errorf("%w: student.arch: %w", config.ErrConfig, err)
		}
		return n, "", nil
	}
	m, err := onnx.Load(o.Arch.ONNX)
	if err == nil {
		hash, err = m.Hash()
	}
	if err == nil {
		n, err = importNetwork(m, o, input)
	}
	if err != nil {
		return nil, "", fmt.Errorf("student.arch.onnx %q: %w", o.Arch.ONNX, err)
	}
	return n, hash, nil
}

// importNetwork makes a student's network of a model file.
func importNetwork(m *onnx.Model, o config.Student, input []int) (*arch.Network, error) {
	body, err := importer.Import(m, importer.Options{Output: o.Arch.Output, Input: input, Freeze: o.Freeze})
	if err != nil {
		return nil, err
	}
	return arch.FromBody(body, input, arch.Head{Dim: o.EmbeddingDim, Normalize: o.Normalize == "l2"})
}

// readStudent reads the student that the finished training in dir ended with.
func readStudent(dir string) (*student, error) {
	c, err := train.ReadCheckpoint(dir)
	if err != nil {
		return nil, err
	}
	s := &student{file: c.Chosen(), dir: dir}
	if err := json.Unmarshal(c.About, &s.about); err != nil {
		return nil, fmt.Errorf("%w: %q does not describe its student: %w", train.ErrCheckpoint, dir, err)
	}
	resolved, err := config.Parse(filepath.Join(dir, train.CheckpointFile), []byte(s.about.Config), nil)
	if err != nil {
		return nil, err
	}
	s.config = &resolved.Base
	var start string
	if s.network, start, err = newNetwork(s.config, s.about.Input); err != nil {
		return nil, err
	}
	if start != s.about.Start {
		return nil, fmt.Errorf("%w: %q was trained from another file than %q is now", train.ErrCheckpoint, dir, s.config.Student.Arch.ONNX)
	}
	s.weights = s.network.Init(0, tensor.Float32)
	tensors := *s.weights
	if s.about.Classes > 0 {
		if s.head, err = s.config.Student.Head.Projection(s.network.Dim, s.about.Classes, sampler.Stream(0, "head", 0)); err != nil {
			return nil, err
		}
		tensors.Params = slices.Concat(tensors.Params, train.Learned(s.head.Params()))
	}
	return s, s.file.LoadWeights(dir, &tensors)
}
