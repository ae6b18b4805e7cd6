package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

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
		c.Data.Train.Kind != "mnist" ||
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
			"color=rgb layout=NCHW " +
			"scale=0.003921569 mean=0 std=1",
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
			[2]string{"seeds: [1, 2]", "cache: {dtype: int8}"}, []string{"cache.dtype", `"int8"`, "float32"},
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

// A zero that is written is a zero: where it makes no sense it is refused, by the name of its key, and never taken for
// the default.
func TestZeroIsNoDefault(t *testing.T) {
	for _, key := range []string{
		"train.lr", "train.epochs", "train.steps_per_epoch", "train.epsilon", "train.batch.classes", "train.batch.per_class",
		"student.embedding_dim", "cache.views", "cache.rows_per_shard", "generations", "teacher.batch", "eval.queries",
		"eval.episodes",
		"loss.cc.gamma", "loss.cc.order", "loss.dark_rank.alpha", "loss.dark_rank.beta", "loss.dark_rank.length",
		"loss.hkd.temperature",
		"loss.info_nce.temperature", "student.head.scale", "teacher.preprocess.scale", "student.preprocess.scale",
		"train.schedule.gamma",
		"data.augment.blur.kernel", "data.augment.randaugment.operations", "data.augment.randaugment.magnitude",
	} {
		for _, zero := range []string{"0", "0.0", "-0.0"} {
			_, err := config.Parse("x.yaml", []byte(text), []string{key + "=" + zero})
			last := key[strings.LastIndex(key, ".")+1:]
			if !isUsage(err) || !strings.Contains(err.Error(), last) {
				t.Errorf("--set %s=%s gives %v, expected a configuration error that names it", key, zero, err)
			}
		}
		if _, err := config.Parse("x.yaml", []byte(text), []string{key + "=null"}); err != nil &&
			key != "student.embedding_dim" {
			t.Errorf("--set %s=null gives %v, expected the default", key, err)
		}
	}
	e, err := config.Parse("x.yaml", []byte(text), []string{
		"loss.task={weight: 1, kind: multi_similarity, base: 0}", "train.betas=[0, 0.9]", "train.selection=0",
		"train.momentum=0",
	})
	if err != nil {
		t.Fatal(err)
	}
	if base := e.Base.Loss.Resolved().Labels[0].Options.(*loss.MultiSimilarityOptions).Base; base == nil || *base != 0 {
		t.Errorf("base is %v, expected the 0 that is written", base)
	}
	if train := e.Base.Train.WithDefaults(100); *train.Selection != 0 || train.Betas[0] != 0 {
		t.Errorf("train is %+v, expected the zeros that are written", train)
	}
}

// Numbers out of all reason are refused before anything is made of them, by the names of their keys.
func TestNumbersOutOfBounds(t *testing.T) {
	for set, says := range map[string]string{
		"train.lr=.nan": "train.lr", "train.lr=.inf": "train.lr", "loss.rkd_angle=.nan": "loss.rkd_angle.weight",
		"loss.cc.gamma=.inf":   "gamma",
		"train.clip_norm=.inf": "clip_norm", "teacher.preprocess.mean=[.nan]": "mean", "train.betas=[.nan, 0.9]": "betas",
		"train.epochs=9223372036854775807": "epochs", "train.steps_per_epoch=4611686018427387904": "steps_per_epoch",
		"teacher.threads=9223372036854775807": "threads", "teacher.threads=9223372036854775808": "threads",
		"engine.threads=4611686018427387904": "threads",
		"teacher.batch=1000000000":           "batch", "train.batch.classes=1000000": "classes",
		"train.batch={classes: 4096, per_class: 4096}": "rows",
		"student.embedding_dim=1000000000":             "embedding_dim", "cache.views=1000000000": "views",
		"eval.episodes=4611686018427387904":        "episodes",
		"cache.rows_per_shard=4611686018427387904": "rows_per_shard", "generations=1000000": "generations",
	} {
		if _, err := config.Parse("x.yaml", []byte(text), []string{set}); !isUsage(err) ||
			!strings.Contains(err.Error(), says) {
			t.Errorf("--set %s gives %v, expected a configuration error that names %s", set, err, says)
		}
	}
}

