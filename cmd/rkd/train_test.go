package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rkd/models/onnx"
	"rkd/pipeline"
	"rkd/student/train"
)

// Every way to write the loss section trains, and metrics.jsonl has a figure for each loss that is used.
func TestLosses(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	must(t, dir, "precompute", sampleConfig)
	for set, terms := range map[string][]string{
		"loss={rkd_angle: 2}": {"rkd_angle"},
		"loss={rkd_distance: {weight: 25, normalize: both}, rkd_angle: {weight: 50, normalize: both}}": {
			"rkd_distance",
			"rkd_angle",
		},
		"loss={rkd_distance: {weight: 1, normalize: student}, rkd_angle: 2, task: {weight: 1, margin: 0.1}}": {
			"rkd_distance",
			"rkd_angle", "triplet",
		},
		"loss={sp: 100, pkt: 1000, cc: 1, dark_rank: {weight: 1, normalize: teacher}}": {
			"sp", "pkt", "cc", "dark_rank",
		},
		"loss={regression: 1, info_nce: 0.1}": {
			"regression", "info_nce",
		},
		"loss={regression: {weight: 1, kind: cosine, project: true}, info_nce: {weight: 0.1, temperature: 0.2, project: " +
			"true}}": {"regression", "info_nce"},
		"loss={cc: {weight: 1, gamma: 0.5, order: 3}, dark_rank: {weight: 1, alpha: 2, beta: 2, length: 3}}": {
			"cc",
			"dark_rank",
		},
		"loss={rkd_angle: {weight: 2, schedule: {warmup: 1, decay: cosine, to: 3}}, rkd_distance: {weight: 1, schedule: " +
			"{warmup: 2}}}": {"rkd_distance", "rkd_angle"},
		"loss={task: [{weight: 1}, {weight: 0.5, kind: cross_entropy, smoothing: 0.1}]}": {
			"triplet", "cross_entropy",
		},
		"loss={rkd_angle: 1, task: {kind: multi_similarity, weight: 1, normalize: student, alpha: 3}}": {
			"rkd_angle",
			"multi_similarity",
		},
		"loss={task: {weight: 1, kind: contrastive}}": {
			"contrastive",
		},
		"loss={task: {weight: 1, kind: multi_similarity}}": {
			"multi_similarity",
		},
		"loss={task: {weight: 1, miner: semi_hard}}": {
			"triplet",
		},
	} {
		must(t, dir, append(onSample(t, "distill", set, "student.embedding_dim=128"), "--overwrite")...)
		var first struct{ Terms map[string]float64 }
		lines := read(t, filepath.Join(dir, "runs/sample/student/seed-1/metrics.jsonl"))
		if err := json.NewDecoder(bytes.NewReader(lines)).Decode(&first); err != nil {
			t.Fatal(err)
		}
		if got := slices.Sorted(maps.Keys(first.Terms)); !slices.Equal(got, slices.Sorted(slices.Values(terms))) {
			t.Errorf("--set %s: terms are %v, expected %v", set, got, terms)
		}
	}
}

