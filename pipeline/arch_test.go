package pipeline_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"rkd/pipeline"
	"rkd/pipeline/config"
)

// text is a small configuration that is complete.
const text = `
name: test
data:
  train: {source: sample, split: train}
  test: {source: sample, split: test}
teacher: {model: t.onnx}
student:
  arch: {conv: [8]}
  embedding_dim: 4
loss: {rkd_distance: 1}
seeds: [1, 2]
variants:
  plain: {}
  task:
    loss: {rkd_distance: 0, task: {weight: 2}}
`

func TestTasksAreVariantsTimesSeeds(t *testing.T) {
	e, err := config.Parse("x.yaml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, task := range pipeline.Tasks(e) {
		names = append(names, task.Dir())
	}
	want := []string{"runs/test/plain/seed-1", "runs/test/plain/seed-2", "runs/test/task/seed-1", "runs/test/task/seed-2"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
}

// A training keeps its configuration as text; architectures must come back as they were.
func TestArchitecturesReadBack(t *testing.T) {
	for _, set := range []string{
		"student.arch={preset: mobilenet-small, width: 8}",
		"student.arch={layers: [{kind: conv, out: 4, kernel: 3, columns: {kernel: 1, stride: 2}, groups: 1, bias: false}, " +
			"{kind: concat, branches: [[], [{kind: leaky_relu, slope: 0.2}, {kind: dropout, rate: 0.5}]]}, " +
			"{kind: conv_transpose, out: 2, stride: 2, output_pad: 1}, {kind: flatten}]}",
	} {
		first, err := config.Parse("test.yaml", []byte(text), []string{set})
		if err != nil {
			t.Fatal(err)
		}
		resolved, err := yaml.Marshal(first.Base)
		if err != nil {
			t.Fatal(err)
		}
		second, err := config.Parse("resolved.yaml", resolved, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first.Base.Student.Arch, second.Base.Student.Arch); diff != "" {
			t.Error(diff)
		}
	}
}

func TestArchitecturesTakeTheShapeOfTheFirstSampleWherePreprocessingLeavesItOpen(t *testing.T) {
	for set, want := range map[string][]int{
		"student.preprocess={}":                                        {1, 28, 28},
		"student.preprocess={color: rgb}":                              {3, 28, 28},
		"student.preprocess={resize: 14}":                              {1, 14, 14},
		"student.preprocess={color: rgb, crop: [20, 24]}":              {3, 20, 24},
		"student.preprocess={color: gray, resize: 40, crop: 32}":       {1, 32, 32},
		"student.preprocess={color: gray, resize: [9, 7]}":             {1, 9, 7},
		"student.preprocess={color: bgr, resize: [9, 7], crop: 5}":     {3, 5, 5},
		"student.preprocess={color: rgb, resize: 30, mean: [1, 2, 3]}": {3, 30, 30},
	} {
		e, err := config.Parse("test.yaml", []byte(text), []string{set})
		if err != nil {
			t.Fatal(err)
		}
		r := pipeline.Runner{Experiment: e}
		students, err := r.Architectures(t.Context(), pipeline.Tasks(e))
		if err != nil {
			t.Errorf("%s: %v", set, err)
			continue
		}
		var variants []string
		for _, s := range students {
			variants = append(variants, s.Variants...)
			if !slices.Equal(s.Input, want) {
				t.Errorf("%s: input of %v is %v, expected %v", set, s.Variants, s.Input, want)
			}
		}
		if !slices.Equal(variants, []string{"plain", "task"}) {
			t.Errorf("%s: variants are %v, expected both of the file", set, variants)
		}
	}
}
