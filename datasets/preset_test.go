package datasets

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPresets(t *testing.T) {
	want := map[string]string{
		"imagenet": "resize=bilinear@2:256 crop=224x224 color=rgb layout=NCHW scale=0.003921569 mean=0.485,0.456,0.406 " +
			"std=0.229,0.224,0.225",
		"clip": "resize=bicubic@2:224 crop=224x224 color=rgb layout=NCHW scale=0.003921569 " +
			"mean=0.48145467,0.4578275,0.40821072 std=0.26862955,0.2613026,0.2757771",
		"openclip": "resize=bicubic@2:224 crop=224x224 color=rgb layout=NCHW scale=0.003921569 " +
			"mean=0.48145467,0.4578275,0.40821072 std=0.26862955,0.2613026,0.2757771",
		"siglip": "resize=bicubic@2:224x224 crop=keep color=rgb layout=NCHW scale=0.003921569 mean=0.5 std=0.5",
		"dinov2": "resize=bicubic@2:256 crop=224x224 color=rgb layout=NCHW scale=0.003921569 mean=0.485,0.456,0.406 " +
			"std=0.229,0.224,0.225",
		"mobilenet-tf": "resize=bilinear@2:256 crop=224x224 color=rgb layout=NCHW scale=0.003921569 mean=0.5 std=0.5",
		"arcface":      "resize=bilinear@2:112x112 crop=keep color=rgb layout=NCHW scale=0.003921569 mean=0.5 std=0.5",
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(presets))); diff != "" {
		t.Fatalf("presets (-tested +there):\n%s", diff)
	}
	for name, canonical := range want {
		var p Preprocess
		if err := p.UsePreset(name); err != nil {
			t.Fatal(err)
		}
		if err := p.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := p.Canonical(); got != canonical {
			t.Errorf("%s is\n%s\nexpected\n%s", name, got, canonical)
		}
	}
	var p Preprocess
	err := p.UsePreset("klip")
	if !errors.Is(err, ErrPreprocess) ||
		!strings.Contains(err.Error(), `preset is "klip", expected one of arcface, clip,`) {
		t.Errorf("%v, expected the names", err)
	}
}
