package resample

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"testing"
)

func TestPlainEqualsTorch(t *testing.T) {
	data, err := os.ReadFile("testdata/torch.golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Source, Result [2]int
		Channels       int
		Filter         Filter
		Pixels         []byte
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 40 {
		t.Fatalf("%d cases, expected at least 40", len(cases))
	}
	different, all := 0, 0
	for _, c := range cases {
		t.Run(fmt.Sprint(c.Source, c.Result, c.Channels, c.Filter), func(t *testing.T) {
			out := Plain(noise(c.Source[0], c.Source[1], c.Channels), c.Result[0], c.Result[1],
				whole(c.Result[0], c.Result[1]), c.Filter)
			all += len(c.Pixels)
			for i, want := range c.Pixels {
				d := int(out.Pixels[i]) - int(want)
				if d != 0 {
					different++
				}
				if d < -1 || d > 1 {
					t.Fatalf("byte %d is %d, PyTorch's %d", i, out.Pixels[i], want)
				}
			}
		})
	}
	// Values within a rounding error of a half.
	if different*4000 > all {
		t.Errorf("%d of %d bytes differ, expected one in 4,000 at most", different, all)
	}
	t.Logf("%d of %d bytes differ from PyTorch's by one level", different, all)
}

func TestPlainWindowIsACropOfTheWhole(t *testing.T) {
	src := noise(31, 47, 3)
	for _, f := range []Filter{Bilinear, Bicubic} {
		win := Window{Top: 3, Left: 5, Height: 11, Width: 13}
		if got := Plain(src, 20, 60, win, f); !bytes.Equal(got.Pixels, crop(Plain(src, 20, 60, whole(20, 60), f), win)) {
			t.Errorf("%s: not the crop of the whole", f)
		}
	}
}
