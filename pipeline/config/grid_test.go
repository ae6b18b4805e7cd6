package config_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rkd/pipeline/config"
)

// A grid is each variant with each combination of its values.
func TestGrid(t *testing.T) {
	names := func(text string) []string {
		t.Helper()
		e, err := config.Parse("x.yaml", []byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, v := range e.Variants {
			list = append(list, v.Name)
		}
		return list
	}
	grid := "grid: {student.embedding_dim: [4, 8], train.lr: [1e-3, 0.01], student.arch: [{conv: [8]}, {mlp: [16]}]}\n"
	e, err := config.Parse("x.yaml", []byte(text+grid), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Variants) != 16 || e.Variants[0].Name != "plain_embedding_dim-4_lr-1e-3_arch-1" ||
		e.Variants[15].Name != "task_embedding_dim-8_lr-0.01_arch-2" {
		t.Errorf("%d variants, the first %s, the last %s", len(e.Variants), e.Variants[0].Name,
			e.Variants[len(e.Variants)-1].Name)
	}
	last := e.Variants[len(e.Variants)-1].Config
	if last.Student.EmbeddingDim != 8 || last.Train.LR != 0.01 || last.Student.Normalize != "l2" ||
		last.Loss.RKDDistance.Weight != 0 {
		t.Errorf("the last variant has %+v, %+v", last.Student, last.Train)
	}

	// The resolved file holds the variants, and reads back as the same.
	resolved, err := e.Resolved()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(names(text+grid), names(string(resolved))); diff != "" {
		t.Errorf("resolved (-want +got):\n%s", diff)
	}

	alone, _, _ := strings.Cut(text, "variants:")
	want := []string{"student.embedding_dim-4_train.embedding_dim-1", "student.embedding_dim-8_train.embedding_dim-1"}
	if _, err := config.Parse("x.yaml", []byte(alone+"grid: {student.embedding_dim: [4, 8], train.embedding_dim: [1]}\n"),
		nil); err == nil ||
		!strings.Contains(err.Error(), want[0]) || !strings.Contains(err.Error(), "train.embedding_dim") {
		t.Errorf("an unknown key: %v", err)
	}
	if diff := cmp.Diff([]string{"embedding_dim-4", "embedding_dim-8"},
		names(alone+"grid: {student.embedding_dim: [4, 8]}\n")); diff != "" {
		t.Errorf("without variants (-want +got):\n%s", diff)
	}

	for wrong, says := range map[string]string{
		"grid: [1]": "grid is", "grid: {student.embedding_dim: 8}": "a list of values",
		"grid: {student.embedding_dim: []}":                                          "a list of values",
		"grid: {teacher.batch: [1, 2]}":                                              "variants share data",
		"grid: {student.embedding_dim: [8, 8]}":                                      `lists "8" twice`,
		"grid: {student.embedding_dim: [8, x]}":                                      "a whole number",
		"grid: {student.a: [" + numbers(200) + "], train.b: [" + numbers(200) + "]}": "more than 10000 variants",
	} {
		if _, err := config.Parse("x.yaml", []byte(text+wrong+"\n"), nil); !errors.Is(err, config.ErrConfig) ||
			!strings.Contains(err.Error(), says) {
			t.Errorf("%.60s: %v, expected %q", wrong, err, says)
		}
	}
}

// numbers lists 1 to n as a text.
func numbers(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprint(i+1))
	}
	return strings.Join(list, ", ")
}
