package arch_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/tensor"

	"rkd/student/arch"
)

// A map follows the embedding, with weights of its own; those before it begin as they do without.
func TestMapTo(t *testing.T) {
	made := func() *arch.Network {
		n, err := arch.New(arch.Config{MLP: []int{6}}, []int{5}, 4, false)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	plain, mapped := made(), made()
	if err := mapped.MapTo(9, true); err != nil {
		t.Fatal(err)
	}
	if mapped.Dim != 9 || mapped.Parameters() != plain.Parameters()+4*9+9 {
		t.Errorf("width %d, %d parameters after %d", mapped.Dim, mapped.Parameters(), plain.Parameters())
	}
	layers := mapped.Summaries()
	if last := layers[len(layers)-1]; last.Kind != arch.L2Normalize || !slices.Equal(last.Output, []int{9}) {
		t.Errorf("the last layer is %+v", last)
	}
	before, after := plain.Init(3, tensor.Float32).Params, mapped.Init(3, tensor.Float32).Params
	for i, p := range before {
		if !slices.Equal(p.Value.Data().([]float32), after[i].Value.Data().([]float32)) {
			t.Errorf("%s begins otherwise", p.Name)
		}
	}
	for _, p := range after[len(before):] {
		if !strings.HasPrefix(p.Name, "map.") {
			t.Errorf("the map has a tensor %q", p.Name)
		}
	}
	same := made()
	if err := same.MapTo(4, false); err != nil || same.Parameters() != plain.Parameters() ||
		len(same.Summaries()) != len(plain.Summaries()) {
		t.Errorf("a map to the width that is there adds layers (%v)", err)
	}
	for _, width := range []int{0, 1 << 30} {
		if err := made().MapTo(width, false); !errors.Is(err, arch.ErrConfig) {
			t.Errorf("a map to %d features gives %v, expected ErrConfig", width, err)
		}
	}
}
