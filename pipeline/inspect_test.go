package pipeline

import (
	"path/filepath"
	"strings"
	"testing"

	"rkd/models/onnx"
	"rkd/pipeline/config"
	"rkd/teacher"
)

// What inspection writes is a section that the configuration reads.
func TestInspectionWritesATeacherSection(t *testing.T) {
	for name, test := range map[string]struct {
		build func(b *onnx.Builder, x string)
		want  teacher.Options
	}{
		"tokens": {func(b *onnx.Builder, x string) {
			b.NodeTo("tokens", "Reshape", []string{x, b.Int64("shape", []int{3}, []int64{0, 4, 48})})
			b.Output("tokens", onnx.Float32, "N", 4, 48)
		}, teacher.Options{Output: teacher.Names{"tokens"}, Pool: "cls"}},
		"a feature map": {func(b *onnx.Builder, x string) {
			b.NodeTo("map", "MaxPool", []string{x}, onnx.Ints("kernel_shape", 2, 2), onnx.Ints("strides", 2, 2))
			b.Output("map", onnx.Float32, "N", 3, 4, 4)
		}, teacher.Options{Output: teacher.Names{"map"}, Pool: "mean"}},
		"a second input": {func(b *onnx.Builder, x string) {
			mask := b.Input("mask", onnx.Float32, "N", 192)
			b.NodeTo("vector", "Mul", []string{b.Node("Flatten", []string{x}), mask})
			b.Output("vector", onnx.Float32, "N", 192)
		}, teacher.Options{Output: teacher.Names{"vector"}, Input: "x", Inputs: teacher.Constants{"mask": {1}}}},
		"an integer beside the embedding": {func(b *onnx.Builder, x string) {
			b.NodeTo("emb", "Flatten", []string{x})
			b.NodeTo("label", "ArgMax", []string{"emb"}, onnx.Int("axis", 1), onnx.Int("keepdims", 0))
			b.Output("label", onnx.Int64, "N")
			b.Output("emb", onnx.Float32, "N", 192)
		}, teacher.Options{Output: teacher.Names{"emb"}}},
	} {
		t.Run(name, func(t *testing.T) {
			b := onnx.NewBuilder("test", 17)
			test.build(b, b.Input("x", onnx.Float32, "N", 3, 8, 8))
			m, err := b.Model("test", "1")
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "model.onnx")
			if err := m.Save(path); err != nil {
				t.Fatal(err)
			}
			found, err := Inspect(path)
			if err != nil {
				t.Fatal(err)
			}
			var got struct {
				Teacher teacher.Options `yaml:"teacher"`
			}
			if err := config.ParseSection("section", []byte(found.Section), &got); err != nil {
				t.Fatalf("%v in\n%s", err, found.Section)
			}
			o := got.Teacher
			if strings.Join(o.Output, " ") != strings.Join(test.want.Output, " ") || o.Pool != test.want.Pool ||
				o.Input != test.want.Input || len(o.Inputs) != len(test.want.Inputs) {
				t.Errorf("got %+v, want %+v", o, test.want)
			}
		})
	}
}
