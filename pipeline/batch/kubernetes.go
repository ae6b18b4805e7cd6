package batch

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"rkd/pipeline/config"
)

const (
	containerName = "rkd"
	configDir     = "/etc/rkd" // where tasks see the configuration

	instanceLabel  = "app.kubernetes.io/instance"
	componentLabel = "app.kubernetes.io/component"

	// maxIndices is the most that Kubernetes takes of a job with a limit of retries for each index, unless the number of
	// failed ones is limited, too.
	maxIndices = 10000
	// maxBase leaves room in a label, 63, for a stage, an index and what Kubernetes adds to a pod's name.
	maxBase = 40
)

// containerPermanent are the exit codes of a container after which another try ends in the same way: those of rkd, and
// that of a program that the image lacks.
var containerPermanent = append(slices.Clone(permanent), 128)

// interrupted is rkd's exit code after SIGTERM, with its work kept.
const interrupted = 130

// Kubernetes renders the chain as a ConfigMap with the configuration and an Indexed Job a stage.
func (c *Chain) Kubernetes() ([]File, error) {
	data, err := manifest(fmt.Sprintf("The configuration of %s, as its tasks see it.\n"+
		"\"rkd batch render\" wrote this file, and writes it anew.", c.Name), c.configMap(), nil)
	if err != nil {
		return nil, fmt.Errorf("rendering the configuration: %w", err)
	}
	files := []File{{"0-config.yaml", data, 0o644}}
	for i, s := range c.stages() {
		if len(s.indices) > maxIndices {
			return nil, fmt.Errorf("%w: %s has %d tasks, but a job of Kubernetes has at most %d: set batch.tasks",
				config.ErrConfig, s.name, len(s.indices), maxIndices)
		}
		data, err := manifest(fmt.Sprintf("%s of %s: %s.\n\"rkd batch render\" wrote this file, and writes it anew.", s.name,
			c.Name, s.about), c.indexedJob(s), &c.Batch.Job)
		if err != nil {
			return nil, fmt.Errorf("rendering %s: %w", s.name, err)
		}
		files = append(files, File{manifestName(i, s), data, 0o644})
	}
	return files, nil
}

func manifestName(i int, s stage) string { return fmt.Sprintf("%d-%s.yaml", i+1, s.name) }

var notInLabels = regexp.MustCompile(`[^a-z0-9]+`)

// base is the prefix of the names of an experiment's objects: its name in the characters that Kubernetes allows. If
// that changes it, a part of the name's hash is added, so that different experiments keep different names.
func (c *Chain) base() string {
	valid := strings.Trim(notInLabels.ReplaceAllString(strings.ToLower(c.Name), "-"), "-")
	if valid == c.Name && len(valid) <= maxBase {
		return valid
	}
	sum := sha256.Sum256([]byte(c.Name))
	return strings.TrimLeft(fmt.Sprintf("%s-%s", strings.Trim(valid[:min(len(valid), maxBase-6)], "-"),
		hex.EncodeToString(sum[:])[:5]), "-")
}

func (c *Chain) jobName(stage string) string { return c.base() + "-" + stage }

// labels are those of everything of this experiment; of a stage unless it is empty.
func (c *Chain) labels(stage string) map[string]string {
	l := map[string]string{"app.kubernetes.io/name": "rkd", instanceLabel: c.base()}
	if stage != "" {
		l[componentLabel] = stage
	}
	return l
}

// configName names the configuration by what is in it: a running job keeps the one that it was begun with.
func (c *Chain) configName() string {
	sum := sha256.Sum256(c.ConfigText)
	return fmt.Sprintf("%s-config-%s", c.base(), hex.EncodeToString(sum[:])[:8])
}

var notInKeys = regexp.MustCompile(`[^-._a-zA-Z0-9]+`)

// configKey is the configuration's file name as a ConfigMap takes it.
func (c *Chain) configKey() string {
	return notInKeys.ReplaceAllString(filepath.Base(c.Config), "-")
}

