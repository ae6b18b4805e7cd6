package config

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Key is what decides a result: values by canonical names, those of the configuration file. Two results with equal keys
// are equal. What has its default is left out, so that a field may be added, with the default that means what was done
// before it, without a change of any key.
type Key map[string]any

// Hash returns the hexadecimal SHA-256 of the key's canonical JSON: names sorted, no spaces.
func (k Key) Hash() string {
	sum := sha256.Sum256(k.canonical())
	return hex.EncodeToString(sum[:])
}

func (k Key) canonical() []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(k) // what comes from YAML, strings and numbers always encode
	return bytes.TrimSpace(b.Bytes())
}

// Differences lists the names under which k and old hold different values, sorted: "train.lr is 0.002, was 0.001". A
// value that a key leaves out is called default.
func (k Key) Differences(old Key) []string {
	now, before := map[string]string{}, map[string]string{}
	flatten(now, "", map[string]any(k))
	flatten(before, "", map[string]any(old))
	names := slices.Collect(maps.Keys(now))
	for name := range before {
		if _, both := now[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var differences []string
	for _, name := range names {
		if now[name] != before[name] {
			differences = append(differences, fmt.Sprintf("%s is %s, was %s", name, cmp.Or(now[name], "default"),
				cmp.Or(before[name], "default")))
		}
	}
	return differences
}

// flatten writes the values below v into flat by their dotted names; a list is one value.
func flatten(flat map[string]string, name string, v any) {
	section, ok := v.(map[string]any)
	if !ok {
		data, _ := json.Marshal(v) // see canonical
		flat[name] = string(data)
		return
	}
	for key, value := range section {
		at := key
		if name != "" {
			at = name + "." + key
		}
		flatten(flat, at, value)
	}
}

// TrainingKeyVersion is part of every training's key. Raise it when an unchanged configuration trains another student:
// all trainings then start again. (Version 1 was a hash of Go structs.)
const TrainingKeyVersion = 2

// Training is what a training is made from beside its configuration.
type Training struct {
	Cache string // hash of the cache's key: teacher, views, preprocessing, data
	Rows  int    // of the cache
	Input []int  // shape of a student's sample
	Start string // SHA-256 of the ONNX file that the network starts from, empty without one
	Seed  uint64
}

// TrainingKey returns what decides the bytes of a training: neither folders nor names, and of the options only those
// that the weights or the figures in metrics.jsonl depend on.
func (c *Config) TrainingKey(t Training) (Key, error) {
	options := c.Train.WithDefaults(t.Rows)
	options.CheckpointSteps = 0 // when checkpoints are written changes none of them
	options.TensorBoard = false // nor what is written beside them
	student := c.Student
	student.Preprocess = nil
	k := Key{
		"format_version": TrainingKeyVersion, "cache": t.Cache, "input": t.Input, "seed": t.Seed,
		"preprocess": c.Student.Preprocess.Canonical(),
	}
	for name, section := range map[string]any{"student": student, "loss": c.Loss.Resolved(), "train": options} {
		values, err := SectionKey(name, section)
		if err != nil {
			return nil, err
		}
		if name == "loss" {
			leaveOutWeightless(values)
		}
		k[name] = values
	}
	if len(c.Teachers) > 0 {
		weights := map[string]any{}
		for name, t := range c.Teachers {
			weights[name] = t.Weight
		}
		k["teachers"] = map[string]any{"combine": c.Combine, "weights": weights}
	}
	if t.Start != "" {
		k["start"] = t.Start
	}
	if c.Engine.Kind != EngineONNXRuntime {
		k["engine"] = c.Engine.Kind
	}
	if c.Eval.Curve {
		k["curve"] = true
	}
	return k, nil
}

// SectionKey returns the values of a section as a key holds them: by the names of the file, in nested maps and lists,
// without those that are zero or what keyDefaults has for them.
func SectionKey(name string, section any) (map[string]any, error) {
	values, err := Values(section)
	if err != nil {
		return nil, fmt.Errorf("making the key of section %s: %w", name, err)
	}
	leaveOut(values, name)
	return values, nil
}

// keyDefaults are values that keys leave out. Entries never change: when the default of a field changes, the new
// default differs from the entry and so becomes part of keys. A field that is added with a default other than zero is
// added here too. Elements of lists are named without their number.
var keyDefaults = map[string]any{
	"eval.baseline":             "untrained",
	"eval.episodes":             600,
	"eval.queries":              15,
	"export.fold_batch_norm":    true,
	"loss.cc.gamma":             0.4,
	"loss.cc.kernel":            "gaussian",
	"loss.cc.order":             2,
	"loss.dark_rank.alpha":      3,
	"loss.dark_rank.beta":       3,
	"loss.dark_rank.length":     4,
	"loss.hkd.temperature":      4,
	"loss.info_nce.temperature": 0.07,
	"loss.regression.kind":      "mse",
	"loss.task.alpha":           2,
	"loss.task.base":            0.5,
	"loss.task.beta":            50,
	"loss.task.epsilon":         0.1,
	"loss.task.miner":           "distance_weighted",
	"student.arch.head":         "flatten",
	"student.arch.norm":         "batch",
	"student.arch.pool":         "max",
	"student.head.kind":         "linear",
	"student.head.scale":        16,
	"student.normalize":         "none",
	"teacher.batch":             32,
	"teacher.normalize":         "none",
	"teacher.provider":          "cpu",
	"train.betas":               []any{0.9, 0.999},
	"train.batch.classes":       5,
	"train.batch.kind":          "pk",
	"train.batch.per_class":     13,
	"train.batch.queries":       5,
	"train.batch.short":         "repeat",
	"train.batch.shots":         1,
	"train.batch.ways":          5,
	"train.epochs":              10,
	"train.epsilon":             1e-8,
	"train.lr":                  0.001,
	"train.optimizer":           "adam",
	"train.schedule.gamma":      0.1,
	"train.schedule.kind":       "constant",
	"train.selection":           0.1,
}

// leaveOut removes from values what has its default, and the sections of which nothing is left.
func leaveOut(values map[string]any, path string) {
	for _, name := range slices.Collect(maps.Keys(values)) {
		at := path + "." + name
		if standard, ok := keyDefaults[at]; ok && fmt.Sprint(values[name]) == fmt.Sprint(standard) {
			delete(values, name)
			continue
		}
		switch value := values[name].(type) {
		case map[string]any:
			leaveOut(value, at)
			if len(value) == 0 {
				delete(values, name)
			}
		case []any:
			for _, item := range value {
				if section, ok := item.(map[string]any); ok {
					leaveOut(section, at)
				}
			}
		}
	}
}

// leaveOutWeightless removes the losses without a weight, which are not computed.
func leaveOutWeightless(losses map[string]any) {
	weightless := func(loss any) bool {
		section, ok := loss.(map[string]any)
		return ok && section["weight"] == nil
	}
	for name, value := range losses {
		list, ok := value.([]any)
		if ok {
			list = slices.DeleteFunc(list, weightless)
			losses[name] = list
		}
		if weightless(value) || ok && len(list) == 0 {
			delete(losses, name)
		}
	}
}
