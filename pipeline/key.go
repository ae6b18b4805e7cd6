package pipeline

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"

	"go.yaml.in/yaml/v3"

	"rkd/pipeline/config"
)

const (
	// exportKeyVersion is raised when the same student is exported differently.
	exportKeyVersion = 5
	// resultsKeyVersion is raised when the same models are measured differently.
	resultsKeyVersion = 2
)

// exportKey identifies what an export of the student with options o holds. Where the student was trained, and what lay
// where then, is no part of it: the cache and the teacher are named by what is in them.
func (s *student) exportKey(o config.Export) (string, error) {
	return s.exportKeyOf(exportKeyVersion, o, func(about map[string]any) error {
		c := map[string]any{}
		if err := yaml.Unmarshal([]byte(s.about.Config), &c); err != nil {
			return err
		}
		for _, section := range []string{"dir", "data", "cache", "teacher", "teachers", "batch"} {
			delete(c, section)
		}
		if student, ok := c["student"].(map[string]any); ok {
			if arch, ok := student["arch"].(map[string]any); ok && arch["onnx"] != nil {
				arch["onnx"] = s.about.Start
			}
		}
		about["config"] = c
		return nil
	})
}

// exportKeyV4 is exportKey of version 4, in which the text of the configuration is a part.
func (s *student) exportKeyV4(o config.Export) (string, error) {
	return s.exportKeyOf(4, o, func(map[string]any) error { return nil })
}

func (s *student) exportKeyOf(version int, o config.Export, change func(about map[string]any) error) (string, error) {
	about := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader(s.text))
	decoder.UseNumber() // seeds are large
	err := decoder.Decode(&about)
	if err == nil {
		err = change(about)
	}
	if err != nil {
		return "", fmt.Errorf("making the key of an export: %w", err)
	}
	options, err := config.SectionKey("export", o.Plain())
	if err != nil {
		return "", err
	}
	return config.Key{
		"format_version": version, "weights": s.file.SHA256, "about": about, "export": options,
	}.Hash(), nil
}

// resultsKey is what decides the figures of an evaluation.
type resultsKey struct {
	config.Key
	config *config.Config
	data   string // fingerprint of the test data
	// teacher is the SHA-256 of the teacher's model.
	teacher  string
	students []measuredStudent
}

type measuredStudent struct {
	row   string // of the table
	seed  uint64
	model string // SHA-256
}

// resultsKey identifies what an evaluation measures on the test data of that fingerprint.
func (r *Runner) resultsKey(data string, tasks []Task) (*resultsKey, error) {
	k := &resultsKey{config: &r.Experiment.Base, data: data}
	var err error
	teachers, err := k.teachers()
	if err != nil {
		return nil, err
	}
	var students []any
	for _, t := range tasks {
		path, err := t.exportedModel()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t, err)
		}
		hash, err := modelHash(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t, err)
		}
		k.students = append(k.students, measuredStudent{t.row(), t.Seed, hash})
		students = append(students, map[string]any{"name": t.row(), "seed": t.Seed, "model": hash})
		if kind := t.Config.Export.Quantize; kind != "" {
			_, made := readQuantized(path, kind)
			students = append(students, map[string]any{"name": t.row() + "/" + kind, "seed": t.Seed, "made": made})
		}
	}
	metrics := k.config.Eval
	metrics.Curve = false // belongs to trainings
	measured, err := config.SectionKey("eval", metrics)
	if err != nil {
		return nil, err
	}
	k.Key = config.Key{
		"format_version": resultsKeyVersion, "data": data, "eval": measured, "students": students,
	}
	maps.Copy(k.Key, teachers)
	return k, nil
}

// teachers is what the key says of the teachers, by the names of the sections.
func (k *resultsKey) teachers() (map[string]any, error) {
	several := map[string]any{}
	for _, t := range k.config.EachTeacher() {
		hash, _, err := teacherKey(t.Config.Teacher)
		if err != nil {
			return nil, err
		}
		section, err := config.SectionKey("teacher", t.Config.Teacher)
		if err != nil {
			return nil, err
		}
		section["model"] = hash // its bytes, not its path
		section["preprocess"] = t.Config.Teacher.Preprocess.Canonical()
		if t.Name == "" {
			k.teacher = hash
			return map[string]any{"teacher": section}, nil
		}
		section["weight"] = t.Weight
		several[t.Name] = section
	}
	return map[string]any{"teachers": several}, nil
}

// modelHash is the SHA-256 of the model in a file, its external data included.
func modelHash(path string) (string, error) {
	m, err := loadModel(path)
	if err != nil {
		return "", err
	}
	return m.Hash()
}

// sha256JSON is the form of keys of version 1: the SHA-256 of values' JSON.
func sha256JSON(values ...any) string {
	data, _ := json.Marshal(values) // strings, numbers and structs of such always encode
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
