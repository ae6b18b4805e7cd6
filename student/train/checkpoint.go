package train

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"rkd/datasets/regular"
	"rkd/student/arch"
	"rkd/student/engine"
	"rkd/student/train/record"
	"rkd/student/train/tensorboard"
)

// CheckpointFile is the name of the file that makes a folder a checkpoint.
const CheckpointFile = "checkpoint.json"

// ErrNoCheckpoint reports a folder without a checkpoint; ErrCheckpoint one whose checkpoint cannot be used.
var (
	ErrNoCheckpoint = errors.New("no checkpoint")
	ErrCheckpoint   = errors.New("checkpoint")
)

// Checkpoint is the JSON half of a checkpoint. It is written last: a tensor file that it does not name does not count.
type Checkpoint struct {
	// Format is CheckpointFormat; 1 is the same but for the key, which then is a hash of another form.
	Format int `json:"format"`
	// Key identifies what is trained: data, teacher rows, architecture, losses, options and seed.
	Key string `json:"key"`
	// Run names the training in metrics.jsonl: experiment, variant and seed. Those of earlier versions have none.
	Run string `json:"run,omitempty"`
	// About is the caller's description of the student, kept as it is.
	About json.RawMessage `json:"about,omitempty"`
	// Instructions names the vector instructions (engine.Instructions) of the machines that the training ran on, in order.
	Instructions []string `json:"instructions,omitempty"`
	// Step is the number of steps taken; Done says that they were all.
	Step int  `json:"step"`
	Done bool `json:"done"`
	// Last holds weights and moments after Step steps; Best the weights with the highest selection score so far.
	Last TensorFile  `json:"last"`
	Best *TensorFile `json:"best,omitempty"`
	// Epoch holds the sums of the epoch under way.
	Epoch epochSums `json:"epoch"`
	// Epochs are the epochs that are complete.
	Epochs []Metrics `json:"epochs,omitempty"`
}

// Elsewhere returns the instructions that the training last ran with, if they are not those of this machine, and "" if
// they are or are not known.
func (c *Checkpoint) Elsewhere() string {
	if n := len(c.Instructions); n > 0 && c.Instructions[n-1] != engine.Instructions() {
		return c.Instructions[n-1]
	}
	return ""
}

// TensorFile names a safetensors file of the checkpoint's folder.
type TensorFile struct {
	File   string  `json:"file"`
	SHA256 string  `json:"sha256"`
	Step   int     `json:"step"`
	Score  float64 `json:"score,omitempty"`
}

const (
	// CheckpointFormat is the format of the checkpoints that are written.
	CheckpointFormat = 2
	// unsealedFormat is the last format whose documents have no checksum.
	unsealedFormat = 1
)

// ReadCheckpoint reads the checkpoint of a folder. It returns ErrNoCheckpoint where there is none and ErrCheckpoint,
// naming the file, where it is damaged. Tensor files are checked when they are loaded.
func ReadCheckpoint(dir string) (*Checkpoint, error) {
	path := filepath.Join(dir, CheckpointFile)
	data, err := regular.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w in %q", ErrNoCheckpoint, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the checkpoint: %w", err)
	}
	c := new(Checkpoint)
	sealed, err := record.Unmarshal(data, c)
	if err != nil {
		return nil, fmt.Errorf("%w: %q: %w", ErrCheckpoint, path, err)
	}
	if c.Format < 1 || c.Format > CheckpointFormat {
		return nil, fmt.Errorf("%w: %q has format %d, expected 1 to %d: it was written by another version of rkd",
			ErrCheckpoint, path,
			c.Format, CheckpointFormat)
	}
	if !sealed && c.Format > unsealedFormat {
		return nil, fmt.Errorf("%w: %q has no checksum: the file was damaged or edited", ErrCheckpoint, path)
	}
	return c, c.check(path)
}

// check refuses what no training writes: the files of earlier formats have no checksum.
func (c *Checkpoint) check(path string) error {
	switch {
	case c.Step < 0:
		return fmt.Errorf("%w: %q: step is %d, expected 0 or more", ErrCheckpoint, path, c.Step)
	case c.Last.Step != c.Step:
		return fmt.Errorf("%w: %q: step is %d and last.step %d, expected the same", ErrCheckpoint, path, c.Step, c.Last.Step)
	case c.Epoch.Steps < 0 || c.Epoch.Steps > c.Step:
		return fmt.Errorf("%w: %q: epoch.steps is %d, expected 0 to step, %d", ErrCheckpoint, path, c.Epoch.Steps, c.Step)
	}
	return nil
}

