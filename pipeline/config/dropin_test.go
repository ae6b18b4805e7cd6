package config

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

const dropInText = `
name: drop-in
data:
  train: {source: sample, split: train}
  test: {source: sample, split: test}
teacher: {model: t.onnx, normalize: l2}
student: {arch: {conv: [8]}, drop_in: true}
loss: {info_nce: 1}
`

// A drop-in student has its teacher's normalisation and, without a width of its own, the teacher's; its metric is
// added.
func TestDropIn(t *testing.T) {
	e, err := Parse("d.yaml", []byte(dropInText), nil)
	if err != nil {
		t.Fatal(err)
	}
	c := e.Variants[0].Config
	if c.Student.Normalize != "l2" || c.Student.EmbeddingDim != 0 {
		t.Errorf("the student is %+v", c.Student)
	}
	if want := []string{"recall@1", "recall@5", "map@r", "asymmetric-recall@1"}; !slices.Equal(e.Base.Eval.Metrics, want) {
		t.Errorf("metrics are %v, expected %v", e.Base.Eval.Metrics, want)
	}
	resolved, err := e.Resolved()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse("config.yaml", resolved, nil)
	if err != nil {
		t.Fatalf("%v in\n%s", err, resolved)
	}
	one, two := trainingKey(t, c, keyed), trainingKey(t, again.Variants[0].Config, keyed)
	if one.Hash() != two.Hash() || !slices.Equal(again.Base.Eval.Metrics, e.Base.Eval.Metrics) {
		t.Errorf("the resolved configuration is another experiment:\n%s", resolved)
	}
	if d := one.Differences(two); len(d) > 0 || !strings.Contains(string(one.canonical()), `"drop_in":true`) {
		t.Errorf("the key is %s", one.canonical())
	}
}

// A recipe's components, width and normalisation are none of a drop-in student's.
func TestDropInByARecipe(t *testing.T) {
	text := strings.Replace(dropInText, "student: {arch: {conv: [8]}, drop_in: true}",
		"recipe: photographs\nstudent: {drop_in: true}",
		1)
	e, err := Parse("d.yaml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	if c := e.Base; c.Cache.PCA != 0 || c.Cache.Views != 4 || c.Student.EmbeddingDim != 0 || c.Student.Normalize != "l2" {
		t.Errorf("the cache is %+v, the student %+v", c.Cache, c.Student)
	}
}

func TestDropInsThatCannotWork(t *testing.T) {
	for name, test := range map[string]struct {
		sets []string
		says []string
	}{
		"no teacher": {[]string{"teacher=none", "loss={task: {kind: triplet, weight: 1}}"}, []string{"teacher is none"}},
		"two teachers": {
			[]string{"teacher=null", "teachers={a: {model: a.onnx}, b: {model: b.onnx}}"},
			[]string{"2 teachers", "expected one"},
		},
		"components":    {[]string{"cache.pca=8"}, []string{"cache.pca keeps 8", "expected cache.pca: 0"}},
		"other lengths": {[]string{"student.normalize=none"}, []string{`student.normalize is "none", expected "l2"`}},
		"relations":     {[]string{"loss={rkd_distance: 1, rkd_angle: 2}"}, []string{"loss.info_nce or loss.regression"}},
		"a lost map":    {[]string{"loss.info_nce={weight: 1, project: true}"}, []string{"without project: true"}},
		"no lengths":    {[]string{"teacher.normalize=none"}, []string{"how long", "teacher.normalize: l2"}},
		"lengths by cosine": {
			[]string{"teacher.normalize=none", "loss={regression: {weight: 1, kind: cosine}}"},
			[]string{"kind mse"},
		},
		"a width below 0": {[]string{"student.embedding_dim=0"}, []string{"embedding_dim"}},
		"a variant": {
			[]string{"variants={a: {loss: {info_nce: 0, rkd_angle: 1}}}"}, []string{`variant "a"`, "drop_in"},
		},
	} {
		_, err := Parse("d.yaml", []byte(dropInText), test.sets)
		if !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v, expected ErrConfig", name, err)
			continue
		}
		for _, part := range test.says {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q does not say %q", name, err, part)
			}
		}
	}
	for _, sets := range [][]string{
		{"teacher.normalize=none", "loss={regression: 1}"},
		{"loss={regression: {weight: 1, kind: cosine}}"},
		{"student.embedding_dim=4", "loss={regression: {weight: 1, normalize: both}}"},
	} {
		if _, err := Parse("d.yaml", []byte(dropInText), sets); err != nil {
			t.Errorf("%v: %v", sets, err)
		}
	}
}
