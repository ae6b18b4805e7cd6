package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A student whose preprocessing is baked in gets a second file that takes images of any size; how far its pixels are
// from rkd's own is printed.
func TestExportTakesImagesOfAnySize(t *testing.T) {
	t.Parallel()
	said := regexp.MustCompile(`student_images\.onnx takes images of any size: over \d+ samples ` +
		`its pixels differ from rkd's by at most (\d+) levels`)
	for name, tt := range map[string]struct {
		preprocess string
		levels     int // allowed; −1 where ONNX has no operator for it
	}{
		"shorter side and crop": {"{resize: 24, crop: 20, mean: [0.5]}", 1},
		"bicubic":               {"{resize: 24, crop: [20, 22], interpolation: bicubic}", 1},
		"exactly, padded":       {"{resize: [20, 20], pad: square}", 1},
		"nearest, padded crop":  {"{resize: 30, max_size: 33, interpolation: nearest, crop: 40, fill: 9, color: bgr}", 0},
		"without antialiasing":  {"{resize: 12, antialias: false, crop: 10}", 1},
		"lanczos":               {"{resize: 16, interpolation: lanczos}", -1},
		"coloured ground":       {"{crop: 40, color: rgb, fill: [1, 2, 3]}", -1},
	} {
		t.Run(name, func(t *testing.T) {
			dir := workplace(t)
			args := []string{
				sampleConfig, "--set", "dir=run", "--set", "train.epochs=1", "--set", "train.steps_per_epoch=2",
				"--set", "export.preprocess=true", "--set", "student.preprocess=" + tt.preprocess,
			}
			r := must(t, dir, append([]string{"run"}, args...)...)
			file := filepath.Join(dir, "run/student/seed-1/student_images.onnx")
			if tt.levels < 0 {
				if !strings.Contains(r.stderr, "no model that takes images of any size") {
					t.Errorf("it does not say why there is no such model:\n%s", r.stderr)
				}
				return
			}
			m := said.FindStringSubmatch(r.stderr)
			if m == nil {
				t.Fatalf("it does not say how far the pixels are:\n%s", r.stderr)
			}
			if levels, err := strconv.Atoi(m[1]); err != nil || levels > tt.levels {
				t.Errorf("pixels differ by %s levels, expected at most %d", m[1], tt.levels)
			}
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			must(t, dir, append([]string{"export"}, args...)...)
			if _, err := os.Stat(file); err != nil {
				t.Errorf("a file that is missing is not exported again: %v", err)
			}
			if r := must(t, dir, append([]string{"export"}, args...)...); !strings.Contains(r.stderr, "up to date") {
				t.Errorf("the export is not up to date afterwards:\n%s", r.stderr)
			}
		})
	}
}
