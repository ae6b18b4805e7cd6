package config

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rkd/student/arch"
)

const photographs = `
name: photographs
recipe: photographs
data: {train: {source: folder, dir: a}, test: {source: folder, dir: b}}
teacher: {model: teacher.onnx}
`

// A recipe's values are defaults: the resolved configuration spells them out, what the file says wins, and sections
// that are alternatives are taken as a whole.
func TestRecipe(t *testing.T) {
	resolved := func(text string, overrides ...string) string {
		t.Helper()
		e, err := Parse("c.yaml", []byte(text), overrides)
		if err != nil {
			t.Fatal(err)
		}
		data, err := e.Resolved()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse("resolved.yaml", data, nil)
		if err != nil {
			t.Fatal(err)
		}
		twice, err := again.Resolved()
		if diff := cmp.Diff(string(data), string(twice)); diff != "" || err != nil {
			t.Errorf("read back and resolved again: %s (%v)", diff, err)
		}
		return string(data)
	}
	plain := resolved(photographs)
	for _, part := range []string{
		"views: 4", "pca: 256", "whiten: 0.5", "preset: mobilenet-small", "info_nce:", "rkd_angle:", "kind: shuffled",
		"kind: cosine", "epochs: 8",
	} {
		if !strings.Contains(plain, part) {
			t.Errorf("the resolved configuration lacks %q:\n%s", part, plain)
		}
	}
	if strings.Contains(plain, "recipe: photographs") {
		t.Error("the resolved configuration still names the recipe")
	}
	for _, c := range []struct {
		set         string
		has, hasNot []string
	}{
		{"train.epochs=3", []string{"epochs: 3", "kind: cosine"}, nil},
		{"student.arch={conv: [8]}", []string{"conv: [8]"}, []string{"mobilenet-small"}},
		{"train.batch={classes: 3, per_class: 4}", []string{"classes: 3"}, []string{"size: 128"}},
		{"loss.task={kind: triplet, weight: 1}", []string{"triplet", "info_nce"}, nil},
		{"recipe=null", nil, nil},
	} {
		if c.set == "recipe=null" {
			if _, err := Parse("c.yaml", []byte(photographs), []string{c.set}); err == nil {
				t.Error("without a recipe there is no student, expected an error")
			}
			continue
		}
		text := resolved(photographs, c.set)
		for _, part := range c.has {
			if !strings.Contains(text, part) {
				t.Errorf("--set %s: the resolved configuration lacks %q", c.set, part)
			}
		}
		for _, part := range c.hasNot {
			if strings.Contains(text, part) {
				t.Errorf("--set %s: the resolved configuration has %q", c.set, part)
			}
		}
	}
	_, err := Parse("c.yaml", []byte(photographs), []string{"recipe=photos"})
	if err == nil || !strings.Contains(err.Error(), "photographs") || !strings.Contains(err.Error(), "recipe") {
		t.Errorf("error is %v, expected the names of recipes", err)
	}
}

// A variant's architecture of another kind replaces the file's; one of the same kind is laid over it.
func TestVariantReplacesTheArchitecture(t *testing.T) {
	e, err := Parse("c.yaml", []byte(photographs+`
variants:
  wider: {student: {arch: {width: 48}}}
  resnet: {student: {arch: {preset: resnet8}}}
  pretrained: {student: {arch: {onnx: teacher.onnx, output: block}}}
  own: {student: {arch: {conv: [8]}}}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []arch.Config{
		{Preset: "mobilenet-small", Width: 48},
		{Preset: "resnet8", Width: 32},
		{ONNX: "teacher.onnx", Output: "block"},
		{Conv: []int{8}},
	}
	for i, v := range e.Variants {
		if diff := cmp.Diff(want[i], v.Config.Student.Arch); diff != "" {
			t.Errorf("%s (-want +got):\n%s", v.Name, diff)
		}
	}
}

// Every configuration that the pages of figures show is one.
func TestPagesShowConfigurations(t *testing.T) {
	for name, least := range map[string]int{"tuning.md": 3, "few-labels.md": 1} {
		page, err := os.ReadFile("../../docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(page, -1)
		if len(blocks) < least {
			t.Fatalf("%s shows %d configurations, expected %d or more", name, len(blocks), least)
		}
		for _, block := range blocks {
			if _, err := Parse(name, block[1], nil); err != nil {
				t.Errorf("%v, in\n%s", err, block[1])
			}
		}
	}
}
