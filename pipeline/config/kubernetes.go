package config

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Kubernetes are the keys of the `batch` section that Kubernetes alone reads.
type Kubernetes struct {
	// Image is that of every task's container; Kubernetes needs it.
	Image          string            `yaml:"image,omitempty"`
	Namespace      string            `yaml:"namespace,omitempty"`
	ServiceAccount string            `yaml:"service_account,omitempty"`
	NodeSelector   map[string]string `yaml:"node_selector,omitempty"`
	Tolerations    []Toleration      `yaml:"tolerations,omitempty"`
	// Volume holds the files that are in no bucket. Secrets are those whose keys become variables of every task.
	Volume  Volume   `yaml:"volume,omitempty"`
	Secrets []string `yaml:"secrets,omitempty"`
	// User and Group are the numbers that tasks run as; default 65532, that of the project's image.
	User  int64 `yaml:"user,omitempty" within:"[1,4294967294]"`
	Group int64 `yaml:"group,omitempty" within:"[1,4294967294]"`
	// GPUResource is what GPUs are called in the cluster; default nvidia.com/gpu.
	GPUResource string `yaml:"gpu_resource,omitempty"`
	// GraceSeconds is how long a task that has to go may write its checkpoint; default 120. LostNodeSeconds is how long a
	// node may be out of reach until its tasks are given up; default 60.
	GraceSeconds    int `yaml:"grace_seconds,omitempty" within:"[1,86400]"`
	LostNodeSeconds int `yaml:"lost_node_seconds,omitempty" within:"[1,86400]"`
	// Job is a part of a manifest that is laid over that of every job, as it is.
	Job yaml.Node `yaml:"job,omitempty"`
}

// Toleration is one of a pod's, with Kubernetes' words.
type Toleration struct {
	Key      string `yaml:"key,omitempty"`
	Operator string `yaml:"operator,omitempty"` // Exists or Equal, the default
	Value    string `yaml:"value,omitempty"`
	Effect   string `yaml:"effect,omitempty"`
	Seconds  *int64 `yaml:"seconds,omitempty" within:"[0,4294967296]"`
}

// Volume is a place for files that all tasks share: a claim, or a folder that all nodes have.
type Volume struct {
	Claim    string `yaml:"claim,omitempty"`
	HostPath string `yaml:"host_path,omitempty"`
	// Mount is where tasks see it; by default where it is on the host.
	Mount string `yaml:"mount,omitempty"`
}

// Rules of Kubernetes' names.
var (
	labelPattern     = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	subdomainPattern = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	qualifiedPattern = regexp.MustCompile(`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?` +
		`[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)
	valuePattern = regexp.MustCompile(`^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$`)
	imagePattern = regexp.MustCompile(`^[^\s]+$`)
)

const (
	labelRule     = "at most 63 lower-case letters, digits and '-', the first and the last no '-'"
	subdomainRule = "at most 253 lower-case letters, digits, '-' and '.', the first and the last a letter or a digit"
	qualifiedRule = "at most 63 letters, digits, '-', '_' and '.', perhaps after a domain and '/'"
	valueRule     = "at most 63 letters, digits, '-', '_' and '.', the first and the last a letter or a digit"
)

func (k *Kubernetes) fillIn() {
	if k.User == 0 {
		k.User = 65532
	}
	if k.Group == 0 {
		k.Group = 65532
	}
	if k.GPUResource == "" {
		k.GPUResource = "nvidia.com/gpu"
	}
	if k.GraceSeconds == 0 {
		k.GraceSeconds = 120
	}
	if k.LostNodeSeconds == 0 {
		k.LostNodeSeconds = 60
	}
	if k.Volume.Mount == "" {
		k.Volume.Mount = k.Volume.HostPath
	}
}

// validate holds what is given to Kubernetes' rules, so that nothing is refused after the first job has begun.
func (k *Kubernetes) validate() error {
	type name struct {
		key, value string
		pattern    *regexp.Regexp
		most       int
		rule       string
	}
	names := []name{
		{"image", k.Image, imagePattern, 4096, "the name of an image, without spaces"},
		{"namespace", k.Namespace, labelPattern, 63, labelRule},
		{"service_account", k.ServiceAccount, subdomainPattern, 253, subdomainRule},
		{"volume.claim", k.Volume.Claim, subdomainPattern, 253, subdomainRule},
		{"gpu_resource", k.GPUResource, qualifiedPattern, 317, qualifiedRule},
	}
	for i, secret := range k.Secrets {
		names = append(names, name{fmt.Sprintf("secrets[%d]", i), secret, subdomainPattern, 253, subdomainRule})
	}
	for _, key := range slices.Sorted(maps.Keys(k.NodeSelector)) {
		names = append(names, name{"node_selector", key, qualifiedPattern, 317, qualifiedRule},
			name{"node_selector." + key, k.NodeSelector[key], valuePattern, 63, valueRule})
	}
	for _, n := range names {
		if n.value != "" && (len(n.value) > n.most || !n.pattern.MatchString(n.value)) {
			return fmt.Errorf("%s is %q, expected %s", n.key, n.value, n.rule)
		}
	}
	for i, t := range k.Tolerations {
		if err := t.validate(); err != nil {
			return fmt.Errorf("tolerations[%d].%w", i, err)
		}
	}
	if err := k.Volume.validate(); err != nil {
		return fmt.Errorf("volume.%w", err)
	}
	if k.Job.Kind != 0 && k.Job.Kind != yaml.MappingNode && k.Job.Tag != "!!null" {
		return errors.New("job is no section, expected a part of a Job, e.g. {metadata: {labels: {team: vision}}}")
	}
	return nil
}

func (t *Toleration) validate() error {
	switch {
	case t.Operator != "" && t.Operator != "Exists" && t.Operator != "Equal":
		return fmt.Errorf("operator is %q, expected Exists or Equal", t.Operator)
	case t.Operator == "Exists" && t.Value != "":
		return fmt.Errorf("value is %q, but operator Exists takes none", t.Value)
	case t.Key == "" && t.Operator != "Exists":
		return errors.New("key is missing, which only operator Exists may leave out")
	case !slices.Contains([]string{"", "NoSchedule", "PreferNoSchedule", "NoExecute"}, t.Effect):
		return fmt.Errorf("effect is %q, expected NoSchedule, PreferNoSchedule or NoExecute", t.Effect)
	case t.Seconds != nil && t.Effect != "NoExecute":
		return fmt.Errorf("seconds is %d, but only effect NoExecute takes them", *t.Seconds)
	}
	return nil
}

func (v *Volume) validate() error {
	switch {
	case v.Claim != "" && v.HostPath != "":
		return fmt.Errorf("claim is %q and host_path %q, expected one of them", v.Claim, v.HostPath)
	case v.HostPath != "" && !path.IsAbs(v.HostPath):
		return fmt.Errorf("host_path is %q, expected an absolute path", v.HostPath)
	case v.Claim == "" && v.HostPath == "" && v.Mount != "":
		return fmt.Errorf("mount is %q, but neither claim nor host_path names what is mounted there", v.Mount)
	case v.Claim != "" && v.Mount == "":
		return errors.New("mount is missing, expected the path at which tasks see the claim")
	case v.Mount != "" && (!path.IsAbs(v.Mount) || path.Clean(v.Mount) == "/"):
		return fmt.Errorf("mount is %q, expected an absolute path below /", v.Mount)
	}
	return nil
}
