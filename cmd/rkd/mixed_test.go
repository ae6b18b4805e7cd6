package main

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"path/filepath"
	"strings"
	"testing"

	"rkd/models/onnx"
	"rkd/pipeline/cache"
)

// Gray pictures among colour ones become colour, and the tasks of a plan, none of which sees both, know it.
func TestGrayPicturesAmongColourOnes(t *testing.T) {
	t.Parallel()
	whole, tasks := workplace(t), workplace(t)
	args := onSample(t, "precompute", "data.train={source: folder, dir: photographs}",
		"teacher={model: colours.onnx, output: embedding, preprocess: {resize: [8, 8]}}", "cache.rows_per_shard=2",
		"train.batch={classes: 2, per_class: 2}", "loss={rkd_distance: 1}", "data.test=[]", "eval={}")
	for _, dir := range []string{whole, tasks} {
		for name, c := range map[string]color.Color{
			"a/1": color.Gray{50}, "a/2": color.Gray{90}, "a/3": color.RGBA{9, 99, 200, 255}, "b/1": color.RGBA{99, 9, 0, 255},
			"b/2": color.Gray{9}, "b/3": color.Gray{200},
		} {
			uniform(t, filepath.Join(dir, "photographs", name+".png"), c)
		}
		colours(t, dir)
	}
	var m cache.Manifest
	if err := json.Unmarshal([]byte(must(t, whole, append(args, "--json")...).stdout), &m); err != nil {
		t.Fatal(err)
	}
	if m.Rows != 6 || !strings.Contains(m.Key.Preprocess, "color=mixed") {
		t.Errorf("%d rows, preprocess %q, expected 6 and color=mixed", m.Rows, m.Key.Preprocess)
	}
	must(t, whole, "cache", "verify", "runs/sample/cache", "--teacher", "6")
	must(t, tasks, append(args, "--plan")...)
	for _, index := range []string{"0", "1", "2"} {
		must(t, tasks, append(args, "--task-index", index)...)
	}
	must(t, tasks, "cache", "finalize", "runs/sample/cache")
	for _, name := range []string{"manifest.json", "shard-00000-of-00003.parquet", "shard-00002-of-00003.parquet"} {
		path := filepath.Join("runs/sample/cache", name)
		if !bytes.Equal(read(t, filepath.Join(whole, path)), read(t, filepath.Join(tasks, path))) {
			t.Errorf("%s of tasks differs from that of one process", name)
		}
	}
}

// uniform writes a PNG of one colour, gray if that is.
func uniform(t *testing.T, path string, c color.Color) {
	t.Helper()
	var img image.Image = image.NewGray(image.Rect(0, 0, 12, 10))
	if _, gray := c.(color.Gray); !gray {
		img = image.NewRGBA(img.Bounds())
	}
	for y := range 10 {
		for x := range 12 {
			img.(interface{ Set(x, y int, c color.Color) }).Set(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	mkdir(t, filepath.Dir(path))
	write(t, path, b.Bytes())
}

// colours writes colours.onnx, which gives the mean of each of three channels.
func colours(t *testing.T, dir string) {
	t.Helper()
	b := onnx.NewBuilder("colours", 17)
	mean := b.Node("GlobalAveragePool", []string{b.Input("x", onnx.Float32, "N", 3, 8, 8)})
	b.NodeTo("embedding", "Flatten", []string{mean})
	b.Output("embedding", onnx.Float32, "N", 3)
	m, err := b.Model("test", "1")
	if err == nil {
		err = m.Save(filepath.Join(dir, "colours.onnx"))
	}
	if err != nil {
		t.Fatal(err)
	}
}
