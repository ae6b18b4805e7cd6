package batch

import (
	"bytes"
	"context"
	_ "embed" // the templates
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"

	"rkd/pipeline/config"
)

// slurmJob lays out the script of a stage, slurmSubmit the one that submits all.
var (
	//go:embed slurm.sh.tmpl
	slurmText string
	//go:embed submit.sh.tmpl
	submitText string

	slurmJob    = template.Must(template.New("slurm").Parse(slurmText))
	slurmSubmit = template.Must(template.New("submit").
			Funcs(template.FuncMap{"prev": func(i int) int { return i - 1 }}).Parse(submitText))
)

// slurmArray is one submission of a stage: a job array with indices below Slurm's limit, or a single job.
type slurmArray struct {
	Stage   string
	Script  string
	Array   string // of --array, empty for a single job
	Offset  int    // that the job adds to Slurm's index
	After   string // stage that it waits for, empty for the first
	IsArray bool
}

// Slurm renders the chain as one script a stage, and one that submits them in their order.
func (c *Chain) Slurm() ([]File, error) {
	var files []File
	for i, s := range c.stages() {
		var b bytes.Buffer
		if err := slurmJob.Execute(&b, c.slurmScript(s)); err != nil {
			return nil, fmt.Errorf("rendering %s: %w", s.name, err)
		}
		files = append(files, File{scriptName(i, s), b.Bytes(), 0o755})
	}
	var b bytes.Buffer
	err := slurmSubmit.Execute(&b, map[string]any{"Name": c.Name, "Arrays": c.slurmArrays()})
	if err != nil {
		return nil, fmt.Errorf("rendering submit.sh: %w", err)
	}
	return append(files, File{"submit.sh", b.Bytes(), 0o755}), nil
}

func scriptName(i int, s stage) string { return fmt.Sprintf("%d-%s.sh", i+1, s.name) }

// slurmScript holds the values of the template slurm.sh.tmpl.
func (c *Chain) slurmScript(s stage) map[string]any {
	log := s.name + "-%j.log"
	job := "$SLURM_JOB_ID"
	if s.array {
		log = s.name + "-%A_%a.log"
		job = "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
	}
	program := c.Batch.Program
	if program == "" {
		program = c.Program
	}
	command := []string{quote(program)}
	for _, word := range s.command {
		if word == indexWord {
			command = append(command, `"$index"`)
			continue
		}
		command = append(command, quote(word))
	}
	environment := []string{MarkVariable + "=" + quote(c.Mark)}
	for _, name := range slices.Sorted(maps.Keys(c.Batch.Environment)) {
		environment = append(environment, name+"="+quote(c.Batch.Environment[name]))
	}
	var codes []string
	for _, code := range permanent {
		codes = append(codes, fmt.Sprint(code))
	}
	return map[string]any{
		"Stage": s.name, "About": s.about, "Name": c.Name, "Array": s.array, "Job": job,
		"Directives":  c.slurmDirectives(s.name, log),
		"Environment": environment, "Prologue": strings.TrimSpace(c.Batch.Prologue), "Command": strings.Join(command, " "),
		"Retries": *c.Batch.Retries, "Permanent": strings.Join(codes, " | "),
	}
}

// slurmDirectives are the options of sbatch that a script of a stage has.
func (c *Chain) slurmDirectives(stage, log string) []string {
	r := c.Batch.Of(stage)
	d := []string{
		"--job-name=" + c.Name + "-" + stage, "--chdir=" + directive(c.WorkDir), "--output=" +
			directive(filepath.Join(c.logDir(), log)),
		"--open-mode=append", "--requeue", "--signal=B:TERM@60", "--kill-on-invalid-dep=yes",
	}
	add := func(name string, value any) {
		if text := fmt.Sprint(value); text != "" && text != "0" {
			d = append(d, "--"+name+"="+text)
		}
	}
	add("cpus-per-task", r.CPUs)
	add("mem", r.Memory)
	add("gpus", r.GPUs)
	add("time", r.Time)
	add("partition", c.Batch.Partition)
	add("account", c.Batch.Account)
	add("qos", c.Batch.QOS)
	return append(d, c.Batch.Directives...)
}

