package pipeline

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rkd/pipeline/config"
)

// A gate that no form passes, by a drop that no configuration can ask for: no file, that of an earlier gate is gone,
// and the table says so.
func TestAGateRefusesEveryForm(t *testing.T) {
	dir, err := filepath.Abs(filepath.Join("..", "models", "mnist-teacher.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := config.Load(filepath.Join("..", "examples", "sample.yaml"), []string{
		"dir=" + t.TempDir(), "teacher.model=" + dir, "train.epochs=1", "train.steps_per_epoch=2", "student.arch.conv=[4]",
		"data.test.limit=40", "eval.metrics=[recall@1]", "export={quantize: int8, calibrate: 8, max_drop: {recall@1: 1}}",
	})
	if err != nil {
		t.Fatal(err)
	}
	cacheDir, err := CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	run := func() *Results {
		t.Helper()
		r := &Runner{Machine: Machine{CacheDir: cacheDir, Progress: Quiet{}}, Experiment: e}
		res, err := r.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	file := filepath.Join(e.Base.Dir, "student", "seed-1", "student_int8.onnx")
	if res := run(); len(res.Order) != 2 {
		t.Fatalf("rows are %v, expected one in int8", res.Order)
	}
	if _, err := os.Stat(file); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{config.QuantizeInt8, config.QuantizeFloat16} {
		e.Variants[0].Config.Export.Quantize = kind
		e.Variants[0].Config.Export.MaxDrop = map[string]float64{"recall@1": -2}
		res := run()
		refused := res.Models["student"].Quantized
		if len(res.Order) != 1 || len(refused) != 1 || !refused[0].Refused || refused[0].Kind != kind ||
			!strings.HasPrefix(refused[0].String(), "refused: ") {
			t.Errorf("%s: rows are %v, refused %+v", kind, res.Order, refused)
		}
		if _, err := os.Stat(quantizedPath(filepath.Join(filepath.Dir(file), "student.onnx"), kind)); !errors.Is(err,
			fs.ErrNotExist) {
			t.Errorf("%s: the file is there (%v)", kind, err)
		}
	}
}
