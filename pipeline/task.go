package pipeline

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"gorgonia.org/tensor"

	"rkd/student/arch"
	"rkd/student/train"
)

// Task is one training of an experiment: a variant with a seed.
type Task struct {
	Variant string
	Seed    uint64
	Config  *Config
}

// Tasks lists the product of variants and seeds, variants first.
func (e *Experiment) Tasks() []Task {
	var tasks []Task
	for i := range e.Variants {
		v := &e.Variants[i]
		for _, seed := range e.Base.Seeds {
			tasks = append(tasks, Task{Variant: v.Name, Seed: seed, Config: &v.Config})
		}
	}
	return tasks
}

// Dir is the task's folder: checkpoint, metrics and exported student.
func (t Task) Dir() string {
	return filepath.Join(t.Config.Dir, t.Variant, fmt.Sprintf("seed-%d", t.Seed))
}

// Model is the path of the exported student.
func (t Task) Model() string { return filepath.Join(t.Dir(), "student.onnx") }

func (t Task) String() string { return fmt.Sprintf("%s seed %d", t.Variant, t.Seed) }

// about describes a student in its checkpoint, and by that in its ONNX file: what export and evaluation need to know
// where there is no configuration file.
type about struct {
	Variant string `json:"variant"`
	Seed    uint64 `json:"seed"`
	Input   []int  `json:"input"`  // shape of one sample, as the network takes it
	Pixels  [3]int `json:"pixels"` // height, width and channels of a sample before preprocessing
	Teacher string `json:"teacher_sha256"`
	Cache   string `json:"cache_key"`
	Config  string `json:"config"` // the variant's resolved configuration, YAML
}

// student is a trained student, read from its checkpoint.
type student struct {
	about   about
	config  *Config
	network *arch.Network
	weights *arch.Weights
	file    train.TensorFile // that the weights come from
	dir     string
}

// newNetwork fits a configuration's student to its input.
func newNetwork(c *Config, input []int) (*arch.Network, error) {
	n, err := arch.New(c.Student.Arch, input, c.Student.EmbeddingDim, c.Student.Normalize == "l2")
	if err != nil {
		return nil, fmt.Errorf("%w: student.arch: %w", ErrConfig, err)
	}
	return n, nil
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
	resolved, err := Parse(filepath.Join(dir, train.CheckpointFile), []byte(s.about.Config), nil)
	if err != nil {
		return nil, err
	}
	s.config = &resolved.Base
	if s.network, err = newNetwork(s.config, s.about.Input); err != nil {
		return nil, err
	}
	s.weights = s.network.Init(0, tensor.Float32)
	return s, s.file.LoadWeights(dir, s.weights)
}
