package arch_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"rkd/student/arch"
)

func TestSummariesFollowTheShapes(t *testing.T) {
	n, err := arch.New(arch.Config{Layers: []arch.Layer{
		{Kind: arch.Conv, Out: 4, Kernel: 3, Pad: 1, Columns: &arch.Window{Kernel: 1, Stride: 2}},
		{Kind: arch.Residual, Body: []arch.Layer{
			{Kind: arch.Conv, Out: 4, Kernel: 3, Pad: 1, Groups: 4},
			{Kind: arch.BatchNorm},
		}},
		{Kind: arch.Concat, Branches: [][]arch.Layer{{}, {{Kind: arch.Conv, Out: 2, Kernel: 1}}}},
		{Kind: arch.ConvTranspose, Out: 3, Kernel: 2, Stride: 2, Groups: 3},
		{Kind: arch.Flatten},
	}}, []int{2, 6, 5}, 10, true)
	if err != nil {
		t.Fatal(err)
	}
	image := []int{4, 6, 3}
	want := []arch.Summary{
		{"0.conv", "conv", []int{2, 6, 5}, image, 2*4*3 + 4, 2 * 4 * 3 * 18},
		{"1.residual", "residual", image, image, 0, 0},
		{"1.residual.body.0.conv", "conv", image, image, 4 * 9, 4 * 9 * 18},
		{"1.residual.body.1.batch_norm", "batch_norm", image, image, 8, 0},
		{"2.concat", "concat", image, []int{6, 6, 3}, 0, 0},
		{"2.concat.branches.1.0.conv", "conv", image, []int{2, 6, 3}, 4*2 + 2, 8 * 18},
		{"3.conv_transpose", "conv_transpose", []int{6, 6, 3}, []int{3, 12, 6}, 6*4 + 3, 6 * 4 * 18},
		{"4.flatten", "flatten", []int{3, 12, 6}, []int{216}, 0, 0},
		{"5.linear", "linear", []int{216}, []int{10}, 2170, 2160},
		{"6.l2_normalize", "l2_normalize", []int{10}, []int{10}, 0, 0},
	}
	if diff := cmp.Diff(want, n.Summaries()); diff != "" {
		t.Error(diff)
	}
}
