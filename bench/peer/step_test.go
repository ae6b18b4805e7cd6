package main

import (
	"strings"
	"testing"
)

func TestFineTuningIsLeftOutWithoutAModel(t *testing.T) {
	for _, model := range []string{"", "mobilenet.onnx"} {
		seen := make(map[string]bool)
		for _, c := range cases(t.TempDir(), model) {
			if seen[c.name] {
				t.Errorf("two cases are called %q", c.name)
			}
			seen[c.name] = true
			if needs := strings.HasPrefix(c.name, "step/mobilenet_v2,"); (c.setup == nil) != (needs && model == "") {
				t.Errorf("with model %q, case %q has a setup: %t", model, c.name, c.setup != nil)
			}
		}
		if !seen["step/mobilenet_v2,batch=16"] {
			t.Errorf("with model %q, no case fine-tunes it", model)
		}
	}
}

func TestFineTuningNamesAModelThatIsMissing(t *testing.T) {
	_, err := student{model: "nowhere.onnx", input: []int{3, 96, 96}, dim: 64}.network()
	if err == nil || !strings.Contains(err.Error(), `"nowhere.onnx"`) {
		t.Errorf("error is %v, expected one that names the file", err)
	}
}
