package config

import (
	"errors"
	"strings"
	"testing"
)

// twoTeachers is a configuration with two teachers; %s is what a test adds.
const twoTeachers = `
name: two
data:
  train: {source: sample, split: train}
  test: {source: sample, split: test}
teachers:
  clip: {model: clip.onnx, normalize: l2, preprocess: {mean: [0.5]}}
  dino: {model: dino.onnx, weight: 0.5, batch: 4, preprocess: {mean: [0.5]}}
student: {arch: {mlp: [8]}, embedding_dim: 4}
loss: {rkd_distance: 1}
`

func TestSeveralTeachers(t *testing.T) {
	e, err := Parse("two.yaml", []byte(twoTeachers+"teacher: {batch: 16}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	all := e.Base.EachTeacher()
	if len(all) != 2 || e.Base.Combine != CombineLosses {
		t.Fatalf("got %+v, combined by %s", all, e.Base.Combine)
	}
	for i, want := range []struct {
		name, model, dir string
		weight           float64
		batch            int
	}{
		{"clip", "clip.onnx", "runs/two/cache/clip", 1, 16},
		{"dino", "dino.onnx", "runs/two/cache/dino", 0.5, 4},
	} {
		got := all[i]
		if c := got.Config; got.Name != want.name || got.Weight != want.weight || c.Teacher.Model != want.model ||
			c.Cache.Dir != want.dir || c.Teacher.Batch != want.batch || len(c.Teachers) != 0 {
			t.Errorf("got %s, weight %v, %+v in %s, want %+v", got.Name, got.Weight, c.Teacher, c.Cache.Dir, want)
		}
	}
	resolved, err := e.Resolved()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse("resolved.yaml", resolved, nil)
	if err != nil {
		t.Fatalf("%v in\n%s", err, resolved)
	}
	key := func(e *Experiment) string {
		k, err := e.Variants[0].Config.TrainingKey(Training{Cache: "c", Rows: 100, Input: []int{1, 28, 28}, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		return k.Hash()
	}
	if key(e) != key(again) {
		t.Errorf("the resolved configuration is another training:\n%s", resolved)
	}
	alone := e.TaughtBy(all[1].Config)
	if text, err := alone.Resolved(); err != nil || strings.Contains(string(text), "clip.onnx") {
		t.Errorf("one teacher's configuration has another's (error %v):\n%s", err, text)
	}
}

func TestTeachersThatCannotWork(t *testing.T) {
	for name, test := range map[string]struct{ change, want string }{
		"both sections": {"teacher: {model: a.onnx}", "there is a section teachers too"},
		"weight zero":   {"teachers.dino.weight=0", "teachers.dino.weight is"},
		"unknown key":   {"teachers.dino.modell=1", `unknown key "teachers.dino.modell", did you mean "model"?`},
		"pool":          {"teachers.dino.pool=average", "teachers.dino: teacher options: pool is"},
		"combine":       {"combine=sum", "combine is \"sum\", expected losses or concat"},
		"preprocessing": {"teachers.dino.preprocess.mean=[0.4]", "student.preprocess is missing"},
		"two logits":    {"teachers.clip.logits=a|teachers.dino.logits=b", "expected one teacher with logits"},
		"a name":        {`teachers={"../x": {model: m.onnx}}`, `name "../x"`},
	} {
		t.Run(name, func(t *testing.T) {
			text, overrides := twoTeachers, strings.Split(test.change, "|")
			if strings.HasPrefix(test.change, "teacher:") {
				text, overrides = text+test.change+"\n", nil
			}
			_, err := Parse("two.yaml", []byte(text), overrides)
			if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want %q", err, test.want)
			}
		})
	}
	one := strings.Replace(twoTeachers, "teachers:\n  clip:", "teacher:", 1)
	one = strings.Replace(one, "  dino: {model: dino.onnx, weight: 0.5, batch: 4, preprocess: {mean: [0.5]}}\n", "", 1)
	if _, err := Parse("one.yaml", []byte(one+"combine: concat\n"), nil); err == nil ||
		!strings.Contains(err.Error(), "there is one teacher") {
		t.Errorf("got error %v for one teacher and combine", err)
	}
}
