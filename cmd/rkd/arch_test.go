package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files of testdata")

// show runs rkd arch show.
func show(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	app := newApp(console{stdout: &stdout, stderr: &stderr})
	err := app.RunContext(t.Context(), flagsFirst(app, append([]string{"rkd", "arch", "show"}, args...)))
	return stdout.String(), err
}

var sampleFile = filepath.Join("..", "..", sampleConfig)

func TestArchShowListsLayers(t *testing.T) {
	for name, set := range map[string]string{
		"arch_sample":    "name=sample",
		"arch_resnet8":   "student.arch={preset: resnet8}",
		"arch_mobilenet": "student.arch={preset: mobilenet-small, width: 8}",
		"arch_onnx":      "student.arch={onnx: ../../models/mnist-teacher.onnx, output: embedding_raw}",
		"arch_layers": "student.arch={layers: [{kind: conv, out: 4, columns: {kernel: 1, pad: 0}}, {kind: concat, " +
			"branches: [[], [{kind: gelu}]]}, {kind: conv_transpose, out: 8, groups: 8, stride: 2, output_pad: 1}, {kind: " +
			"leaky_relu, slope: 0.1}, {kind: flatten}, {kind: layer_norm}, {kind: dropout, rate: 0.5}]}",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := show(t, sampleFile, "--set", set)
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// folderConfig has three students of two kinds, on data that is not there.
const folderConfig = `
name: test
data:
  train: {source: folder, dir: nowhere}
  test:  {source: folder, dir: nowhere}
teacher: {model: none.onnx, output: embedding, preprocess: {color: rgb, resize: 40, crop: [32, 24]}}
student: {arch: {preset: resnet8}, embedding_dim: 16}
loss: {rkd_distance: 1}
variants:
  a: {}
  b: {loss: {rkd_angle: 1}}
  wide: {student: {arch: {width: 32}}}
`

func TestArchShowNeedsNoDataWherePreprocessingDecidesTheShape(t *testing.T) {
	config := filepath.Join(t.TempDir(), "config.yaml")
	write(t, config, []byte(folderConfig))
	out, err := show(t, config, "--json")
	if err != nil {
		t.Fatal(err)
	}
	type layer struct {
		Name   string
		Output []int
	}
	var got struct {
		Students []struct {
			Variants   []string
			Input      []int
			Layers     []layer
			Parameters int64
		}
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Students) != 2 {
		t.Fatalf("%d students, expected 2:\n%s", len(got.Students), out)
	}
	for i, want := range []struct {
		variants []string
		first    layer
	}{
		{[]string{"a", "b"}, layer{"0.conv", []int{16, 32, 24}}},
		{[]string{"wide"}, layer{"0.conv", []int{32, 32, 24}}},
	} {
		s := got.Students[i]
		if !cmp.Equal(s.Variants, want.variants) || !cmp.Equal(s.Input, []int{3, 32, 24}) ||
			!cmp.Equal(s.Layers[0], want.first) {
			t.Errorf("student %d is %+v, expected variants %v, first layer %v", i, s, want.variants, want.first)
		}
	}
	one, err := show(t, config, "--variant", "wide")
	if err != nil || strings.Count(one, "total") != 1 || !strings.HasPrefix(one, "wide: samples of 3×32×24\n") {
		t.Errorf("--variant wide: %v\n%s", err, one)
	}
}

func TestArchShowRefuses(t *testing.T) {
	config := filepath.Join(t.TempDir(), "config.yaml")
	write(t, config, []byte(folderConfig))
	for name, test := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no configuration": {nil, exitUsage, "CONFIG"},
		"unknown variant":  {[]string{config, "--variant", "c"}, exitUsage, "no training has variant [c]"},
		"unknown preset":   {[]string{sampleFile, "--set", "student.arch={preset: vgg}"}, exitUsage, `preset is "vgg"`},
		"layer that does not fit": {
			[]string{sampleFile, "--set", "student.arch={layers: [{kind: gelu}]}"},
			exitUsage,
			"flatten or pool",
		},
		"channels last": {[]string{sampleFile, "--set", "student.preprocess={layout: NHWC}"}, exitUsage, "expected NCHW"},
		"shape that data decide": {
			[]string{config, "--set", "student.preprocess={crop: 32}"},
			exitInput,
			"student.preprocess leaves open",
		},
		"crop wider than a resize": {
			[]string{config, "--set", "student.preprocess={color: gray, resize: 16, crop: 32}"},
			exitInput, "leaves open",
		},
	} {
		_, err := show(t, test.args...)
		if code, _ := exitCode(t.Context(), err); code != test.code || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: error %v, expected exit code %d and %q", name, err, test.code, test.says)
		}
	}
}
