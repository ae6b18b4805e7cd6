package batch

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// The parts of Kubernetes' objects that jobs are made of, with Kubernetes' names; .ci/kubernetes holds them to its own
// types.
type (
	object struct {
		APIVersion string   `yaml:"apiVersion"`
		Kind       string   `yaml:"kind"`
		Metadata   metadata `yaml:"metadata"`
	}
	metadata struct {
		Name      string            `yaml:"name,omitempty"`
		Namespace string            `yaml:"namespace,omitempty"`
		Labels    map[string]string `yaml:"labels,omitempty"`
	}
	configMap struct {
		object    `yaml:",inline"`
		Immutable bool              `yaml:"immutable"`
		Data      map[string]string `yaml:"data"`
	}
	indexedJob struct {
		object `yaml:",inline"`
		Spec   jobSpec `yaml:"spec"`
	}
	jobSpec struct {
		CompletionMode       string           `yaml:"completionMode"`
		Completions          int              `yaml:"completions"`
		Parallelism          int              `yaml:"parallelism"`
		BackoffLimitPerIndex int              `yaml:"backoffLimitPerIndex"`
		PodReplacementPolicy string           `yaml:"podReplacementPolicy"`
		PodFailurePolicy     podFailurePolicy `yaml:"podFailurePolicy"`
		Template             podTemplate      `yaml:"template"`
	}
	podFailurePolicy struct {
		Rules []failureRule `yaml:"rules"`
	}
	failureRule struct {
		Action          string         `yaml:"action"`
		OnExitCodes     *onExitCodes   `yaml:"onExitCodes,omitempty"`
		OnPodConditions []podCondition `yaml:"onPodConditions,omitempty"`
	}
	onExitCodes struct {
		ContainerName string `yaml:"containerName"`
		Operator      string `yaml:"operator"`
		Values        []int  `yaml:"values,flow"`
	}
	podCondition struct {
		Type   string `yaml:"type"`
		Status string `yaml:"status"`
	}
	podTemplate struct {
		Metadata metadata `yaml:"metadata"`
		Spec     podSpec  `yaml:"spec"`
	}
	podSpec struct {
		RestartPolicy         string            `yaml:"restartPolicy"`
		ActiveDeadline        int64             `yaml:"activeDeadlineSeconds,omitempty"`
		TerminationGrace      int               `yaml:"terminationGracePeriodSeconds"`
		ServiceAccount        string            `yaml:"serviceAccountName,omitempty"`
		AutomountServiceToken bool              `yaml:"automountServiceAccountToken"`
		NodeSelector          map[string]string `yaml:"nodeSelector,omitempty"`
		Tolerations           []toleration      `yaml:"tolerations"`
		Security              podSecurity       `yaml:"securityContext"`
		Containers            []container       `yaml:"containers"`
		Volumes               []volume          `yaml:"volumes"`
	}
	toleration struct {
		Key      string `yaml:"key,omitempty"`
		Operator string `yaml:"operator,omitempty"`
		Value    string `yaml:"value,omitempty"`
		Effect   string `yaml:"effect,omitempty"`
		Seconds  *int64 `yaml:"tolerationSeconds,omitempty"`
	}
	podSecurity struct {
		RunAsNonRoot  bool              `yaml:"runAsNonRoot"`
		User          int64             `yaml:"runAsUser"`
		Group         int64             `yaml:"runAsGroup"`
		FSGroup       int64             `yaml:"fsGroup"`
		FSGroupChange string            `yaml:"fsGroupChangePolicy"`
		Seccomp       map[string]string `yaml:"seccompProfile"`
	}
	container struct {
		Name               string            `yaml:"name"`
		Image              string            `yaml:"image"`
		Command            []string          `yaml:"command"`
		Args               []string          `yaml:"args"`
		WorkingDir         string            `yaml:"workingDir,omitempty"`
		Env                []variable        `yaml:"env"`
		EnvFrom            []secretVariables `yaml:"envFrom,omitempty"`
		Resources          *resources        `yaml:"resources,omitempty"`
		VolumeMounts       []volumeMount     `yaml:"volumeMounts"`
		TerminationMessage string            `yaml:"terminationMessagePolicy"`
		Security           containerSecurity `yaml:"securityContext"`
	}
	variable struct {
		Name  string `yaml:"name"`
		Value string `yaml:"value"`
	}
	secretVariables struct {
		SecretRef named `yaml:"secretRef"`
	}
	named struct {
		Name string `yaml:"name"`
	}
	resources struct {
		Requests map[string]string `yaml:"requests"`
		Limits   map[string]string `yaml:"limits"`
	}
	volumeMount struct {
		Name      string `yaml:"name"`
		MountPath string `yaml:"mountPath"`
		ReadOnly  bool   `yaml:"readOnly,omitempty"`
	}
	containerSecurity struct {
		AllowPrivilegeEscalation bool                `yaml:"allowPrivilegeEscalation"`
		ReadOnlyRoot             bool                `yaml:"readOnlyRootFilesystem"`
		Capabilities             map[string][]string `yaml:"capabilities"`
	}
	volume struct {
		Name      string          `yaml:"name"`
		ConfigMap *named          `yaml:"configMap,omitempty"`
		Empty     *struct{}       `yaml:"emptyDir,omitempty"`
		HostPath  *hostPath       `yaml:"hostPath,omitempty"`
		Claim     *claimedStorage `yaml:"persistentVolumeClaim,omitempty"`
	}
	hostPath struct {
		Path string `yaml:"path"`
		Type string `yaml:"type"`
	}
	claimedStorage struct {
		ClaimName string `yaml:"claimName"`
	}
)

