package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"rkd/pipeline/config"
	"rkd/pipeline/objective"
	"rkd/student/loss"
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
loss: {rkd_distance: 1, task: {margin: 0.3}}
seeds: [1, 2]
variants:
  plain: {}
  task:
    loss: {rkd_distance: 0, task: {weight: 2}}
    student: {normalize: l2}
`

func TestVariantsAreTheFileWithTheirKeysChanged(t *testing.T) {
	e, err := config.Parse("x.yaml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Variants) != 2 || e.Variants[0].Name != "plain" || e.Variants[1].Name != "task" {
		t.Fatalf("variants are %+v, expected plain and task in this order", e.Variants)
	}
	plain, task := e.Variants[0].Config, e.Variants[1].Config
	if plain.Loss.RKDDistance.Term != (objective.Term{Weight: 1}) || plain.Loss.Labels[0].Weight != 0 ||
		plain.Student.Normalize != "none" {
		t.Errorf("plain has %+v", plain.Loss)
	}
	if task.Loss.RKDDistance.Weight != 0 || task.Loss.Labels[0].Weight != 2 ||
		task.Loss.Labels[0].Options.(*loss.TripletOptions).Margin != 0.3 || task.Student.Normalize != "l2" ||
		task.Student.EmbeddingDim != 4 {
		t.Errorf("task has %+v, %+v", task.Loss, task.Student)
	}
}

func TestOverrides(t *testing.T) {
	e, err := config.Parse("x.yaml", []byte(text), []string{
		"student.embedding_dim=64", "seeds=[7]", "train.schedule.kind=cosine",
		"data.train={source: mnist, split: test}", "name=other",
	})
	if err != nil {
		t.Fatal(err)
	}
	c := e.Variants[1].Config
	if c.Student.EmbeddingDim != 64 || e.Base.Seeds[0] != 7 || c.Train.Schedule.Kind != "cosine" ||
		c.Data.Train[0].Kind != "mnist" ||
		c.Dir != filepath.Join("runs", "other") {
		t.Errorf("overrides give %+v", c)
	}
}

func TestStudentPreprocessesAsTheTeacherButForTheLayout(t *testing.T) {
	e, err := config.Parse("x.yaml", []byte(text), []string{"teacher.preprocess={resize: 32, layout: NHWC}"})
	if err != nil {
		t.Fatal(err)
	}
	if p := e.Base.Student.Preprocess; p.Layout != "" || len(p.Resize) != 1 || e.Base.Teacher.Preprocess.Layout != "NHWC" {
		t.Errorf("student has %+v, expected the teacher's resize and NCHW", p)
	}
}

func TestPresetOfPreprocessing(t *testing.T) {
	for set, want := range map[string]string{
		"teacher.preprocess=dinov2": "resize=bicubic@2:256 crop=224x224 color=rgb layout=NCHW scale=0.003921569 " +
			"mean=0.485,0.456,0.406 std=0.229,0.224,0.225",
		"teacher.preprocess={resize: 0, mean: [0], preset: siglip, std: [1], interpolation: box}": "resize=keep crop=keep " +
			"color=rgb layout=NCHW scale=0.003921569 mean=0 std=1",
	} {
		e, err := config.Parse("x.yaml", []byte(text), []string{set})
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Base.Teacher.Preprocess.Canonical(); got != want {
			t.Errorf("%s: %s\nexpected %s", set, got, want)
		}
		data, err := yaml.Marshal(e.Base)
		if err != nil {
			t.Fatal(err)
		}
		again, err := config.Parse("x.yaml", data, nil)
		if err != nil || again.Base.Teacher.Preprocess.Canonical() != want {
			t.Errorf("%s: written and read again it is %v (%v)", set, again, err)
		}
	}
	for set, want := range map[string]string{
		"teacher.preprocess={preset: vgg}": `teacher.preprocess: preprocessing: preset is "vgg", ` +
			`expected one of arcface, clip,`,
		"teacher.preprocess={alpha: green}": `teacher.preprocess.alpha is "green", expected drop, black, ` +
			`white, a number,`,
		"teacher.preprocess={fill: [1, 2]}":         `expected black, white, a number, [red, green, blue] or "#rrggbb"`,
		"teacher.preprocess={orientation: upright}": `orientation is "upright", expected exif or ignore`,
		"teacher.preprocess={antialias: maybe}":     `teacher.preprocess.antialias is "maybe", expected true or false`,
	} {
		if _, err := config.Parse("x.yaml", []byte(text), []string{set}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, expected %q", set, err, want)
		}
	}
}

// A resolved configuration, written out and read again, is the same: checkpoints and models carry it.
func TestResolvedConfigurationReadsBack(t *testing.T) {
	files, err := filepath.Glob("../../examples/*.yaml")
	more, _ := filepath.Glob("../../examples/*/*.yaml")
	files = append(files, more...)
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		e, err := config.Load(file, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range e.Variants {
			data, err := yaml.Marshal(v.Config)
			if err != nil {
				t.Fatal(err)
			}
			again, err := config.Parse(file, data, nil)
			if err != nil {
				t.Fatalf("%s: %v\n%s", file, err, data)
			}
			if diff := cmp.Diff(v.Config, again.Base); diff != "" {
				t.Errorf("%s, variant %s: %s", file, v.Name, diff)
			}
		}
	}
}

// config.yaml of a run holds the defaults and is the same configuration: its trainings have the same keys.
func TestResolvedConfigurationHoldsDefaults(t *testing.T) {
	files, _ := filepath.Glob("../../examples/*.yaml")
	for _, file := range append(files, "testdata/key.yaml") {
		e, err := config.Load(file, nil)
		if err != nil {
			t.Fatal(err)
		}
		data, err := e.Resolved()
		if err != nil {
			t.Fatal(err)
		}
		again, err := config.Parse("config.yaml", data, nil)
		if err != nil {
			t.Fatalf("%s: %v\n%s", file, err, data)
		}
		if len(again.Variants) != len(e.Variants) {
			t.Fatalf("%s: %d variants, expected %d", file, len(again.Variants), len(e.Variants))
		}
		twice, err := again.Resolved()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(data), string(twice)); diff != "" {
			t.Errorf("%s: read and written out again it differs:\n%s", file, diff)
		}
		of := config.Training{Cache: "c", Rows: 1000, Input: []int{1, 28, 28}, Seed: 1}
		for i, v := range e.Variants {
			want, err := v.Config.TrainingKey(of)
			if err != nil {
				t.Fatal(err)
			}
			got, err := again.Variants[i].Config.TrainingKey(of)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, variant %s: the key of its trainings changes:\n%s", file, v.Name, diff)
			}
		}
	}
	e, err := config.Parse("x.yaml", []byte(text), []string{
		"loss.cc=1", "train.schedule={kind: step, every: 2}",
		"data.augment={blur: {}}",
	})
	if err != nil {
		t.Fatal(err)
	}
	data, err := e.Resolved()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"lr: 0.001", "epochs: 10", "optimizer: adam", "betas: [0.9, 0.999]", "epsilon: 1e-08", "selection: 0.1",
		"kind: step", "gamma: 0.1",
		"classes: 5", "per_class: 13", "batch: 32", "provider: cpu", "normalize: none", "gamma: 0.4", "order: 2",
		"kernel: gaussian",
		"miner: distance_weighted", "interpolation: bilinear", "antialias: true", "layout: NCHW", "mean: [0]",
		"std: [1]", "norm: batch",
		"pool: max", "head: flatten", "on_error: fail", "kernel: 9", "sigma: [0.1, 2]", "rows_per_shard: 8192",
		"views: 1", "queries: 15",
		"episodes: 600", "fold_batch_norm: true", "generations: 1",
	} {
		if !strings.Contains(string(data), " "+line+"\n") && !strings.Contains(string(data), "\n"+line+"\n") {
			t.Errorf("the resolved configuration lacks %q:\n%s", line, data)
		}
	}
}

func TestConfigurationThatCannotBeUsed(t *testing.T) {
	tests := map[string]struct {
		change [2]string // text to replace, and by what
		says   []string
	}{
		"no YAML":            {[2]string{"name: test", "name: [test"}, []string{"x.yaml", "line"}},
		"unknown section":    {[2]string{"teacher:", "teecher:"}, []string{"x.yaml:6", `"teecher"`, `"teacher"`}},
		"unknown nested key": {[2]string{"margin", "margn"}, []string{`"loss.task.margn"`, `"margin"`}},
		"unknown in variant": {
			[2]string{"normalize: l2", "normalise: l2"},
			[]string{`variant "task"`, `"student.normalise"`, `"normalize"`},
		},
		"key given twice": {[2]string{"seeds: [1, 2]", "seeds: [1]\nseeds: [2]"}, []string{"seeds"}},
		"text for a number": {
			[2]string{"embedding_dim: 4", "embedding_dim: four"},
			[]string{"x.yaml:9", "student.embedding_dim", `"four"`, "whole number"},
		},
		"number for a list":  {[2]string{"conv: [8]", "conv: 8"}, []string{"student.arch.conv", `"8"`, "a list"}},
		"text in a list":     {[2]string{"conv: [8]", "conv: [8, x]"}, []string{"student.arch.conv[1]", `"x"`}},
		"list for a section": {[2]string{"{model: t.onnx}", "[t.onnx]"}, []string{"teacher", "section"}},
		"negative seed":      {[2]string{"[1, 2]", "[-1]"}, []string{"seeds[0]", `"-1"`}},
		"seed given twice":   {[2]string{"[1, 2]", "[1, 1]"}, []string{"seeds", "different"}},
		"bad name":           {[2]string{"name: test", "name: a/b"}, []string{"name", `"a/b"`}},
		"bad variant name":   {[2]string{"  plain:", "  ../x:"}, []string{`"../x"`}},
		"variant of data":    {[2]string{"plain: {}", "plain: {data: {}}"}, []string{`variant "plain"`, `"data"`}},
		"text for a weight": {
			[2]string{"rkd_distance: 1", "rkd_distance: much"},
			[]string{"loss.rkd_distance.weight", `"much"`, "a number"},
		},
		"unknown side": {
			[2]string{"rkd_distance: 1", "rkd_distance: {weight: 1, normalize: l2}"},
			[]string{"rkd_distance.normalize", `"l2"`, "both"},
		},
		"unknown term key": {
			[2]string{"rkd_distance: 1", "rkd_distance: {wieght: 1}"},
			[]string{`"loss.rkd_distance.wieght"`, `"weight"`},
		},
		"no loss":      {[2]string{"rkd_distance: 1", "rkd_distance: 0"}, []string{"loss", "0"}},
		"unknown task": {[2]string{"margin: 0.3", "kind: magic"}, []string{"loss.task.kind", `"magic"`, "triplet"}},
		"miner elsewhere": {
			[2]string{"margin: 0.3", "kind: contrastive, miner: hard"},
			[]string{"loss.task.miner", `"contrastive"`},
		},
		"margin elsewhere": {
			[2]string{"margin: 0.3", "kind: multi_similarity, margin: 1"},
			[]string{"loss.task.margin", `"multi_similarity"`},
		},
		"HKD without logits": {[2]string{"rkd_distance: 1", "hkd: 1"}, []string{"loss.hkd", "teacher.logits"}},
		"negative weight":    {[2]string{"rkd_distance: 1", "cc: {weight: -1}"}, []string{"cc", "-1"}},
		"bad gamma":          {[2]string{"rkd_distance: 1", "cc: {weight: 1, gamma: -2}"}, []string{"cc", "gamma", "-2"}},
		"bad temperature": {
			[2]string{"rkd_distance: 1", "info_nce: {weight: 1, temperature: -1}"},
			[]string{"info_nce", "temperature", "-1"},
		},
		"unknown decay": {
			[2]string{"rkd_distance: 1", "rkd_distance: {weight: 1, schedule: {decay: sudden}}"},
			[]string{"rkd_distance.schedule", `"sudden"`, "cosine"},
		},
		"one-class batches": {
			[2]string{"seeds: [1, 2]", "train: {batch: {classes: 1}}"},
			[]string{"task", "triplet", "2 classes"},
		},
		"cut to one class": {
			[2]string{"seeds: [1, 2]", "train: {batch: {classes: 4, per_class: 8, size: 8}}"},
			[]string{"task", "2 classes"},
		},
		"batch of one": {
			[2]string{"seeds: [1, 2]", "train: {batch: {kind: shuffled, size: 1}}"},
			[]string{"train", "1 rows", "2 or more"},
		},
		"key of another kind": {
			[2]string{"seeds: [1, 2]", "train: {batch: {kind: shuffled, ways: 3}}"},
			[]string{"train", "ways", "episodes"},
		},
		"no episodes": {[2]string{"margin: 0.3", "kind: prototypical"}, []string{"task", "episodes", `"pk"`}},
		"HKD of unit teacher": {
			[2]string{"rkd_distance: 1", "hkd: {weight: 0, normalize: both}"},
			[]string{"hkd.normalize", `"both"`},
		},
		"unknown kind of job": {[2]string{"seeds: [1, 2]", "task: sorting"}, []string{"task", `"sorting"`, "few_shot"}},
		"no generation":       {[2]string{"seeds: [1, 2]", "generations: -1"}, []string{"generations", "-1"}},
		"unknown head": {
			[2]string{"embedding_dim: 4", "embedding_dim: 4\n  head: round"},
			[]string{"student.head", `"round"`, "cosine"},
		},
		"one way":     {[2]string{"seeds: [1, 2]", "eval: {metrics: [1-way-1-shot]}"}, []string{"eval", `"1-way-1-shot"`}},
		"one episode": {[2]string{"seeds: [1, 2]", "eval: {episodes: 1}"}, []string{"eval", "episodes is 1"}},
		"unknown metric": {
			[2]string{"seeds: [1, 2]", "eval: {metrics: [accuracy]}"},
			[]string{"eval", `"accuracy"`, "recall@K"},
		},
		"unknown dtype": {
			[2]string{"seeds: [1, 2]", "cache: {dtype: float8}"}, []string{"cache.dtype", `"float8"`, "float32"},
		},
		"whitening of nothing": {
			[2]string{"seeds: [1, 2]", "cache: {whiten: 0.5}"}, []string{"cache.whiten", "0.5", "cache.pca"},
		},
		"unknown normalize": {[2]string{"normalize: l2", "normalize: l3"}, []string{"student.normalize", `"l3"`}},
		"unknown optimiser": {[2]string{"seeds: [1, 2]", "train: {optimizer: lion}"}, []string{"train", `"lion"`, "adam"}},
		"no teacher":        {[2]string{"model: t.onnx", "batch: 3"}, []string{"teacher", "model"}},
	}
	for name, test := range tests {
		changed := strings.Replace(text, test.change[0], test.change[1], 1)
		if changed == text {
			t.Fatalf("%s changes nothing", name)
		}
		_, err := config.Parse("x.yaml", []byte(changed), nil)
		if !isUsage(err) {
			t.Errorf("%s gives %v, expected a configuration error", name, err)
			continue
		}
		for _, part := range test.says {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q does not say %q", name, err, part)
			}
		}
	}
	for _, override := range []string{"nonsense", "=3", "name.x=3", "train.epochs=[", "trian.epochs=3"} {
		if _, err := config.Parse("x.yaml", []byte(text), []string{override}); !isUsage(err) {
			t.Errorf("--set %s gives %v, expected a configuration error", override, err)
		}
	}
	for _, document := range []string{"", "- a\n", "42"} {
		if _, err := config.Parse("x.yaml", []byte(document), nil); !isUsage(err) {
			t.Errorf("%q gives %v, expected a configuration error", document, err)
		}
	}
	if _, err := config.Load(filepath.Join(t.TempDir(), "none.yaml"), nil); !isUsage(err) ||
		!errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file gives %v", err)
	}
}

func isUsage(err error) bool { return errors.Is(err, config.ErrConfig) }