// A classification: two outputs, accuracy of both models, and HKD on the teacher's logits, with either head.
func TestClassification(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	for _, head := range []string{"linear", "cosine"} {
		r := must(t, dir, "run", "examples/reproduce/2-classification.yaml", "--json", "--set", "seeds=[1]", "--set",
			"dir=runs/"+head,
			"--set", "data={train: {source: sample, split: train}, test: {source: sample, split: test}}", "--set",
			"student.head="+head,
			"--set", "train.epochs=3", "--set", "eval.metrics=[top-1, top-5, knn@5]", "--set", "eval.curve=true")
		var res pipeline.Results
		if err := json.Unmarshal([]byte(r.stdout), &res); err != nil {
			t.Fatal(err)
		}
		if top := res.Teacher.Metrics["top-1"]; top < 0.9 {
			t.Errorf("the teacher's accuracy is %g, expected above 0.9", top)
		}
		for _, name := range []string{"ce", "hkd", "hkd-rkd-da"} {
			m := res.Models[name].Metrics
			if m["top-1"].Mean < 0.3 || m["top-5"].Mean < m["top-1"].Mean || m["knn@5"].Mean < 0.3 {
				t.Errorf("%s head: %s has %v", head, name, m)
			}
		}
		var last struct{ Watched map[string]float64 }
		lines := bytes.Split(bytes.TrimSpace(read(t, filepath.Join(dir, "runs", head, "hkd/seed-1/metrics.jsonl"))),
			[]byte("\n"))
		if err := json.Unmarshal(lines[len(lines)-1], &last); err != nil {
			t.Fatal(err)
		}
		// Nothing was held out, so the last epoch's student is the one that was exported and evaluated.
		if got, want := last.Watched["top-1"], res.Models["hkd"].Metrics["top-1"].Mean; math.Abs(got-want) > 0.01 {
			t.Errorf("the curve ends at %g, the evaluation says %g", got, want)
		}
		m, err := onnx.Load(filepath.Join(dir, "runs", head, "hkd/seed-1/student.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		if outputs := m.Outputs(); len(outputs) != 2 || outputs[0].Name != "embedding" || outputs[1].Name != "logits" {
			t.Errorf("the student's outputs are %v", outputs)
		}
	}
}

func TestFewShot(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	r := must(t, dir, "run", "examples/reproduce/3-few-shot.yaml", "--json", "--set", "seeds=[1]",
		"--set", "data.train={source: sample, split: train, classes: [0, 1, 2, 3, 4]}",
		"--set", "data.test={source: sample, split: test, classes: [5, 6, 7, 8, 9]}", "--set", "train.epochs=1",
		"--set", "train.steps_per_epoch=20")
	var res pipeline.Results
	if err := json.Unmarshal([]byte(r.stdout), &res); err != nil {
		t.Fatal(err)
	}
	for name, v := range res.Models {
		s := v.Metrics["5-way-1-shot"]
		if s.Mean < 0.25 || len(s.CI95) != 1 || s.CI95[0] <= 0 || s.CI95[0] > 0.05 {
			t.Errorf("%s has %+v", name, s)
		}
	}
	if table := must(t, dir, "eval", "runs/reproduce-few-shot/prototypical/seed-1/student.onnx", "--config",
		"examples/reproduce/3-few-shot.yaml", "--set",
		"data.test={source: sample, split: test, classes: [5, 6, 7, 8, 9]}"); !strings.Contains(table.stdout, "±") {
		t.Errorf("the table has no confidence interval:\n%s", table.stdout)
	}
}

// Each generation's student is the next one's teacher; what follows a changed one is made again.
func TestSelfDistillation(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	args := []string{"run", sampleConfig, "--json", "--set", "generations=3", "--set", "seeds=[1, 2]"}
	var res pipeline.Results
	if err := json.Unmarshal([]byte(must(t, dir, args...).stdout), &res); err != nil {
		t.Fatal(err)
	}
	if want := []string{"student", "student/generation-2", "student/generation-3"}; !slices.Equal(res.Order, want) {
		t.Fatalf("results are of %v, expected %v", res.Order, want)
	}
	for _, seed := range []string{"seed-1", "seed-2"} {
		folder := filepath.Join(dir, "runs/sample/student", seed)
		for _, pair := range [][2]string{{"", "generation-2"}, {"generation-2", "generation-3"}} {
			of, err := onnx.Load(filepath.Join(folder, pair[0], "student.onnx"))
			if err != nil {
				t.Fatal(err)
			}
			hash, err := of.Hash()
			if err != nil {
				t.Fatal(err)
			}
			next, err := onnx.Load(filepath.Join(folder, pair[1], "student.onnx"))
			if err != nil {
				t.Fatal(err)
			}
			if got := next.Metadata()["rkd.teacher_sha256"]; got != hash {
				t.Errorf("%s of %s was taught by %s, expected %s", pair[1], seed, got, hash)
			}
		}
	}
	if again := must(t, dir, args...); strings.Contains(again.stderr, "epoch") {
		t.Errorf("a second run trains again:\n%s", again.stderr)
	}
	changed := must(t, dir, append(args, "--set", "train.epochs=2", "--overwrite")...)
	if n := strings.Count(changed.stderr, "made again"); n != 4 {
		t.Errorf("%d caches of changed teachers were made again, expected 4\n%s", n, changed.stderr)
	}
}

// A student that starts from an ONNX file begins with what the file knows, and keeps what is frozen.
func TestStudentFromONNX(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	start := "student={arch: {onnx: models/mnist-teacher.onnx, output: embedding_raw}, embedding_dim: 16, freeze: " +
		"['*net.0*']}"
	must(t, dir, onSample(t, "run", start, "train.lr=1e-4")...)
	folder := filepath.Join(dir, "runs/sample/student/seed-1")
	exported, err := onnx.Load(filepath.Join(folder, "student.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	teacher, err := onnx.Load(filepath.Join(dir, "models/mnist-teacher.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	trained, first := initializers(exported), initializers(teacher)
	moved, kept := 0, 0
	for name, values := range first {
		after, ok := trained[name]
		switch {
		case !ok || len(after) != len(values): // folded away or laid out otherwise
		case slices.Equal(after, values):
			kept++
		default:
			moved++
		}
	}
	if moved < 3 || kept < 1 {
		t.Errorf("%d tensors of the file have moved and %d have stayed, expected most to move and the frozen ones to stay",
			moved, kept)
	}
	if again := must(t, dir, onSample(t, "run", start, "train.lr=1e-4")...); strings.Count(again.stderr,
		"up to date") != 4 {
		t.Errorf("a second run says\n%s", again.stderr)
	}
}

// initializers are a model's float32 weights by name.
func initializers(m *onnx.Model) map[string][]float32 {
	all := map[string][]float32{}
	for _, t := range m.Proto.GetGraph().GetInitializer() {
		if values, err := m.Float32s(t); err == nil {
			all[t.GetName()] = values
		}
	}
	return all
}

// Both engines train students of the same quality, and each is what the checkpoint's key says.
func TestEngines(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	recall := map[string]float64{}
	for _, kind := range []string{"onnxruntime", "gorgonia"} {
		var res pipeline.Results
		r := must(t, dir, "run", sampleConfig, "--json", "--overwrite", "--engine", kind)
		if err := json.Unmarshal([]byte(r.stdout), &res); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(r.stderr, "epoch 1") {
			t.Errorf("%s does not train:\n%s", kind, r.stderr)
		}
		recall[kind] = res.Models["student"].Metrics["recall@5"].Mean
	}
	if d := recall["onnxruntime"] - recall["gorgonia"]; math.Abs(d) > 0.05 {
		t.Errorf("recall@5 is %v, expected about the same", recall)
	}
}

// The parts of a step's time are measured within the whole.
func TestProfile(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	must(t, dir, "precompute", sampleConfig)
	var rows []struct {
		Checkpoint string
		StepMillis float64 `json:"step_ms"`
		Profile    train.Profile
	}
	if err := json.Unmarshal([]byte(must(t, dir, "distill", sampleConfig, "--profile", "--json").stdout),
		&rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) != 1 || rows[0].Checkpoint != filepath.Join("runs", "sample", "student", "seed-1") {
		t.Fatalf("profiles are of %v", rows)
	}
	p := rows[0].Profile
	parts := []float64{p.LoadMillis, p.ForwardMillis, p.LossMillis, p.BackwardMillis, p.OptimizerMillis}
	sum := 0.0
	for _, part := range parts {
		sum += part
	}
	if slices.Min(parts) <= 0 || sum > rows[0].StepMillis {
		t.Errorf("parts %v add up to %g of a step of %g ms", parts, sum, rows[0].StepMillis)
	}
	if table := must(t, dir, "distill", sampleConfig, "--profile"); !strings.Contains(table.stdout, "backward") {
		t.Errorf("distill --profile prints\n%s", table.stdout)
	}
}