// Documents that are made to exhaust memory or time are refused at once.
func TestHostileDocuments(t *testing.T) {
	bomb := "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c, ", c-1), 10), ", "))
	}
	for name, document := range map[string]string{
		"alias of itself":        "name: &a [*a]\n",
		"layers that hold them":  "student: {arch: {layers: &l [{kind: residual, body: *l}]}}\n",
		"alias bomb":             bomb,
		"2^20 layers":            "student: {arch: {layers: [" + strings.Repeat("{kind: relu}, ", 1<<16) + "]}}\n",
		"too large":              "name: " + strings.Repeat("x", 1<<20) + "\n",
		"too deep":               "name: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "\n",
		"too deep for a parser":  "name: " + strings.Repeat("[", 500000),
		"mappings within others": "name: " + strings.Repeat("{a: ", 300) + strings.Repeat("}", 300) + "\n",
	} {
		start := time.Now()
		if _, err := config.Parse("x.yaml", []byte(document), nil); !isUsage(err) || len(err.Error()) > 500 {
			t.Errorf("%s gives %.600v, expected a short configuration error", name, err)
		}
		if took := time.Since(start); took > 20*time.Second { // a bomb that goes off takes hours
			t.Errorf("%s takes %v", name, took)
		}
	}
	if _, err := config.Parse("x.yaml", []byte(text),
		[]string{"student.arch={layers: &l [{kind: residual, body: *l}]}"}); !isUsage(err) {
		t.Errorf("--set with an alias of itself gives %v", err)
	}
	aliases := strings.Replace(text, "data:\n  train: {source", "data:\n  train: &d {source", 1)
	aliases = strings.Replace(aliases, "test: {source: sample, split: test}", "test: *d", 1)
	if _, err := config.Parse("x.yaml", []byte(aliases), nil); err != nil {
		t.Errorf("an honest alias gives %v", err)
	}
}

// A named pipe is no configuration: opening it would wait for a writer.
func TestConfigurationIsARegularFile(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe.yaml")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{pipe, t.TempDir(), "/dev/zero"} {
		if _, err := config.Load(name, nil); !isUsage(err) {
			t.Errorf("%s gives %v, expected a configuration error", name, err)
		}
	}
}

func isUsage(err error) bool { return errors.Is(err, config.ErrConfig) }

func FuzzParse(f *testing.F) {
	f.Add([]byte(text), "train.epochs=3")
	f.Add([]byte("name: &a [*a]\n<<: {x: y}"), "a.b.c=[")
	f.Add([]byte("variants: {a: !!null , b: 3}\nname: x"), "variants.a.loss.rkd_angle=1")
	f.Fuzz(func(t *testing.T, data []byte, override string) {
		e, err := config.Parse("fuzz", data, []string{override})
		if err != nil && !isUsage(err) {
			t.Errorf("error %v is no configuration error", err)
		}
		if err == nil && len(e.Variants)*len(e.Base.Seeds) == 0 {
			t.Error("nothing to train and no error")
		}
	})
}

// How a cluster runs an experiment belongs to no training: neither variants nor the resolved file hold it.
func TestBatch(t *testing.T) {
	section := "\nbatch: {tasks: 3, resources: {cpus: 2, gpus: 1, time: \"01:00:00\"}, stages: {distill: {cpus: 8}, " +
		"collect: {gpus: 2}}}\n"
	e, err := config.Parse("x.yaml", []byte(text+section), nil)
	if err != nil {
		t.Fatal(err)
	}
	if e.Batch.Tasks != 3 || *e.Batch.Retries != 2 || e.Batch.MaxArraySize != 1001 {
		t.Errorf("batch is %+v", e.Batch)
	}
	for stage, want := range map[string]config.Resources{
		"precompute": {CPUs: 2, GPUs: 1, Time: "01:00:00"}, "finalize": {CPUs: 2, Time: "01:00:00"},
		"distill": {CPUs: 8, GPUs: 1, Time: "01:00:00"}, "collect": {CPUs: 2, GPUs: 2, Time: "01:00:00"},
	} {
		if got := e.Batch.Of(stage); got != want {
			t.Errorf("%s gets %+v, expected %+v", stage, got, want)
		}
	}
	without, err := config.Parse("x.yaml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range e.Variants {
		got, _ := yaml.Marshal(v.Config)
		want, _ := yaml.Marshal(without.Variants[i].Config)
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("variant %s (-want +got):\n%s", v.Name, diff)
		}
	}
	for wrong, says := range map[string]string{
		"resources: {memory: 16}": "batch: resources.memory", "stages: {distill: {time: 4h}}": "batch: stages.distill.time",
		"tasks: -1": "batch: tasks", "retries: -1": "batch: retries", "directives: [constraint=x]": "directives[0]",
		"partition: a b": "partition", "environment: {A-B: c}": `"A-B"`, "max_array_size: 1": "max_array_size",
		"cpu: 1": "batch.cpu",
	} {
		_, err := config.Parse("x.yaml", []byte(text+"batch: {"+wrong+"}\n"), nil)
		if !errors.Is(err, config.ErrConfig) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, expected %q", wrong, err, says)
		}
	}
}

