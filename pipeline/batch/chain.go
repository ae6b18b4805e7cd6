package batch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"rkd/pipeline/config"
	"rkd/student/train/record"
)

var (
	// ErrNoEngine says that the scheduler's program is not there.
	ErrNoEngine = errors.New("not on the path")
	// ErrRefused says that the scheduler refused a job. The error quotes what the scheduler printed.
	ErrRefused = errors.New("refused")
)

// Chain is an experiment as a chain of jobs: what is submitted, and where it runs.
type Chain struct {
	Name   string   // of the experiment
	Config string   // the configuration's path, as jobs give it to rkd
	Set    []string // values of --set that jobs give to rkd
	// CacheDirs are the folders of the teachers' caches.
	CacheDirs []string
	RunDir    string // the run directory
	Mark      string // that tasks find in the run directory if it is the one of the chain
	Program   string // that runs as rkd, of this machine, where the configuration names none
	WorkDir   string // where jobs run; absolute
	Dir       string // where the rendered files and the logs lie; absolute
	Batch     config.Batch
	Work      Work
	// ConfigText is the configuration, for engines whose tasks do not see its file.
	ConfigText []byte
}

// MarkVariable names the environment variable with the mark of a task's chain.
const MarkVariable = "RKD_BATCH"

// Engine is a cluster's scheduler.
type Engine string

// The engines.
const (
	Slurm      Engine = "slurm"
	Kubernetes Engine = "kubernetes"
)

// Check refuses what an engine could not run, whatever there is to do.
func (c *Chain) Check(e Engine) error {
	if e == Kubernetes {
		return c.checkKubernetes()
	}
	return c.checkSlurm()
}

// Render renders the chain's documents for an engine.
func (c *Chain) Render(e Engine) ([]File, error) {
	if e == Kubernetes {
		return c.Kubernetes()
	}
	return c.Slurm()
}

// Work lists what is to be done: ascending indices of the plans' tasks and of the experiment's trainings. Evaluation is
// always part of it, and costs nothing if its results are up to date.
type Work struct {
	Precompute []int    // tasks of all teachers' plans, counted behind each other
	Finalize   []string // folders of the caches whose manifest is to be written
	Distill    []int
	Export     []int
}

// stage is one link of a chain. An array runs one task for each of its indices, which may be none; without indices
// there is one.
type stage struct {
	name    string
	about   string
	indices []int
	array   bool
	command []string // after the program's name; "$index" stands for the task's
}

// stages lists the links that have something to do, in their order.
func (c *Chain) stages() []stage {
	var set []string
	for _, s := range c.Set {
		set = append(set, "--set", s)
	}
	rkd := func(words ...string) []string { return append(words, set...) }
	all := []stage{
		{
			"precompute", "runs a teacher over the shards of one task of its plan", c.Work.Precompute, true,
			rkd("precompute", c.Config, "--task-index", indexWord),
		},
		{
			"finalize", "writes the manifest of each cache, all of whose shards are there", nil, false,
			append([]string{"cache", "finalize"}, c.Work.Finalize...),
		},
		{
			"distill", "trains one student against the cache, or goes on with it", c.Work.Distill, true,
			rkd("distill", c.Config, "--task-index", indexWord, "--wait"),
		},
		{
			"export", "writes one student as an ONNX file", c.Work.Export, true,
			rkd("export", c.Config, "--task-index", indexWord, "--wait"),
		},
		{"evaluate", "measures teacher and students on the test data", nil, false, rkd("eval", c.Config, "--wait")},
		{"collect", "prints the table of results", nil, false, rkd("batch", "collect", c.Config, "--wait")},
	}
	var some []stage
	for _, s := range all {
		if s.array && len(s.indices) > 0 || !s.array && (s.name != "finalize" || len(c.Work.Finalize) > 0) {
			some = append(some, s)
		}
	}
	return some
}

// indexWord stands in a command for the index of the task.
const indexWord = "$index"

// permanent are the exit codes after which another try ends in the same way: wrong usage or configuration, bad input, a
// cache or folder of something else, a machine without ONNX Runtime's library, a full disk or a used-up quota; and
// those of a shell for a program that cannot be run, or is not there.
var permanent = []int{2, 3, 4, 7, 8, 126, 127}

// File is a rendered document.
type File struct {
	Name string
	Data []byte
	Mode os.FileMode
}

// Write writes the files, and the folder for the logs, into the chain's folder. It returns their paths.
func (c *Chain) Write(files []File) ([]string, error) {
	if err := os.MkdirAll(c.logDir(), 0o755); err != nil { // schedulers do not make it, and a job without its log fails
		return nil, fmt.Errorf("writing jobs: %w", err)
	}
	var paths []string
	for _, f := range files {
		path := filepath.Join(c.Dir, f.Name)
		if err := record.WriteFile(path, f.Data); err != nil {
			return nil, err
		}
		if err := os.Chmod(path, f.Mode); err != nil {
			return nil, fmt.Errorf("writing jobs: %w", err)
		}
		paths = append(paths, path)
	}
	return paths, nil
}

func (c *Chain) logDir() string { return filepath.Join(c.Dir, "log") }

// Ranges writes ascending numbers as a scheduler takes them: 0-3,7.
func Ranges(numbers []int) string {
	var parts []string
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		if i == j {
			parts = append(parts, fmt.Sprint(numbers[i]))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", numbers[i], numbers[j]))
		}
		i = j + 1
	}
	return strings.Join(parts, ",")
}

// Numbers parses the output of Ranges.
func Numbers(ranges string) ([]int, error) {
	var numbers []int
	for part := range strings.SplitSeq(ranges, ",") {
		low, high, isRange := strings.Cut(part, "-")
		if !isRange {
			high = low
		}
		from, err := strconv.Atoi(low)
		to, err2 := strconv.Atoi(high)
		if err != nil || err2 != nil || from > to || len(numbers)+to-from >= maxNumbers {
			return nil, fmt.Errorf("%q is no list of numbers and ranges, e.g. 0-3,7", ranges)
		}
		for n := from; n <= to; n++ {
			numbers = append(numbers, n)
		}
	}
	return numbers, nil
}

// maxNumbers bounds how many numbers a list of ranges may have.
const maxNumbers = 1 << 20
