package config

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// keyed is a training of the variants of a configuration, as it would be with this cache.
var keyed = Training{Cache: strings.Repeat("c", 64), Rows: 1000, Input: []int{1, 28, 28}, Seed: 7}

func trainingKey(t *testing.T, c Config, of Training) Key {
	t.Helper()
	k, err := c.TrainingKey(of)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func parse(t *testing.T, overrides ...string) Config {
	t.Helper()
	e, err := Parse("key.yaml", []byte(keyText), overrides)
	if err != nil {
		t.Fatal(err)
	}
	return e.Base
}

const keyText = `
name: key
data:
  train: {source: sample, split: train}
  test: {source: sample, split: test}
teacher: {model: t.onnx, logits: logits}
student: {arch: {conv: [8]}, embedding_dim: 4}
loss: {rkd_distance: 1, task: {weight: 1}}
`

// A key that changes throws away users' checkpoints. Where this test fails, give the new field the default that means
// what was done before it, and name that in keyDefaults unless it is zero. Only where all trainings shall start again,
// raise TrainingKeyVersion and renew the golden file with -update.
func TestKeysOfTrainingsStay(t *testing.T) {
	e, err := Load("testdata/key.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	for _, v := range append(e.Variants, Variant{Name: "defaults", Config: parse(t)}) {
		k := trainingKey(t, v.Config, keyed)
		fmt.Fprintf(&got, "%s\n%s\n%s\n", v.Name, k.canonical(), k.Hash())
	}
	golden := filepath.Join("testdata", "keys.golden")
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
		t.Errorf("keys of trainings have changed (-want +got):\n%s", diff)
	}
}

// What is written out is the same training as what is left to its default.
func TestKeyOfATrainingLeavesOutDefaults(t *testing.T) {
	want := trainingKey(t, parse(t), keyed).Hash()
	for _, set := range []string{
		"train.lr=0.001", "train.optimizer=adam", "train.batch={kind: pk, classes: 5}", "train.selection=0.1",
		"train.schedule.kind=constant",
		"student.normalize=none", "student.head=linear", "student.arch.norm=batch", "engine.kind=onnxruntime",
		"loss.task={weight: 1, margin: 0.2, miner: distance_weighted}", "loss.cc={weight: 0, gamma: 3}", "loss.rkd_angle=0",
		"loss.task=[{weight: 1}, {weight: 0, kind: contrastive}]",
		// What no weight depends on.
		"name=other", "dir=elsewhere", "cache.dir=elsewhere", "cache.rows_per_shard=3", "engine.threads=1",
		"train.checkpoint_steps=5",
		"train.tensorboard=true",
		"eval.metrics=[nmi]", "eval.seed=4", "export.preprocess=true", "seeds=[3, 4]", "generations=2", "teacher.batch=3",
	} {
		if got := trainingKey(t, parse(t, set), keyed).Hash(); got != want {
			t.Errorf("--set %s changes the key", set)
		}
	}
}

func TestKeyOfATrainingCountsWhatWeightsDependOn(t *testing.T) {
	seen := map[string]string{trainingKey(t, parse(t), keyed).Hash(): "nothing"}
	count := func(what string, k Key) {
		if other, ok := seen[k.Hash()]; ok {
			t.Errorf("%s gives the key of %s", what, other)
		}
		seen[k.Hash()] = what
	}
	for _, set := range []string{
		"student.arch.conv=[9]", "student.arch.pool=avg", "student.embedding_dim=5", "student.normalize=l2",
		"student.head=cosine",
		"student.preprocess={mean: [0.5]}", "loss.rkd_distance=2",
		"loss.rkd_distance={weight: 1, normalize: both}", "loss.hkd=1",
		"loss.rkd_distance={weight: 1, schedule: {warmup: 1}}", "loss.cc={weight: 1}", "loss.cc={weight: 1, gamma: 3}",
		"loss.task={weight: 1, margin: 0.3}", "loss.task={weight: 1, miner: hard}",
		"loss.task={weight: 1, kind: contrastive}",
		"train.epochs=9", "train.steps_per_epoch=9", "train.lr=0.1", "train.optimizer=sgd", "train.selection=0",
		"train.clip_norm=1",
		"train.batch.classes=6", "train.batch.size=60", "train.batch.kind=shuffled", "train.schedule={kind: step, every: 2}",
		"train.betas=[0.8, 0.9]", "train.weight_decay=0.1", "engine.kind=gorgonia", "eval.curve=true",
	} {
		count(set, trainingKey(t, parse(t, set), keyed))
	}
	for what, change := range map[string]func(*Training){
		"cache": func(g *Training) { g.Cache = strings.Repeat("d", 64) }, "rows": func(g *Training) { g.Rows = 2000 },
		"input": func(g *Training) { g.Input = []int{3, 28, 28} }, "start": func(g *Training) { g.Start = "s" },
		"seed": func(g *Training) { g.Seed++ },
	} {
		of := keyed
		change(&of)
		count(what, trainingKey(t, parse(t), of))
	}
}

// A field that is added with its default changes no key, be the default zero or named in keyDefaults.
func TestKeyOfASectionWithANewField(t *testing.T) {
	type inner struct {
		A float64 `yaml:"a,omitempty"`
	}
	before := struct {
		Inner inner   `yaml:"inner"`
		List  []inner `yaml:"list"`
	}{inner{1}, []inner{{2}}}
	type grown struct {
		Renamed float64 `yaml:"a,omitempty"`
		Zero    *bool   `yaml:"zero,omitempty"`
		Named   string  `yaml:"named,omitempty"`
	}
	after := struct {
		Inner grown   `yaml:"inner"`
		List  []grown `yaml:"list"`
		More  grown   `yaml:"more,omitempty"`
	}{grown{1, nil, "usual"}, []grown{{2, nil, "usual"}}, grown{Named: "usual"}}
	for _, name := range []string{"test.inner.named", "test.list.named", "test.more.named"} {
		keyDefaults[name] = "usual"
		defer delete(keyDefaults, name)
	}
	hash := func(section any) string {
		k, err := SectionKey("test", section)
		if err != nil {
			t.Fatal(err)
		}
		return Key(k).Hash()
	}
	if hash(before) != hash(after) {
		t.Error("a new field with its default changes the key")
	}
	after.List[0].Named = "unusual"
	if hash(before) == hash(after) {
		t.Error("a new field with another value does not change the key")
	}
}

func TestKeyDefaultsNameFields(t *testing.T) {
	for name, value := range keyDefaults {
		_, err := Parse("key.yaml", []byte(keyText), []string{fmt.Sprintf("%s=%v", name, value)})
		if err != nil && (strings.Contains(err.Error(), "unknown key") || strings.Contains(err.Error(), "no section")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