func (c *Chain) configMap() configMap {
	return configMap{
		object: object{
			APIVersion: "v1", Kind: "ConfigMap",
			Metadata: metadata{Name: c.configName(), Namespace: c.Batch.Namespace, Labels: c.labels("")},
		},
		Immutable: true, Data: map[string]string{c.configKey(): string(c.ConfigText)},
	}
}

func (c *Chain) indexedJob(s stage) indexedJob {
	completions := max(len(s.indices), 1)
	parallelism := completions
	if c.Batch.Parallel > 0 {
		parallelism = min(parallelism, c.Batch.Parallel)
	}
	return indexedJob{
		object: object{
			APIVersion: "batch/v1", Kind: "Job",
			Metadata: metadata{Name: c.jobName(s.name), Namespace: c.Batch.Namespace, Labels: c.labels(s.name)},
		},
		Spec: jobSpec{
			CompletionMode: "Indexed", Completions: completions, Parallelism: parallelism,
			BackoffLimitPerIndex: *c.Batch.Retries, PodReplacementPolicy: "Failed",
			PodFailurePolicy: podFailurePolicy{[]failureRule{
				{Action: "FailIndex", OnExitCodes: &onExitCodes{containerName, "In", containerPermanent}},
				{Action: "Ignore", OnExitCodes: &onExitCodes{containerName, "In", []int{interrupted}}},
				{Action: "Ignore", OnPodConditions: []podCondition{{"DisruptionTarget", "True"}}},
			}},
			Template: podTemplate{metadata{Labels: c.labels(s.name)}, c.podSpec(s)},
		},
	}
}

func (c *Chain) podSpec(s stage) podSpec {
	b := &c.Batch
	lost := int64(b.LostNodeSeconds)
	tolerations := []toleration{
		{Key: "node.kubernetes.io/not-ready", Operator: "Exists", Effect: "NoExecute", Seconds: &lost},
		{Key: "node.kubernetes.io/unreachable", Operator: "Exists", Effect: "NoExecute", Seconds: &lost},
	}
	for _, t := range b.Tolerations {
		tolerations = append(tolerations, toleration(t))
	}
	volumes := []volume{
		{Name: "config", ConfigMap: &named{c.configName()}},
		{Name: "tmp", Empty: &struct{}{}},
	}
	mounts := []volumeMount{{"config", configDir, true}, {"tmp", "/tmp", false}}
	switch v := b.Volume; {
	case v.Claim != "":
		volumes = append(volumes, volume{Name: "work", Claim: &claimedStorage{v.Claim}})
	case v.HostPath != "":
		volumes = append(volumes, volume{Name: "work", HostPath: &hostPath{v.HostPath, "Directory"}})
	}
	if b.Volume.Mount != "" {
		mounts = append(mounts, volumeMount{"work", b.Volume.Mount, false})
	}
	return podSpec{
		RestartPolicy: "Never", ActiveDeadline: b.Of(s.name).Seconds(), TerminationGrace: b.GraceSeconds,
		ServiceAccount: b.ServiceAccount, AutomountServiceToken: b.ServiceAccount != "",
		NodeSelector: b.NodeSelector, Tolerations: tolerations,
		Security: podSecurity{
			true, b.User, b.Group, b.Group, "OnRootMismatch", map[string]string{"type": "RuntimeDefault"},
		},
		Containers: []container{c.container(s, mounts)}, Volumes: volumes,
	}
}

