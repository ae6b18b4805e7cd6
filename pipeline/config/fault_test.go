package config

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

const small = `name: small
data: {train: {source: sample, split: train}, test: {source: sample, split: test}}
teacher: {model: teacher.onnx}
student: {arch: {mlp: [4]}, embedding_dim: 4}
loss: {rkd_distance: 1}
`

// A fault names its key for machines, and the option that it comes from where that is one.
func TestFaultsNameTheirKeyAndOption(t *testing.T) {
	for _, test := range []struct {
		text  string
		set   string
		field string
		says  string
	}{
		{small, "train.lr=fast", "train.lr", `--set train.lr: train.lr is "fast", expected a number`},
		{small, "train.epochs=0", "train.epochs", "--set train.epochs: "},
		{small, "trian.lr=1", "trian", `--set trian.lr: unknown key "trian"`},
		{small, "train={lr: 1, epoch: 2}", "train.epoch", `--set train: unknown key "train.epoch"`},
		{small, "student.normalize=l3", "student.normalize", "--set student.normalize: student.normalize is"},
		{small, "data.train.split=all", "data.train.split", "--set data.train.split: data.train: "},
		{small, "variants={a: {train: {lr: x}}}", "train.lr", "--set variants: train.lr is"},
		{small + "seed: 1\n", "", "seed", `x.yaml:6: unknown key "seed", did you mean "seeds"?`},
		{small + "paths: here\n", "", "paths", `paths is "here", expected current or file`},
		{small + "export: {quantize: int4}\n", "", "export.quantize", "export: quantize is"},
	} {
		var sets []string
		if test.set != "" {
			sets = []string{test.set}
		}
		_, err := Parse("x.yaml", []byte(test.text), sets)
		var fielder interface{ Field() string }
		if !errors.Is(err, ErrConfig) || !errors.As(err, &fielder) || fielder.Field() != test.field ||
			!strings.Contains(err.Error(), test.says) {
			t.Errorf("%q: %v, expected field %q and %q", test.set, err, test.field, test.says)
		}
		if test.set != "" && err != nil && strings.Contains(err.Error(), "x.yaml:1") {
			t.Errorf("%q: %v names a line of the file", test.set, err)
		}
	}
}

// With `paths: file` paths are relative to the file, the run directory included; without, to where rkd runs.
func TestPathsOfTheFile(t *testing.T) {
	text := small + "variants: {a: {student: {arch: {mlp: null, onnx: a.onnx}}}, b: {}}\n"
	for paths, want := range map[string][]string{
		"":              {"teacher.onnx", "runs/small", "runs/small/cache", "a.onnx"},
		"paths: file\n": {"far/away/teacher.onnx", "far/away/runs/small", "far/away/runs/small/cache", "far/away/a.onnx"},
		"paths: file\ncache: {dir: /c}\ndir: r\n": {"far/away/teacher.onnx", "far/away/r", "/c", "far/away/a.onnx"},
		"paths: file\ncache: {dir: \"s3://b/c\"}\n": {
			"far/away/teacher.onnx", "far/away/runs/small", "s3://b/c", "far/away/a.onnx",
		},
	} {
		e, err := Parse("far/away/x.yaml", []byte(text+paths), nil)
		if err != nil {
			t.Fatal(err)
		}
		a := e.Variants[0].Config
		got := []string{a.Teacher.Model, a.Dir, a.Cache.Dir, a.Student.Arch.ONNX}
		for i, path := range got {
			if filepath.ToSlash(path) != want[i] {
				t.Errorf("%q: paths are %q, expected %q", paths, got, want)
				break
			}
		}
		resolved, err := e.Resolved()
		if err != nil || strings.Contains(string(resolved), "paths: file") {
			t.Errorf("the resolved configuration is of %v\n%s", err, resolved)
		}
	}
}
