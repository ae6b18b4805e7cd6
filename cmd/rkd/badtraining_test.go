package main

import (
	"os"
	"path/filepath"
	"testing"

	"rkd/models/onnx"
)

func TestBadInputOfLaterStages(t *testing.T) {
	expectRefusals(t, map[string]badInput{
		"cache of another data set": {
			prepare: precomputed,
			args:    onSample(t, "distill", "data.train.limit=100"), code: exitMismatch, says: []string{"dataset"},
		},
		"shard with one flipped byte": {
			prepare: func(t *testing.T, dir string) {
				precomputed(t, dir)
				path := shard(t, dir, 1)
				data := read(t, path)
				data[len(data)/2] ^= 4
				write(t, path, data)
			},
			args: onSample(t, "distill"), code: exitInput, says: []string{"shard-00001"},
		},
		"missing shard": {
			prepare: func(t *testing.T, dir string) {
				precomputed(t, dir)
				if err := os.Remove(shard(t, dir, 2)); err != nil {
					t.Fatal(err)
				}
			},
			args: onSample(t, "distill"), code: exitInput, says: []string{"shard-00002"},
		},
		"manifest cut short": {
			prepare: func(t *testing.T, dir string) {
				precomputed(t, dir)
				if err := os.Truncate(filepath.Join(dir, "runs/sample/cache/manifest.json"), 200); err != nil {
					t.Fatal(err)
				}
			},
			args: onSample(t, "distill"), code: exitInput, says: []string{"manifest.json"},
		},
		"no cache": {
			args: onSample(t, "distill"), code: exitInput, says: []string{"runs/sample/cache"},
		},
		"NaN loss": {
			prepare: precomputed,
			args:    onSample(t, "distill", "train.lr=1e30"), code: exitFailed, says: []string{"diverged", "step", "checkpoint"},
		},
		"class with fewer samples than K": {
			prepare: precomputed,
			args:    onSample(t, "distill", "train.batch={classes: 5, per_class: 60, short: drop}"), code: exitUsage,
			says: []string{"60 samples or more", "short: repeat"},
		},
		"regression onto a wider teacher without a projection": {
			prepare: precomputed,
			args:    onSample(t, "distill", "loss={regression: {weight: 1, project: false}}"), code: exitUsage,
			says: []string{"loss.regression", "16", "128"},
		},
		"HKD without logits": {
			args: onSample(t, "distill", "loss={hkd: 16}"), code: exitUsage, says: []string{"loss.hkd", "teacher.logits"},
		},
		"HKD on logits of other classes": {
			prepare: func(t *testing.T, dir string) {
				must(t, dir, onSample(t, "precompute", "teacher.logits=embedding_raw")...)
			},
			args: onSample(t, "distill", "loss={hkd: 16, task: {kind: cross_entropy, weight: 1}}",
				"teacher.logits=embedding_raw"), code: exitUsage,
			says: []string{"loss.hkd", "10", "128"},
		},
		"batch larger than the data": {
			prepare: precomputed,
			args:    onSample(t, "distill", "train.batch={kind: shuffled, size: 300}"), code: exitUsage,
			says: []string{"size is 300", "225"},
		},
		"episodes with more ways than classes": {
			prepare: precomputed,
			args:    onSample(t, "distill", "train.batch={kind: episodes, ways: 6}"), code: exitUsage,
			says: []string{"6 classes", "5"},
		},
		"shuffled batches of one class for a triplet": {
			prepare: precomputed,
			args: onSample(t, "distill", "loss={task: {weight: 1}}",
				"train={batch: {kind: shuffled, size: 2}, epochs: 1, steps_per_epoch: 50}"),
			code: exitUsage, says: []string{"step", "samples ["},
		},
		"students whose rows are all alike": {
			prepare: precomputed,
			args: onSample(t, "distill",
				"student.arch={layers: [{kind: conv, out: 2, kernel: 28}, {kind: batch_norm}, {kind: relu}, {kind: "+
					"global_max_pool}]}",
				"student.preprocess={scale: 1e-30}"),
			code: exitInput, says: []string{"step 1", "samples [", "identical"},
		},
		"more nearest neighbours than samples": {
			prepare: func(t *testing.T, dir string) { must(t, dir, "run", sampleConfig) },
			args:    []string{"eval", sampleConfig, "--set", "eval.metrics=[knn@150]"}, code: exitUsage,
			says: []string{"knn@150", "150 nearest others", "150 samples"},
		},
		"episodes with more samples than a class has": {
			prepare: func(t *testing.T, dir string) { must(t, dir, "run", sampleConfig) },
			args:    []string{"eval", sampleConfig, "--set", "eval.metrics=[5-way-20-shot]"}, code: exitUsage,
			says: []string{"5-way-20-shot", "class 5 has 30 samples", "35"},
		},
		"an engine's provider that is not there, before the teacher runs": {
			args: onSample(t, "precompute", "engine.provider=abacus"), code: exitUsage, says: []string{"engine", "abacus"},
		},
		"a metric of evaluation that the test data are too few for, before training": {
			prepare: precomputed,
			args:    onSample(t, "distill", "eval.metrics=[knn@150]"), code: exitUsage, says: []string{"knn@150", "150 samples"},
		},
		"student from a file that is missing": {
			prepare: precomputed,
			args:    onSample(t, "distill", "student.arch={onnx: none.onnx}"), code: exitInput,
			says: []string{"student.arch.onnx", "none.onnx"},
		},
		"student from a tensor that is not there": {
			prepare: precomputed,
			args:    onSample(t, "distill", "student.arch={onnx: models/mnist-teacher.onnx, output: embeding}"), code: exitUsage,
			says: []string{`"embeding"`, "embedding"},
		},
		"student from an empty file": {
			prepare: func(t *testing.T, dir string) {
				precomputed(t, dir)
				write(t, filepath.Join(dir, "empty.onnx"), nil)
			},
			args: onSample(t, "distill", "student.arch={onnx: empty.onnx}"), code: exitInput,
			says: []string{"student.arch.onnx", "empty.onnx"},
		},
		"student with an operator that cannot be trained": {
			prepare: func(t *testing.T, dir string) {
				precomputed(t, dir)
				b := onnx.NewBuilder("untrainable", 17)
				b.Rename(b.Node("Cos", []string{b.Input("x", onnx.Float32, "N", 1, 28, 28)}), "y")
				b.Output("y", onnx.Float32)
				m, err := b.Model("rkd", "test")
				if err == nil {
					err = m.Save(filepath.Join(dir, "cos.onnx"))
				}
				if err != nil {
					t.Fatal(err)
				}
			},
			args: onSample(t, "distill", "student.arch={onnx: cos.onnx}"), code: exitInput,
			says: []string{"Cos", "not supported", "Conv"},
		},
		"nothing to freeze": {
			prepare: precomputed,
			args: onSample(t, "distill",
				"student={arch: {onnx: models/mnist-teacher.onnx, output: embedding_raw}, embedding_dim: 8, freeze: [layer9]}"),
			code: exitUsage, says: []string{`"layer9"`},
		},
		"freezing a student of layers": {
			args: onSample(t, "distill", "student.freeze=[a]"), code: exitUsage, says: []string{"student.freeze", "onnx"},
		},
		"unknown engine": {
			args: []string{"distill", sampleConfig, "--engine", "torch"}, code: exitUsage,
			says: []string{"engine", `"torch"`, "onnxruntime", "gorgonia"},
		},
		"provider that the library lacks": {
			prepare: precomputed,
			args:    []string{"distill", sampleConfig, "--provider", "abacus"}, code: exitUsage,
			says: []string{`"abacus"`, "cpu"},
		},
		"provider of an engine that has none": {
			args: []string{"distill", sampleConfig, "--engine", "gorgonia", "--provider", "cuda"}, code: exitUsage,
			says: []string{"provider", "onnxruntime", "gorgonia"},
		},
		"option of a provider that takes none": {
			prepare: precomputed,
			args:    []string{"distill", sampleConfig, "--provider-option", "device_id=0"}, code: exitUsage,
			says: []string{`"cpu"`, "no options"},
		},
		"crop of the student larger than its image": {
			prepare: precomputed,
			args:    onSample(t, "distill", "student.preprocess.crop=64"), code: exitUsage,
			says: []string{"student.preprocess", "crop is 64 × 64", "28 × 28"},
		},
		"architecture that does not fit": {
			prepare: precomputed,
			args:    onSample(t, "distill", "student.arch.conv=[4, 4, 4, 4, 4]"), code: exitUsage,
			says: []string{"student.arch", "layer"},
		},
		"export without a checkpoint": {
			args: onSample(t, "export"), code: exitInput, says: []string{"no checkpoint", "runs/sample/student/seed-1"},
		},
		"evaluation without students": {
			args: onSample(t, "eval"), code: exitInput, says: []string{"no checkpoint", "seed-1"},
		},
		"model of unknown origin": {
			args: []string{"eval", "models/mnist-teacher.onnx"}, code: exitUsage, says: []string{"--config"},
		},
	})
}

func precomputed(t *testing.T, dir string) {
	t.Helper()
	must(t, dir, "precompute", sampleConfig)
}