func (c *Chain) container(s stage, mounts []volumeMount) container {
	b := &c.Batch
	program := b.Program
	if program == "" {
		program = "rkd"
	}
	command := []string{literal(program)}
	if prologue := strings.TrimSpace(b.Prologue); prologue != "" {
		command = []string{"/bin/sh", "-c", literal(prologue) + "\nexec \"$@\"", "sh", literal(program)}
	}
	env := []variable{{"HOME", "/tmp"}, {MarkVariable, c.Mark}}
	if b.Environment["HOME"] != "" {
		env = env[1:]
	}
	for _, name := range slices.Sorted(maps.Keys(b.Environment)) {
		env = append(env, variable{name, literal(b.Environment[name])})
	}
	var secrets []secretVariables
	for _, name := range b.Secrets {
		secrets = append(secrets, secretVariables{named{name}})
	}
	return container{
		Name: containerName, Image: b.Image, Command: command, Args: c.arguments(s), WorkingDir: c.podDir(), Env: env,
		EnvFrom: secrets, Resources: c.resources(s), VolumeMounts: mounts, TerminationMessage: "FallbackToLogsOnError",
		Security: containerSecurity{ReadOnlyRoot: true, Capabilities: map[string][]string{"drop": {"ALL"}}},
	}
}

// arguments are those of a stage's task. Kubernetes counts tasks from 0 without gaps, so where there are gaps the tasks
// are told which they count.
func (c *Chain) arguments(s stage) []string {
	var args []string
	for i := 0; i < len(s.command); i++ {
		switch word := s.command[i]; word {
		case "--task-index": // which Kubernetes gives in a variable
			i++
			if n := len(s.indices); s.indices[n-1] != n-1 {
				args = append(args, "--task-list", Ranges(s.indices))
			}
		case c.Config:
			args = append(args, literal(path.Join(configDir, c.configKey())))
		default:
			args = append(args, literal(word))
		}
	}
	return args
}

// literal escapes $(NAME), which Kubernetes would replace by a variable's value.
func literal(text string) string { return strings.ReplaceAll(text, "$(", "$$(") }

// resources are requested and limited alike, so that no task takes what another was promised.
func (c *Chain) resources(s stage) *resources {
	r := c.Batch.Of(s.name)
	of := map[string]string{}
	if r.CPUs > 0 {
		of["cpu"] = strconv.Itoa(r.CPUs)
	}
	if r.Memory != "" {
		of["memory"] = quantity(r.Memory)
	}
	if r.GPUs > 0 {
		of[c.Batch.GPUResource] = strconv.Itoa(r.GPUs)
	}
	if len(of) == 0 {
		return nil
	}
	return &resources{of, of}
}

// podDir is the working folder of tasks: the folder in which the chain is rendered, if it is on the volume, else the
// volume's root.
func (c *Chain) podDir() string {
	v := c.Batch.Volume
	root := v.HostPath
	if v.Claim != "" {
		root = v.Mount
	}
	if rel, err := filepath.Rel(root, c.WorkDir); root != "" && err == nil && filepath.IsLocal(rel) {
		return path.Join(v.Mount, filepath.ToSlash(rel))
	}
	return v.Mount
}

// checkKubernetes refuses experiments that tasks on Kubernetes cannot run.
func (c *Chain) checkKubernetes() error {
	if c.Batch.Image == "" {
		return fmt.Errorf("%w: batch.image is missing: Kubernetes runs tasks in containers, e.g. of what \"make image\" "+
			"makes", config.ErrConfig)
	}
	type folder struct{ key, path string }
	folders := []folder{{"dir", c.RunDir}}
	for _, dir := range c.CacheDirs {
		folders = append(folders, folder{"cache.dir", dir})
	}
	for _, dir := range folders {
		switch mount := c.Batch.Volume.Mount; {
		case strings.Contains(dir.path, "://"):
		case mount == "":
			return fmt.Errorf("%w: %s is %q, a folder of this machine that tasks do not see: name a bucket, or what they share "+
				"in batch.volume", config.ErrConfig, dir.key, dir.path)
		case filepath.IsAbs(dir.path) && !below(mount, dir.path):
			return fmt.Errorf("%w: %s is %q, expected a folder below batch.volume.mount, %q, or a relative path",
				config.ErrConfig, dir.key, dir.path, mount)
		}
	}
	return nil
}

func below(root, dir string) bool {
	rel, err := filepath.Rel(root, dir)
	return err == nil && filepath.IsLocal(rel)
}
