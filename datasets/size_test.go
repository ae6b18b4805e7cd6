package datasets

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

func TestSizeInYAML(t *testing.T) {
	for _, tt := range []struct {
		yaml    string
		want    Size
		written string
		err     string
	}{
		{yaml: "crop: 224", want: Size{224}, written: "crop: 224\n"},
		{yaml: "crop: [224, 192]", want: Size{224, 192}, written: "crop: [224, 192]\n"},
		{yaml: "crop: 0", written: "{}\n"},
		{yaml: "crop:", written: "{}\n"},
		{yaml: "crop: [224]", err: "line 1: size is a list of 1, expected one number or [height, width]"},
		{yaml: "crop: [1, 2, 3]", err: "size is a list of 3"},
		{yaml: "crop: [a, b]", err: "size is a list of 2"},
		{yaml: "crop: large", err: `size is "large"`},
		{yaml: "crop: {height: 3}", err: "size is a mapping"},
	} {
		t.Run(tt.yaml, func(t *testing.T) {
			var p Preprocess
			err := yaml.Unmarshal([]byte(tt.yaml), &p)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error %v, expected %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, p.Crop); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			out, err := yaml.Marshal(p)
			if err != nil || string(out) != tt.written {
				t.Errorf("written as %q (%v), expected %q", out, err, tt.written)
			}
		})
	}
}

func FuzzSize(f *testing.F) {
	for _, seed := range []string{
		"224", "[224, 192]", "0", "-1", "[1]", "[[1, 2]]", "&a [1, 2]", "!!int 3", "{a: 1}", "1e3", "0x10",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var s Size
		if err := yaml.Unmarshal(data, &s); err != nil {
			return
		}
		if len(s) > 2 {
			t.Fatalf("%d numbers from %q", len(s), data)
		}
		out, err := yaml.Marshal(Preprocess{Crop: s})
		if err != nil {
			t.Fatal(err)
		}
		var again Preprocess
		if err := yaml.Unmarshal(out, &again); err != nil || !cmp.Equal(s, again.Crop) {
			t.Fatalf("%v was written as %q and read as %v (%v)", s, out, again.Crop, err)
		}
		_, err = Preprocess{Crop: s}.Shape(Image{Height: 8, Width: 8, Channels: 1})
		if err != nil && !errors.Is(err, ErrPreprocess) {
			t.Fatalf("error %v, expected ErrPreprocess", err)
		}
	})
}
