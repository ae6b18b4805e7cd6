package config_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rkd/pipeline/config"
	"rkd/student/loss"
)

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
