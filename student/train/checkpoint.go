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
	"strings"

	"github.com/google/renameio/v2"

	"rkd/student/arch"
	"rkd/student/engine"
	"rkd/student/optim"
)

// CheckpointFile is the name of the file that a checkpoint folder is known by.
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

// Elsewhere returns the instructions that the training last ran with, if they are not those of this machine, and "" if they
// are or are not known.
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

// CheckpointFormat is the format of the checkpoints that are written.
const CheckpointFormat = 2

// ReadCheckpoint reads the checkpoint of a folder. It returns ErrNoCheckpoint where there is none and ErrCheckpoint, naming
// the file, where it is damaged. Tensor files are checked when they are loaded.
func ReadCheckpoint(dir string) (*Checkpoint, error) {
	path := filepath.Join(dir, CheckpointFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w in %q", ErrNoCheckpoint, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the checkpoint: %w", err)
	}
	c := new(Checkpoint)
	if err := json.Unmarshal(data, c); err != nil {
		return nil, fmt.Errorf("%w: %q is no complete JSON document: %w", ErrCheckpoint, path, err)
	}
	if c.Format < 1 || c.Format > CheckpointFormat {
		return nil, fmt.Errorf("%w: %q has format %d, expected 1 to %d: it was written by another version of rkd", ErrCheckpoint, path,
			c.Format, CheckpointFormat)
	}
	return c, nil
}

// Adopt gives a checkpoint of an earlier format the key of this one, so that Run resumes it. The caller has made sure that it
// is the same training.
func (c *Checkpoint) Adopt(dir, key string) error {
	adopted := *c
	adopted.Format, adopted.Key = CheckpointFormat, key
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
	return t.fill(w, "", nil)
}

func (f TensorFile) read(dir string) (*tensors, error) {
	path := filepath.Join(dir, filepath.Base(f.File))
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: reading weights: %w", ErrCheckpoint, err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != f.SHA256 {
		return nil, fmt.Errorf("%w: %q has SHA-256 %x, expected %s", ErrCheckpoint, path, sum, f.SHA256)
	}
	return parseTensors(path, data)
}

// restore brings a training back to where the checkpoint was taken.
func (c *Checkpoint) restore(dir string, w *arch.Weights, o *optim.Optimizer[float32]) error {
	t, err := c.Last.read(dir)
	if err != nil {
		return err
	}
	if err := t.fill(w, "", nil); err != nil {
		return err
	}
	for name, moments := range o.Moments() {
		if err := t.fill(w, momentPrefix+name+".", moments); err != nil {
			return err
		}
	}
	o.SetSteps(c.Step)
	return nil
}

// store writes checkpoints into one folder.
type store struct {
	dir     string
	weights *arch.Weights
	optim   *optim.Optimizer[float32]
}

// best writes the weights as the best so far.
func (s *store) best(step int, score float64) (*TensorFile, error) {
	f, err := s.write(fmt.Sprintf("best-%08d.safetensors", step), collect(s.weights, nil))
	f.Step, f.Score = step, score
	return &f, err
}

// save writes weights and moments, then the JSON file that makes them the checkpoint, and removes what it replaces.
func (s *store) save(c *Checkpoint) error {
	last, err := s.write(fmt.Sprintf("last-%08d.safetensors", c.Step), collect(s.weights, s.optim.Moments()))
	if err != nil {
		return err
	}
	last.Step = c.Step
	c.Last = last
	if err := s.describe(c); err != nil {
		return err
	}
	return s.tidy(c)
}

// describe writes the JSON file that makes tensor files a checkpoint.
func (s *store) describe(c *Checkpoint) error {
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the checkpoint: %w", err)
	}
	return s.replace(CheckpointFile, append(data, '\n'))
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
	path := filepath.Join(s.dir, name)
	if err := renameio.WriteFile(path, data, 0o644, renameio.WithTempDir(s.dir)); err != nil {
		return fmt.Errorf("writing %q: %w", path, err)
	}
	return nil
}

// tidy removes tensor files that c does not name and temporaries that a killed run left behind. c may be nil.
func (s *store) tidy(c *Checkpoint) error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("tidying the checkpoint folder: %w", err)
	}
	for _, e := range entries {
		name := e.Name()
		ours := strings.HasSuffix(name, ".safetensors") || name == CheckpointFile
		left := strings.HasPrefix(name, ".last-") || strings.HasPrefix(name, ".best-") || strings.HasPrefix(name, "."+CheckpointFile) ||
			strings.HasPrefix(name, "."+MetricsFile)
		kept := c != nil && (name == CheckpointFile || name == c.Last.File || c.Best != nil && name == c.Best.File)
		if left || ours && !kept {
			if err := os.Remove(filepath.Join(s.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("tidying the checkpoint folder: %w", err)
			}
		}
	}
	return nil
}
