package pipeline

import (
	"bytes"

	"go.yaml.in/yaml/v3"

	"rkd/pipeline/config"
)

// What stands here recognises exported students and results of earlier versions of rkd, whose keys were hashes of the
// Go structs of that time. The structs are kept as they were: they never change. (Checkpoints of that time say what
// they were made from, and need nothing of this.)

// noKeyV1 equals no key: an earlier version could not have made this.
const noKeyV1 = "none of version 1"

// exportKeyV1 is the key that an earlier version gave the same export.
func (s *student) exportKeyV1(o config.Export) string {
	type exportV1 struct {
		Preprocess    bool  `yaml:"preprocess"`
		FoldBatchNorm *bool `yaml:"fold_batch_norm"`
	}
	type aboutV1 struct {
		Variant string `json:"variant"`
		Seed    uint64 `json:"seed"`
		Input   []int  `json:"input"`
		Pixels  [3]int `json:"pixels"`
		Teacher string `json:"teacher_sha256"`
		Cache   string `json:"cache_key"`
		Classes int    `json:"classes,omitempty"`
		Start   string `json:"start_sha256,omitempty"`
		Config  string `json:"config"`
	}
	var options exportV1
	if !asV1(o.Plain(), &options) {
		return noKeyV1
	}
	a := s.about
	return sha256JSON(2, s.file.SHA256, aboutV1{
		a.Variant, a.Seed, a.Input, a.Pixels, a.Teacher, a.Cache, a.Classes, a.Start, a.Config,
	}, options)
}

// hashV1 is the key that an earlier version gave the same results.
func (k *resultsKey) hashV1() string {
	type evalV1 struct {
		Metrics  []string `yaml:"metrics"`
		Queries  int      `yaml:"queries"`
		Episodes int      `yaml:"episodes"`
		Curve    bool     `yaml:"curve"`
		Seed     uint64   `yaml:"seed"`
	}
	type preprocessV1 struct {
		Resize sizeV1    `yaml:"resize"`
		Crop   sizeV1    `yaml:"crop"`
		Color  string    `yaml:"color"`
		Layout string    `yaml:"layout"`
		Scale  float64   `yaml:"scale"`
		Mean   []float64 `yaml:"mean"`
		Std    []float64 `yaml:"std"`
	}
	type teacherV1 struct {
		Model           string            `yaml:"model"`
		Input           string            `yaml:"input"`
		Output          string            `yaml:"output"`
		Logits          string            `yaml:"logits"`
		Preprocess      preprocessV1      `yaml:"preprocess"`
		Normalize       string            `yaml:"normalize"`
		Batch           int               `yaml:"batch"`
		Threads         int               `yaml:"threads"`
		Provider        string            `yaml:"provider"`
		ProviderOptions map[string]string `yaml:"provider_options"`
	}
	if len(k.config.Teacher.Preprocess.Resize) > 0 {
		return noKeyV1 // its samples were resized to other bytes than today's are
	}
	var metrics evalV1
	var teacher teacherV1
	measured := k.config.Eval
	if measured.Baseline == config.BaselineUntrained {
		measured.Baseline = "" // which there was no choice of
	}
	if !asV1(measured, &metrics) || !asV1(k.config.Teacher, &teacher) {
		return noKeyV1
	}
	parts := []any{k.data, metrics, teacher, k.teacher}
	for _, s := range k.students {
		parts = append(parts, s.row, s.seed, s.model)
	}
	return sha256JSON(parts...)
}

// sizeV1 is one number or two.
type sizeV1 []int

// UnmarshalYAML takes a single number for a list of one.
func (s *sizeV1) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*s = make(sizeV1, 1)
		return node.Decode(&(*s)[0])
	}
	return node.Decode((*[]int)(s))
}

// asV1 reads a section as an earlier version had it. It returns false for one with a field that was not there yet.
func asV1(section, v1 any) bool {
	data, err := yaml.Marshal(section)
	if err != nil {
		return false
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	return decoder.Decode(v1) == nil
}