// Adopt rewrites the checkpoint in dir as one of another training, which Run then goes on with: the same training under
// the key of another format, or one of more epochs. About describes its student. That the weights fit is the caller's
// to know.
func (c *Checkpoint) Adopt(dir, key string, about json.RawMessage) error {
	adopted := *c
	adopted.Format, adopted.Key, adopted.About, adopted.Done = CheckpointFormat, key, about, false
	return (&store{dir: dir}).describe(&adopted)
}

// Chosen is the file with the student that a training ends with: the best where a selection was made, else the last.
func (c *Checkpoint) Chosen() TensorFile {
	if c.Best != nil {
		return *c.Best
	}
	return c.Last
}

// LoadWeights reads the weights in one of a checkpoint's files into w, whose tensors say which are expected. It returns
// ErrCheckpoint where the file is missing, damaged or of another architecture.
func (f TensorFile) LoadWeights(dir string, w *arch.Weights) error {
	t, err := f.read(dir)
	if err != nil {
		return err
	}
	return t.fill("", w.All(), values(w.All()))
}

func (f TensorFile) read(dir string) (*tensors, error) {
	path := filepath.Join(dir, filepath.Base(f.File))
	data, err := regular.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: reading weights: %w", ErrCheckpoint, err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != f.SHA256 {
		return nil, fmt.Errorf("%w: %q has SHA-256 %x, expected %s", ErrCheckpoint, path, sum, f.SHA256)
	}
	return parseTensors(path, data)
}

// restore brings an engine to where it was when the checkpoint was taken.
func (c *Checkpoint) restore(dir string, e engine.Engine) error {
	t, err := c.Last.read(dir)
	if err != nil {
		return err
	}
	s, err := e.State()
	if err != nil {
		return err
	}
	weights := slices.Concat(s.Params, s.Buffers)
	if err := t.fill("", weights, values(weights)); err != nil {
		return err
	}
	for name, moments := range s.Moments {
		if err := t.fill(momentPrefix+name+".", s.Params, moments); err != nil {
			return err
		}
	}
	s.Steps = c.Step
	return e.Restore(s)
}

// store writes checkpoints of an engine's training into one folder.
type store struct {
	dir    string
	engine engine.Engine
	saved  func() error // nil without
}

// best writes the weights as the best so far.
func (s *store) best(step int, score float64) (*TensorFile, error) {
	state, err := s.engine.State()
	if err != nil {
		return nil, err
	}
	state.Moments = nil
	f, err := s.write(fmt.Sprintf("best-%08d.safetensors", step), collect(state))
	f.Step, f.Score = step, score
	return &f, err
}

// save writes weights and moments, then the JSON file that makes them the checkpoint, and removes what it replaces.
func (s *store) save(c *Checkpoint) error {
	state, err := s.engine.State()
	if err != nil {
		return err
	}
	last, err := s.write(fmt.Sprintf("last-%08d.safetensors", c.Step), collect(state))
	if err != nil {
		return err
	}
	last.Step = c.Step
	c.Last = last
	if err := s.describe(c); err != nil {
		return err
	}
	if err := s.tidy(c); err != nil || s.saved == nil {
		return err
	}
	return s.saved()
}

// describe writes the JSON file that makes tensor files a checkpoint.
func (s *store) describe(c *Checkpoint) error {
	data, err := record.Marshal(c)
	if err != nil {
		return fmt.Errorf("writing the checkpoint: %w", err)
	}
	return s.replace(CheckpointFile, data)
}

func (s *store) write(name string, t map[string]tensorView) (TensorFile, error) {
	data, err := serialize(t)
	if err != nil {
		return TensorFile{}, fmt.Errorf("writing %q: %w", name, err)
	}
	sum := sha256.Sum256(data)
	return TensorFile{File: name, SHA256: hex.EncodeToString(sum[:])}, s.replace(name, data)
}

func (s *store) replace(name string, data []byte) error {
	return record.WriteFile(filepath.Join(s.dir, name), data)
}

// tensorFiles are the names of a checkpoint's tensor files.
const tensorFiles = `(?:last|best)-\d{8}\.safetensors`

var tensorFile = regexp.MustCompile(`^` + tensorFiles + `$`)

// tidy removes the tensor files that c does not name and the temporaries that a killed run left behind.
func (s *store) tidy(c *Checkpoint) error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("tidying the checkpoint folder: %w", err)
	}
	for _, e := range entries {
		name := e.Name()
		if !tensorFile.MatchString(name) || name == c.Last.File || c.Best != nil && name == c.Best.File {
			continue
		}
		if err := os.Remove(filepath.Join(s.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("tidying the checkpoint folder: %w", err)
		}
	}
	return record.Sweep(s.dir, tensorFiles, regexp.QuoteMeta(CheckpointFile), regexp.QuoteMeta(MetricsFile),
		regexp.QuoteMeta(tensorboard.FileName))
}
