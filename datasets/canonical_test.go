package datasets

import (
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestPreprocessCanonical(t *testing.T) {
	for _, tt := range []struct{ name, yaml, want string }{
		{
			"nothing", "{}",
			"resize=keep crop=keep color=keep layout=NCHW scale=0.003921569 mean=0 std=1",
		},
		{
			"defaults spelt out", "{layout: NCHW, scale: 0.00392156862745098, mean: [0, 0, -0.0], std: [1], resize: 0}",
			"resize=keep crop=keep color=keep layout=NCHW scale=0.003921569 mean=0 std=1",
		},
		{
			"everything", "{resize: 256, crop: 224, color: bgr, layout: NHWC, scale: 1, mean: [1, 2, 3], std: [4, 4, 4.5]}",
			"resize=bilinear@2:256 crop=224x224 color=bgr layout=NHWC scale=1 mean=1,2,3 std=4,4,4.5",
		},
		{
			"an exact size is not the shorter side", "{resize: [256, 256], crop: [224, 224]}",
			"resize=bilinear@2:256x256 crop=224x224 color=keep layout=NCHW scale=0.003921569 mean=0 std=1",
		},
		{
			"later keys at their defaults",
			"{orientation: exif, alpha: drop, interpolation: bilinear, antialias: true, fill: black, resize: 8, max_size: 0}",
			"resize=bilinear@2:8 crop=keep color=keep layout=NCHW scale=0.003921569 mean=0 std=1",
		},
		{
			"later keys", "{orientation: ignore, alpha: '#102030', range: [0, 4095], pad: square, fill: 7, resize: 8, " +
				"max_size: 12, interpolation: bicubic, antialias: false}",
			"resize=bicubic-plain@2:8max12 crop=keep color=keep layout=NCHW scale=0.003921569 mean=0 std=1 orientation=ignore " +
				"alpha=16x32x48 range=0x4095 pad=square fill=7x7x7",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var p Preprocess
			if err := yaml.Unmarshal([]byte(tt.yaml), &p); err != nil {
				t.Fatal(err)
			}
			if got := p.Canonical(); got != tt.want {
				t.Errorf("%s\nexpected\n%s", got, tt.want)
			}
		})
	}
}
