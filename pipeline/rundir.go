package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"rkd/datasets/regular"
	"rkd/pipeline/config"
	"rkd/pipeline/storage"
	"rkd/teacher"
)

// chooseModel says how to open what a user names as a model: an ONNX file, a run directory, of which name chooses the
// teacher, a variant or one seed of it ("rkd-da", "rkd-da/seed-2"), or the folder of one training. Without a name the
// best student of a run is taken, by the first metric of results.json.
//
// as are the options of a model that rkd did not export: preprocessing, names of tensors.
func chooseModel(path, name string, as teacher.Options) (teacher.Options, error) {
	local := localModel
	if _, base := storage.Split(path); filepath.Ext(base) != ".onnx" {
		local = localRun
	}
	path, err := local(context.Background(), path)
	if err != nil {
		return as, fmt.Errorf("opening the model: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return as, fmt.Errorf("opening the model: %w", err)
	}
	if !info.IsDir() {
		if name != "" {
			return as, fmt.Errorf("%w: --model %s chooses among the students of a run directory, and %q is a file",
				config.ErrConfig, name, path)
		}
		return openingOptions(path, as)
	}
	if model := filepath.Join(path, "student.onnx"); name == "" && isFile(model) {
		return openingOptions(model, as)
	}
	if name == "teacher" {
		return runTeacher(path)
	}
	model, err := studentOf(path, name)
	if err != nil {
		return as, err
	}
	return openingOptions(model, as)
}

// openingOptions are those of the model in a file: its own, where rkd exported it.
func openingOptions(path string, as teacher.Options) (teacher.Options, error) {
	o, exported, err := exportedModelOptions(path)
	if err != nil {
		return as, err
	}
	if !exported {
		as.Model = path
		return as, nil
	}
	o.Batch, o.Threads, o.Provider, o.ProviderOptions = as.Batch, as.Threads, as.Provider, as.ProviderOptions
	return o, nil
}

// runTeacher reads the teacher section of a run's resolved configuration.
func runTeacher(dir string) (teacher.Options, error) {
	file := filepath.Join(dir, configFile)
	data, err := regular.ReadFile(file)
	if err != nil {
		return teacher.Options{}, fmt.Errorf("reading the run's configuration: %w", err)
	}
	e, err := config.Parse(file, data, nil)
	if err != nil {
		return teacher.Options{}, err
	}
	return e.Base.Teacher, nil
}

// studentOf chooses an exported student of a run directory, by the name of a row of the table or of a training. A name
// that ends in /int8 or /float16 means that form of it.
func studentOf(dir, name string) (string, error) {
	name, kind := formOf(name)
	found, err := filepath.Glob(filepath.Join(escaped(dir), "*", "seed-*", exportedName(kind)))
	if err == nil && len(found) == 0 && kind != "" {
		return "", fmt.Errorf("%q holds no student in %s: %w; export.quantize: %s makes it", dir, kind, fs.ErrNotExist, kind)
	}
	if err != nil || len(found) == 0 {
		return "", errors.Join(err, fmt.Errorf("%q holds no exported student: %w; 'rkd export CONFIG' makes it", dir,
			fs.ErrNotExist))
	}
	is := func(model string) bool {
		rel, _ := filepath.Rel(dir, filepath.Dir(model))
		rel = filepath.ToSlash(rel)
		return name == "" || rel == name || strings.HasPrefix(rel, name+"/seed-")
	}
	chosen := slices.DeleteFunc(slices.Clone(found), func(model string) bool { return !is(model) })
	if len(chosen) == 1 {
		return chosen[0], nil
	}
	if len(chosen) == 0 {
		return "", fmt.Errorf("%w: --model is %q, expected teacher, or a variant or training of %q: %s", config.ErrConfig,
			name, dir, strings.Join(relatives(dir, found), ", "))
	}
	scores, err := trainingScores(dir)
	if err != nil {
		return "", err
	}
	best := slices.MaxFunc(chosen, func(a, b string) int { return cmp.Compare(scores[a], scores[b]) })
	if scores[best] == 0 {
		return "", fmt.Errorf("%w: %q has several students and no results that say which is best: 'rkd eval CONFIG' "+
			"measures them, or choose with --model: %s", config.ErrConfig, dir, strings.Join(relatives(dir, chosen), ", "))
	}
	return best, nil
}

// formOf cuts the name of a form that is no float32 off the end of a student's name.
func formOf(name string) (student, kind string) {
	for _, kind := range []string{config.QuantizeInt8, config.QuantizeFloat16} {
		if student, ok := strings.CutSuffix(name, "/"+kind); ok {
			return student, kind
		}
	}
	return name, ""
}

// exportedName is the name of a student's file in a form, of float32 without one.
func exportedName(kind string) string {
	if kind == "" {
		return "student.onnx"
	}
	return quantizedPath("student.onnx", kind)
}

// trainingScores are the values of the first metric of a run's results, by the path of the student.
func trainingScores(dir string) (map[string]float64, error) {
	scores := map[string]float64{}
	res, err := readResults(dir)
	if err != nil || res == nil || len(res.Metrics) == 0 {
		return scores, err
	}
	for row, v := range res.Models {
		variant, kind := formOf(row)
		for i, value := range v.Metrics[res.Metrics[0]].Values {
			if i < len(v.Seeds) {
				scores[filepath.Join(dir, variant, fmt.Sprintf("seed-%d", v.Seeds[i]), exportedName(kind))] = value
			}
		}
	}
	return scores, nil
}

// relatives are the names by which --model chooses.
func relatives(dir string, models []string) []string {
	names := make([]string, len(models))
	for i, m := range models {
		rel, _ := filepath.Rel(dir, filepath.Dir(m))
		names[i] = filepath.ToSlash(rel)
	}
	return names
}

// escaped is a folder as a pattern of filepath.Glob that matches it alone.
func escaped(dir string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