// manifest writes an object as YAML, with part of a user's laid over it and a comment on top.
func manifest(comment string, v any, over *yaml.Node) ([]byte, error) {
	var node yaml.Node
	if err := node.Encode(v); err != nil {
		return nil, err
	}
	if over != nil && over.Kind == yaml.MappingNode {
		lay(&node, over)
	}
	doc := yaml.Node{Kind: yaml.DocumentNode, HeadComment: comment, Content: []*yaml.Node{&node}}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(&doc); err != nil {
		return nil, err
	}
	return b.Bytes(), e.Close()
}

// lay lays a mapping over another as kubectl's strategic merge does: mappings are merged, lists of things with names by
// their names, everything else is replaced.
func lay(base, over *yaml.Node) {
	for i := 0; i+1 < len(over.Content); i += 2 {
		key, value := over.Content[i], resolved(over.Content[i+1])
		at := find(base, key.Value)
		switch {
		case at == nil:
			base.Content = append(base.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key.Value}, value)
		case at.Kind == yaml.MappingNode && value.Kind == yaml.MappingNode:
			lay(at, value)
		case areNamed(at) && areNamed(value):
			for _, item := range value.Content {
				item = resolved(item)
				if same := withName(at, find(item, "name").Value); same != nil {
					lay(same, item)
				} else {
					at.Content = append(at.Content, item)
				}
			}
		default:
			*at = *value
		}
	}
}

func resolved(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func find(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

// areNamed says whether a node is a list of mappings with names, at least one.
func areNamed(list *yaml.Node) bool {
	for _, item := range list.Content {
		if item = resolved(item); item.Kind != yaml.MappingNode || find(item, "name") == nil {
			return false
		}
	}
	return list.Kind == yaml.SequenceNode && len(list.Content) > 0
}

func withName(list *yaml.Node, name string) *yaml.Node {
	for _, item := range list.Content {
		if find(item, "name").Value == name {
			return item
		}
	}
	return nil
}

// quantity writes memory as Kubernetes has it: K, M, G and T are powers of 1024 there with an i behind.
func quantity(memory string) string { return fmt.Sprint(memory, "i") }