// slurmArrays lists the submissions. Where indices go beyond Slurm's limit there are several arrays of one stage.
func (c *Chain) slurmArrays() []slurmArray {
	var arrays []slurmArray
	before := ""
	for i, s := range c.stages() {
		a := slurmArray{Stage: s.name, Script: scriptName(i, s), After: before, IsArray: s.array}
		before = s.name
		if !s.array {
			arrays = append(arrays, a)
			continue
		}
		size := c.Batch.MaxArraySize
		for rest := s.indices; len(rest) > 0; {
			a.Offset = rest[0] / size * size
			n, _ := slices.BinarySearch(rest, a.Offset+size)
			of := make([]int, n)
			for j, index := range rest[:n] {
				of[j] = index - a.Offset
			}
			a.Array, rest = Ranges(of), rest[n:]
			if c.Batch.Parallel > 0 {
				a.Array += fmt.Sprintf("%%%d", c.Batch.Parallel)
			}
			arrays = append(arrays, a)
		}
	}
	return arrays
}

// Job is a job that was submitted.
type Job struct {
	Stage string `json:"stage"`
	ID    string `json:"id"`
}

// SubmitSlurm hands the rendered scripts to sbatch, and with wait stays until the last job has ended. It returns the
// jobs that Slurm has taken, with an error too.
func (c *Chain) SubmitSlurm(ctx context.Context, wait bool) ([]Job, error) {
	sbatch, err := exec.LookPath("sbatch")
	if err != nil {
		return nil, fmt.Errorf("sbatch is %w: submit on a machine of the cluster, there too with submit.sh of %q",
			ErrNoEngine, c.Dir)
	}
	var jobs []Job
	arrays := c.slurmArrays()
	for i, a := range arrays {
		args := []string{"--parsable"}
		last := wait && i == len(arrays)-1
		if last {
			args = append(args, "--wait")
		}
		if a.IsArray {
			args = append(args, "--array="+a.Array)
		}
		if a.After != "" {
			after := "--dependency=afterok"
			for _, j := range jobs {
				if j.Stage == a.After {
					after += ":" + j.ID
				}
			}
			args = append(args, after)
		}
		args = append(args, filepath.Join(c.Dir, a.Script))
		if a.IsArray {
			args = append(args, fmt.Sprint(a.Offset))
		}
		id, err := output(ctx, sbatch, args...)
		if id, _, _ = strings.Cut(id, ";"); id != "" { // a cluster's name may follow
			jobs = append(jobs, Job{a.Stage, id})
		}
		if last && id != "" && (err != nil || !c.ran(ctx, a.Stage, id)) {
			return jobs, fmt.Errorf("%s: %w: job %s has not succeeded, or one before it", a.Stage, ErrStage, id)
		}
		if err != nil {
			return jobs, fmt.Errorf("submitting %s: sbatch %w", a.Stage, err)
		}
	}
	return jobs, nil
}

// ran says whether a job has a log. One that is cancelled because a job before it has failed has none, and sbatch calls
// its end a success. The log may need a moment to be seen on another machine.
func (c *Chain) ran(ctx context.Context, stage, id string) bool {
	for range 20 {
		if _, err := os.Stat(filepath.Join(c.logDir(), stage+"-"+id+".log")); err == nil {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(logDelay / 20):
		}
	}
	return false
}

// logDelay is how long a log may take to be seen on a shared file system.
const logDelay = time.Second

// output runs a scheduler's program and returns its stdout. If it fails, the error is ErrRefused with all it printed.
func output(ctx context.Context, program string, args ...string) (string, error) {
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return strings.TrimSpace(out.String()), fmt.Errorf("%w it: %s", ErrRefused, strings.TrimSpace(said.String()))
	case err != nil:
		return "", err
	}
	return strings.TrimSpace(out.String()), nil
}

// checkSlurm refuses values that cannot be written in a script of sbatch.
func (c *Chain) checkSlurm() error {
	for _, path := range []string{c.WorkDir, c.Dir} {
		if strings.ContainsAny(path, "\n\r\"\\%") {
			return fmt.Errorf("%w: the folder %q cannot stand in a script of sbatch: rename it", config.ErrConfig, path)
		}
	}
	return nil
}

// directive writes a value of an #SBATCH line.
func directive(value string) string {
	if strings.ContainsAny(value, " \t#'") {
		return `"` + value + `"`
	}
	return value
}

var plain = regexp.MustCompile(`^[A-Za-z0-9_./:,=@%+-]+$`)

// quote writes a word for a shell.
func quote(word string) string {
	if plain.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
