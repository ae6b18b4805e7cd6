package arch_test

import (
	"errors"
	"strings"
	"testing"

	"rkd/student/arch"
)

func TestFieldsThatDoNotBelongToONNX(t *testing.T) {
	for want, c := range map[string]arch.Config{
		"":                                  {ONNX: "m.onnx", Output: "y", Head: "none", BatchNorm: "train"},
		"onnx and another of":               {ONNX: "m.onnx", Conv: []int{4}},
		"norm, pool and width do not":       {ONNX: "m.onnx", Width: 8},
		`head is "avg", expected none`:      {ONNX: "m.onnx", Head: "avg"},
		`batch_norm is "on", expected froz`: {ONNX: "m.onnx", BatchNorm: "on"},
	} {
		err := c.CheckONNX()
		if want == "" && err == nil {
			continue
		}
		if !errors.Is(err, arch.ErrConfig) || want == "" || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v gives %v, expected ErrConfig that says %q", c, err, want)
		}
	}
}
