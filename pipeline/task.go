package pipeline

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"slices"

	"gorgonia.org/tensor"

	"rkd/datasets"
	"rkd/models/onnx"
	"rkd/pipeline/config"
	"rkd/pipeline/storage"
	"rkd/student/arch"
	"rkd/student/importer"
	"rkd/student/loss"
	"rkd/student/sampler"
	"rkd/student/train"
	"rkd/teacher"
)

// Task is one training of an experiment: a variant with a seed, in a generation.
type Task struct {
	Variant    string
	Seed       uint64
	Generation int // from 1
	Config     *config.Config
}

// Tasks lists the trainings of an experiment, the product of variants and seeds, variants first, of the first
// generation.
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

// next returns the tasks of the generation after that of tasks: each one's student is the teacher, with a cache of its
// own.
func next(tasks []Task) []Task {
	following := make([]Task, len(tasks))
	for i, t := range tasks {
		c := *t.Config
		c.Teachers, c.Combine = nil, "" // the student alone is the teacher of the next
		c.Teacher = studentOptions(t.Model(), t.Config)
		c.Teacher.Normalize = t.Config.Teacher.Normalize
		following[i] = Task{Variant: t.Variant, Seed: t.Seed, Generation: t.Generation + 1, Config: &c}
		c.Cache.PCA, c.Cache.Whiten = 0, 0 // a student's embedding is small, and its width its own
		c.Cache.Dir = storage.Join(following[i].location(), "cache")
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

// Dir is the task's folder on this machine: checkpoint, metrics and exported student.
func (t Task) Dir() string {
	return filepath.Join(workDir(t.Config), filepath.FromSlash(t.path()))
}

// path is the task's folder in the run directory, with slashes.
func (t Task) path() string {
	dir := path.Join(t.Variant, fmt.Sprintf("seed-%d", t.Seed))
	if t.Generation > 1 {
		dir = path.Join(dir, t.generation())
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
	Input   []int  `json:"input"`           // shape of one sample, as the network takes it
	Pixels  [3]int `json:"pixels"`          // height, width and channels of a sample before preprocessing
	Mixed   bool   `json:"mixed,omitempty"` // some of them are gray, and some have colour
	Teacher string `json:"teacher_sha256"`
	Cache   string `json:"cache_key"`
	Classes int    `json:"classes,omitempty"`       // that the head tells apart; 0 without one
	Start   string `json:"start_sha256,omitempty"`  // of the ONNX file that the network was imported from
	Width   int    `json:"teacher_width,omitempty"` // of the vectors that a drop-in student searches; 0 for others
	Config  string `json:"config"`                  // the variant's resolved configuration, YAML
}

// key identifies the training of the student with configuration c on a cache of so many rows.
func (a *about) key(c *config.Config, rows int) (string, error) {
	k, err := a.trainingKey(c, rows)
	if err != nil {
		return "", err
	}
	return k.Hash(), nil
}

// describedStudent returns what the checkpoint in dir says of its student, and the configuration of that.
func describedStudent(c *train.Checkpoint, dir string) (*about, *config.Config, error) {
	a := new(about)
	if err := json.Unmarshal(c.About, a); err != nil {
		return nil, nil, fmt.Errorf("%w: %q (format %d) does not describe its student: %w", train.ErrCheckpoint,
			dir, c.Format, err)
	}
	resolved, err := config.Parse(filepath.Join(dir, train.CheckpointFile), []byte(a.Config), nil)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %q (format %d) holds a configuration that this version does not read: %s",
			train.ErrCheckpoint, dir,
			c.Format, err.Error()) // damaged input, not a wrong configuration of the user's
	}
	return a, &resolved.Base, nil
}

// size is that of a sample's image before preprocessing.
func (a *about) size() datasets.Image {
	return datasets.Image{Height: a.Pixels[0], Width: a.Pixels[1], Channels: a.Pixels[2]}
}

// student is a trained student, read from its checkpoint.
type student struct {
	about   *about
	text    []byte // about, as the checkpoint has it
	config  *config.Config
	network *arch.Network
	weights *arch.Weights
	head    *loss.Projection[float32] // nil without
	file    train.TensorFile          // that the weights come from
	dir     string
	classes []string // of the training data; known to exports
}

// newNetwork fits a configuration's student to its input; a drop-in one to the width of its teacher's vectors, too.
// hash identifies the ONNX file that it starts from; it is empty without one.
func newNetwork(c *config.Config, input []int, width int) (n *arch.Network, hash string, err error) {
	if !c.Student.DropIn {
		return networkOf(c.Student, input)
	}
	o := c.Student
	o.Normalize = teacher.NormalizeNone // of what the map gives, not of what it is given
	if o.EmbeddingDim == 0 && o.Arch.Head != arch.NoHead {
		o.EmbeddingDim = width
	}
	if n, hash, err = networkOf(o, input); err != nil {
		return nil, "", err
	}
	if err := n.MapTo(width, c.Student.Normalize == teacher.NormalizeL2); err != nil {
		return nil, "", fmt.Errorf("%w: student.drop_in: %w", config.ErrConfig, err)
	}
	return n, hash, nil
}

func networkOf(o config.Student, input []int) (n *arch.Network, hash string, err error) {
	if o.Arch.ONNX == "" {
		if n, err = arch.New(o.Arch, input, o.EmbeddingDim, o.Normalize == "l2"); err != nil {
			return nil, "", fmt.Errorf("%w: student.arch: %w", config.ErrConfig, err)
		}
		return n, "", nil
	}
	m, err := loadModel(o.Arch.ONNX)
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
	if err := o.Arch.CheckONNX(); err != nil {
		return nil, err
	}
	body, err := importer.Import(m, importer.Options{
		Output: o.Arch.Output, Input: input, Freeze: o.Freeze, TrainBatchNorm: o.Arch.BatchNorm == "train",
	})
	if err != nil {
		return nil, err
	}
	head := arch.Head{None: o.Arch.Head == arch.NoHead, Dim: o.EmbeddingDim, Normalize: o.Normalize == "l2"}
	return arch.FromBody(body, input, head)
}

// readStudent reads the student that the finished training in dir ended with.
func readStudent(dir string) (*student, error) {
	c, err := train.ReadCheckpoint(dir)
	if err != nil {
		return nil, err
	}
	s := &student{text: c.About, file: c.Chosen(), dir: dir}
	if s.about, s.config, err = describedStudent(c, dir); err != nil {
		return nil, err
	}
	var start string
	if s.network, start, err = newNetwork(s.config, s.about.Input, s.about.Width); err != nil {
		return nil, err
	}
	if start != s.about.Start {
		return nil, fmt.Errorf("%w: %q was trained from another file than %q is now", train.ErrCheckpoint, dir,
			s.config.Student.Arch.ONNX)
	}
	s.weights = s.network.Init(0, tensor.Float32)
	tensors := *s.weights
	if s.about.Classes > 0 {
		if s.head, err = s.config.Student.Head.Projection(s.network.Dim, s.about.Classes,
			sampler.Stream(0, "head", 0)); err != nil {
			return nil, err
		}
		tensors.Params = slices.Concat(tensors.Params, train.Learned(s.head.Params()))
	}
	return s, s.file.LoadWeights(dir, &tensors)
}
