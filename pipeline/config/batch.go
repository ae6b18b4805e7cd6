package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Batch is the `batch` section: how a cluster runs the experiment. It decides no result, so no key knows it and the
// resolved configuration does not hold it.
type Batch struct {
	// Tasks is the number of tasks of the plan that `rkd batch` writes; 0 is one a shard, cache.DefaultTasks at most.
	Tasks int `yaml:"tasks,omitempty"`
	// Resources are those of a task of any stage, Stages what single stages ask for instead, by their names.
	Resources Resources `yaml:"resources,omitempty"`
	Stages    Stages    `yaml:"stages,omitempty"`
	// Retries is how often a task that failed is begun again, unless its exit code is permanent; default 2.
	Retries *int `yaml:"retries,omitempty"`
	// Parallel is how many tasks of a stage may run at the same time; 0 leaves it to the cluster.
	Parallel int `yaml:"parallel,omitempty" within:"[1,1000000]"`
	// Program is what runs as rkd; by default the program that renders, for Slurm, and rkd of the image, for Kubernetes.
	Program string `yaml:"program,omitempty"`
	// Environment are variables of every task, Prologue lines of shell before rkd runs: modules of the site, a container.
	Environment map[string]string `yaml:"environment,omitempty"`
	Prologue    string            `yaml:"prologue,omitempty"`

	// Partition, Account and QOS are Slurm's; Directives are further ones, passed through as they are.
	Partition  string   `yaml:"partition,omitempty"`
	Account    string   `yaml:"account,omitempty"`
	QOS        string   `yaml:"qos,omitempty"`
	Directives []string `yaml:"directives,omitempty"`
	// MaxArraySize is Slurm's setting of that name: a job array's indices are below it. Default 1001, Slurm's.
	MaxArraySize int `yaml:"max_array_size,omitempty"`

	Kubernetes `yaml:",inline"`
}

// Resources are what a task asks for; what is empty is left to the engine's default.
type Resources struct {
	CPUs   int    `yaml:"cpus,omitempty"`
	Memory string `yaml:"memory,omitempty"` // a number with unit: 500M, 16G
	GPUs   int    `yaml:"gpus,omitempty"`
	Time   string `yaml:"time,omitempty"` // HH:MM:SS or D-HH:MM:SS
}

// Stages are the resources of single stages, where they differ from those of all.
type Stages struct {
	Precompute Resources `yaml:"precompute,omitempty"`
	Finalize   Resources `yaml:"finalize,omitempty"`
	Distill    Resources `yaml:"distill,omitempty"`
	Export     Resources `yaml:"export,omitempty"`
	Evaluate   Resources `yaml:"evaluate,omitempty"`
	Collect    Resources `yaml:"collect,omitempty"`
}

// or returns r with what it leaves open taken from general.
func (r Resources) or(general Resources) Resources {
	if r.CPUs == 0 {
		r.CPUs = general.CPUs
	}
	if r.Memory == "" {
		r.Memory = general.Memory
	}
	if r.GPUs == 0 {
		r.GPUs = general.GPUs
	}
	if r.Time == "" {
		r.Time = general.Time
	}
	return r
}

// Of returns the resources of a stage's tasks. Stages that run no model, finalize and collect, get GPUs only where they
// ask for them themselves.
func (b *Batch) Of(stage string) Resources {
	general := b.Resources
	switch stage {
	case "precompute":
		return b.Stages.Precompute.or(general)
	case "distill":
		return b.Stages.Distill.or(general)
	case "export":
		return b.Stages.Export.or(general)
	case "evaluate":
		return b.Stages.Evaluate.or(general)
	}
	general.GPUs = 0
	if stage == "finalize" {
		return b.Stages.Finalize.or(general)
	}
	return b.Stages.Collect.or(general)
}

// Seconds is the time limit as a number, 0 without one.
func (r Resources) Seconds() int64 {
	days, clock, given := strings.Cut(r.Time, "-")
	if !given {
		days, clock = "0", r.Time
	}
	var seconds int64
	for _, part := range strings.Split(clock, ":") {
		n, _ := strconv.ParseInt(part, 10, 64) // as validated
		seconds = 60*seconds + n
	}
	n, _ := strconv.ParseInt(days, 10, 64)
	return 24*3600*n + seconds
}

var (
	memoryPattern   = regexp.MustCompile(`^[1-9][0-9]*[KMGT]$`)
	timePattern     = regexp.MustCompile(`^([0-9]{1,4}-)?[0-9]{1,2}:[0-5][0-9]:[0-5][0-9]$`)
	variablePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

func (b *Batch) fillIn() {
	if b.Retries == nil {
		retries := 2
		b.Retries = &retries
	}
	if b.MaxArraySize == 0 {
		b.MaxArraySize = 1001
	}
	b.Kubernetes.fillIn()
}

func (b *Batch) validate() error {
	switch {
	case b.Tasks < 0:
		return fmt.Errorf("tasks is %d, expected 1 or more", b.Tasks)
	case *b.Retries < 0:
		return fmt.Errorf("retries is %d, expected 0 or more", *b.Retries)
	case b.MaxArraySize < 2:
		return fmt.Errorf("max_array_size is %d, expected 2 or more, as \"scontrol show config\" says", b.MaxArraySize)
	}
	for _, word := range []struct{ key, value string }{
		{"program", b.Program}, {"partition", b.Partition}, {"account", b.Account}, {"qos", b.QOS},
	} {
		if strings.ContainsAny(word.value, "\n\r") || word.key != "program" && strings.ContainsAny(word.value, " \t#") {
			return fmt.Errorf("%s is %q, expected one word", word.key, word.value)
		}
	}
	for i, d := range b.Directives {
		if !strings.HasPrefix(d, "--") || strings.ContainsAny(d, "\n\r") {
			return fmt.Errorf("directives[%d] is %q, expected an option of sbatch, e.g. \"--constraint=avx512\"", i, d)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.Environment)) {
		if !variablePattern.MatchString(name) {
			return fmt.Errorf("environment: %q is no name of a variable, expected letters, digits and '_'", name)
		}
		if strings.Contains(b.Environment[name], "\x00") {
			return fmt.Errorf("environment.%s has a zero byte, which no variable can hold", name)
		}
	}
	if err := b.Kubernetes.validate(); err != nil {
		return err
	}
	for _, r := range []struct {
		key string
		Resources
	}{
		{"resources", b.Resources},
		{"stages.precompute", b.Stages.Precompute},
		{"stages.finalize", b.Stages.Finalize},
		{"stages.distill", b.Stages.Distill},
		{"stages.export", b.Stages.Export},
		{"stages.evaluate", b.Stages.Evaluate},
		{"stages.collect", b.Stages.Collect},
	} {
		if err := r.validate(); err != nil {
			return fmt.Errorf("%s.%w", r.key, err)
		}
	}
	return nil
}

func (r *Resources) validate() error {
	switch {
	case r.CPUs < 0:
		return fmt.Errorf("cpus is %d, expected 1 or more", r.CPUs)
	case r.GPUs < 0:
		return fmt.Errorf("gpus is %d, expected 0 or more", r.GPUs)
	case r.Memory != "" && !memoryPattern.MatchString(r.Memory):
		return fmt.Errorf("memory is %q, expected a whole number and a unit, K, M, G or T, e.g. 16G", r.Memory)
	case r.Time != "" && !timePattern.MatchString(r.Time):
		return fmt.Errorf("time is %q, expected HH:MM:SS or D-HH:MM:SS, e.g. \"04:00:00\" in quotes", r.Time)
	}
	return nil
}
