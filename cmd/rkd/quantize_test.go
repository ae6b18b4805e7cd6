package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rkd/pipeline"
)

// Quantised students stand in the table with size and loss of quality, embed as others do, and are made once.
func TestQuantisedStudents(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	for kind, test := range map[string]struct {
		size float64 // of that in float, at most
		says string
	}{"int8": {0.6, "layers in int8"}, "float16": {0.7, "map@r"}} {
		args := shortly("run", "--set", "dir=run-"+kind, "--set", "cache.dir=cache-"+kind, "--set",
			"export={quantize: "+kind+", calibrate: 64, max_drop: {map@r: 0.05}}", "--set", "eval.metrics=[map@r, recall@1]",
			"--set", "student.arch.conv=[16, 32]")
		r := must(t, dir, append(args, "--json")...)
		var res pipeline.Results
		if err := json.Unmarshal([]byte(r.stdout), &res); err != nil {
			t.Fatal(err)
		}
		float, small := res.Models["student"], res.Models["student/"+kind]
		if len(res.Order) != 2 || len(small.Quantized) != 1 || small.Quantized[0].Kind != kind {
			t.Fatalf("rows are %v, of %s %+v", res.Order, kind, small.Quantized)
		}
		if share := float64(small.Bytes) / float64(float.Bytes); share > test.size {
			t.Errorf("%s has %.2f of the size, expected %.2f at most", kind, share, test.size)
		}
		drop := float.Metrics["map@r"].Mean - small.Metrics["map@r"].Mean
		if told := small.Quantized[0].Drop["map@r"]; drop > 0.05 || drop-told > 1e-9 || told-drop > 1e-9 {
			t.Errorf("%s loses %.4f of map@r, and says %.4f", kind, drop, told)
		}
		if again := must(t, dir, args...); !strings.Contains(again.stdout, test.says) ||
			!strings.Contains(again.stderr, "evaluate: up to date") {
			t.Errorf("a second run says\n%s%s", again.stdout, again.stderr)
		}
		must(t, dir, "embed", "run-"+kind+"/student/seed-1/student_"+kind+".onnx", "{source: sample, split: test, limit: 5}")
	}
	// A gate that compares with the teacher: what is said stands in the table.
	r := must(t, dir, shortly("run", "--json", "--set", "dir=agree",
		"--set", "data.test={source: sample, split: test, labels: none}", "--set", "eval.metrics=[spearman]",
		"--set", "export={quantize: int8, calibrate: 64, max_drop: {spearman: 0.5}}")...)
	var res pipeline.Results
	if err := json.Unmarshal([]byte(r.stdout), &res); err != nil {
		t.Fatal(err)
	}
	float, small := res.Models["student"], res.Models["student/int8"]
	if drop := float.Metrics["spearman"].Mean - small.Metrics["spearman"].Mean; len(small.Quantized) != 1 || drop == 0 ||
		math.Abs(drop-small.Quantized[0].Drop["spearman"]) > 1e-6 {
		t.Errorf("int8 loses %g of spearman, and says %+v", drop, small.Quantized)
	}
	expectSentence(t, rkd(t, dir, shortly("export", "--set",
		"export={quantize: int8, max_drop: {top-1: 0.1}}", "--set", "dir=run-int8", "--set", "cache.dir=cache-int8", "--set",
		"student.arch.conv=[16, 32]")...), exitUsage, []string{"export.max_drop", "top-1"})
	// A gate that nothing passes: no file, and a sentence.
	r = must(t, dir, shortly("run", "--set", "dir=run-int8", "--set", "cache.dir=cache-int8", "--set",
		"export={quantize: int8, calibrate: 2, max_drop: {map@r: 0, recall@1: 0, recall@2: 0, recall@3: 0, knn@1: 0, nmi: "+
			"0}}",
		"--set", "student.arch.conv=[16, 32]")...)
	_, err := os.Stat(filepath.Join(dir, "run-int8/student/seed-1/student_int8.onnx"))
	if refused := strings.Contains(r.stdout, "refused"); refused != os.IsNotExist(err) {
		t.Errorf("refused: %v, and the file: %v\n%s", refused, err, r.stdout)
	}
	for _, bad := range []string{"{quantize: int4}", "{calibrate: 5}", "{quantize: int8, max_drop: {accuracy: 1}}"} {
		expectSentence(t, rkd(t, dir, "run", sampleConfig, "--set", "export="+bad), exitUsage, []string{"export"})
	}
}
