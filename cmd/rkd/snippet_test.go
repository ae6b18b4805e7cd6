package main

import (
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"rkd/datasets"
)

// snippetCase is a student whose programs are run.
type snippetCase struct {
	name, preprocess string
	baked            bool
	model            string // file
}

var snippetCases = []snippetCase{
	{
		"numbers, bicubic, in colour",
		"{resize: 24, max_size: 33, crop: [20, 22], interpolation: bicubic, color: bgr, mean: [0.485, 0.456, 0.406], " +
			"std: [0.229, 0.224, 0.225]}", false, "student.onnx",
	},
	{
		"pixels, gray, on a ground", "{pad: square, fill: 9, resize: 22, crop: 26, color: gray, mean: [0.5]}", true,
		"student.onnx",
	},
	{
		"images of any size", "{pad: square, fill: 9, resize: 22, crop: 26, color: gray, mean: [0.5]}", true,
		"student_images.onnx",
	},
	{"each size as it is", "{resize: [21, 23], interpolation: lanczos, layout: NCHW, color: rgb}", false, "student.onnx"},
}

// embedder runs a program on a picture and returns what it prints.
type embedder func(t *testing.T, program, picture string) []byte

// checkSnippets exports students and holds the programs in a language against rkd embed: 1e-3 on pictures that every
// decoder reads alike.
func checkSnippets(t *testing.T, language, file string, cases []snippetCase, run embedder) {
	t.Helper()
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := workplace(t)
			args := []string{
				"--set", "train.epochs=1", "--set", "train.steps_per_epoch=2", "--set", "dir=" + filepath.Join(dir, "run"),
				"--set", "student.preprocess=" + tt.preprocess, "--set", "data.train.limit=40", "--set", "data.test.limit=40",
				"--set", "train.batch={classes: 4, per_class: 2}", "--set", "train.selection=0",
			}
			if tt.baked {
				args = append(args, "--set", "export.preprocess=true")
			}
			if tt.model == "student_images.onnx" { // it takes the channels of the training data: gray
				args = append(args, "--set", "eval.metrics=[recall@1]")
			}
			for _, c := range []string{"precompute", "distill", "export"} {
				must(t, dir, append([]string{c, sampleConfig}, args...)...)
			}
			model := filepath.Join(dir, "run/student/seed-1", tt.model)
			program := filepath.Join(dir, file)
			write(t, program, []byte(must(t, dir, "export", model, "--snippet", language).stdout))
			for name, gray := range map[string]bool{"colour.png": false, "gray.png": true} {
				if tt.model == "student_images.onnx" && !gray {
					continue
				}
				picture := filepath.Join(dir, name)
				draw(t, picture, gray)
				must(t, dir, "embed", model, picture, "--out", "want.npy")
				want, err := datasets.ReadNPY(filepath.Join(dir, "want.npy"))
				if err != nil {
					t.Fatal(err)
				}
				var got []float64
				if err := json.Unmarshal(run(t, program, picture), &got); err != nil || len(got) != want.Cols {
					t.Fatalf("%s: %d numbers (%v), expected %d", name, len(got), err, want.Cols)
				}
				for i, v := range want.Values {
					if d := math.Abs(got[i] - float64(v)); !(d <= 1e-3) {
						t.Errorf("%s: number %d is %g, expected %g", name, i, got[i], v)
					}
				}
			}
		})
	}
}

// draw writes a picture that has detail at all scales.
func draw(t *testing.T, path string, gray bool) {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, 83, 61))
	for y := range 61 {
		for x := range 83 {
			wave := func(a, b float64) uint8 { return uint8(127 + 120*math.Sin(a*float64(x)+b*float64(y*y)/20)) }
			img.SetNRGBA(x, y, color.NRGBA{R: wave(0.2, 0.3), G: wave(1.1, 0.1), B: wave(0.05, 0.9), A: 255})
		}
	}
	var out image.Image = img
	if gray {
		g := image.NewGray(img.Rect)
		for y := range 61 {
			for x := range 83 {
				g.Set(x, y, img.At(x, y))
			}
		}
		out = g
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, out); err != nil {
		t.Fatal(err)
	}
}

// printed runs a program and returns its output.
func printed(t *testing.T, c *exec.Cmd) []byte {
	t.Helper()
	out, err := c.Output()
	if err != nil {
		text := ""
		if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // it is what Output returns
			text = string(exit.Stderr)
		}
		t.Fatalf("%s: %v\n%s", c, err, text)
	}
	return out
}

// library is the path of ONNX Runtime's library.
func library(t *testing.T) string {
	t.Helper()
	var health struct {
		Library string `json:"onnxruntime_library"`
	}
	if err := json.Unmarshal([]byte(must(t, t.TempDir(), "doctor", "--json").stdout), &health); err != nil {
		t.Fatal(err)
	}
	return health.Library
}

// The Go program is compiled and run, in this module, which has what it imports: seconds.
func TestSnippetInGo(t *testing.T) {
	t.Parallel()
	env := append(os.Environ(), "ONNXRUNTIME_LIB="+library(t))
	checkSnippets(t, "go", "embed.go", snippetCases, func(t *testing.T, program, picture string) []byte {
		c := exec.CommandContext(t.Context(), "go", "run", program, picture)
		c.Dir, c.Env = filepath.Join("..", ".."), env
		return printed(t, c)
	})
}

func TestSnippetsAreRefusedWithASentence(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	must(t, dir, shortly("run")...)
	expectSentence(t, rkd(t, dir, "export", sampleStudent, "--snippet", "cobol"), exitUsage,
		[]string{"cobol", "python, node, go"})
	expectSentence(t, rkd(t, dir, "export", "models/mnist-teacher.onnx", "--snippet", "go"), exitInput,
		[]string{"mnist-teacher.onnx", "not exported by rkd"})
	for _, arg := range [][]string{{sampleConfig}, {seed1}, {sampleStudent}} {
		r := must(t, dir, append([]string{"export", "--snippet", "node"}, arg...)...)
		if !strings.Contains(r.stdout, `const MODEL = "runs/sample/student/seed-1/student.onnx"`) {
			t.Errorf("program of %s:\n%s", arg, r.stdout)
		}
	}
	must(t, dir, shortly("run", "--set", "dir=plain", "--set",
		"student.preprocess={resize: 20, antialias: false}")...)
	expectSentence(t, rkd(t, dir, "export", "plain/student/seed-1", "--snippet", "go"), exitUsage,
		[]string{"preprocess.antialias", "student_images.onnx"})
}