// A grid is each variant with each combination of its values.
func TestGrid(t *testing.T) {
	names := func(text string) []string {
		t.Helper()
		e, err := config.Parse("x.yaml", []byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, v := range e.Variants {
			list = append(list, v.Name)
		}
		return list
	}
	grid := "grid: {student.embedding_dim: [4, 8], train.lr: [1e-3, 0.01], student.arch: [{conv: [8]}, {mlp: [16]}]}\n"
	e, err := config.Parse("x.yaml", []byte(text+grid), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Variants) != 16 || e.Variants[0].Name != "plain_embedding_dim-4_lr-1e-3_arch-1" ||
		e.Variants[15].Name != "task_embedding_dim-8_lr-0.01_arch-2" {
		t.Errorf("%d variants, the first %s, the last %s", len(e.Variants), e.Variants[0].Name,
			e.Variants[len(e.Variants)-1].Name)
	}
	last := e.Variants[len(e.Variants)-1].Config
	if last.Student.EmbeddingDim != 8 || last.Train.LR != 0.01 || last.Student.Normalize != "l2" ||
		last.Loss.RKDDistance.Weight != 0 {
		t.Errorf("the last variant has %+v, %+v", last.Student, last.Train)
	}

	// The resolved file holds the variants, and reads back as the same.
	resolved, err := e.Resolved()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(names(text+grid), names(string(resolved))); diff != "" {
		t.Errorf("resolved (-want +got):\n%s", diff)
	}

	alone, _, _ := strings.Cut(text, "variants:")
	want := []string{"student.embedding_dim-4_train.embedding_dim-1", "student.embedding_dim-8_train.embedding_dim-1"}
	if _, err := config.Parse("x.yaml", []byte(alone+"grid: {student.embedding_dim: [4, 8], train.embedding_dim: [1]}\n"),
		nil); err == nil ||
		!strings.Contains(err.Error(), want[0]) || !strings.Contains(err.Error(), "train.embedding_dim") {
		t.Errorf("an unknown key: %v", err)
	}
	if diff := cmp.Diff([]string{"embedding_dim-4", "embedding_dim-8"},
		names(alone+"grid: {student.embedding_dim: [4, 8]}\n")); diff != "" {
		t.Errorf("without variants (-want +got):\n%s", diff)
	}

	for wrong, says := range map[string]string{
		"grid: [1]": "grid is", "grid: {student.embedding_dim: 8}": "a list of values",
		"grid: {student.embedding_dim: []}":                                          "a list of values",
		"grid: {teacher.batch: [1, 2]}":                                              "variants share data",
		"grid: {student.embedding_dim: [8, 8]}":                                      `lists "8" twice`,
		"grid: {student.embedding_dim: [8, x]}":                                      "a whole number",
		"grid: {student.a: [" + numbers(200) + "], train.b: [" + numbers(200) + "]}": "more than 10000 variants",
	} {
		if _, err := config.Parse("x.yaml", []byte(text+wrong+"\n"), nil); !errors.Is(err, config.ErrConfig) ||
			!strings.Contains(err.Error(), says) {
			t.Errorf("%.60s: %v, expected %q", wrong, err, says)
		}
	}
}

// numbers lists 1 to n as a text.
func numbers(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprint(i+1))
	}
	return strings.Join(list, ", ")
}
