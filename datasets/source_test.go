package datasets

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

func TestSourceValidate(t *testing.T) {
	for _, tt := range []struct {
		name string
		src  Source
		want string // empty: valid
	}{
		{"mnist", Source{Kind: "mnist", Split: "train"}, ""},
		{
			"sample with filters",
			Source{Kind: "sample", Split: "test", Classes: []string{"1", "0"}, Limit: 5, OnError: "skip"},
			"",
		},
		{"idx folder", Source{Kind: "idx", Split: "train", Dir: "d"}, ""},
		{"idx pair", Source{Kind: "idx", Images: "i", Labels: "l"}, ""},
		{"folder", Source{Kind: "folder", Dir: "d"}, ""},
		{"folder with a split of any name", Source{Kind: "folder", Dir: "d", Split: "a/b", OnError: "fail"}, ""},

		{"nothing", Source{}, "source is missing, expected mnist, sample, idx, folder, files, csv, parquet, "},
		{"unknown kind", Source{Kind: "cifar"}, `source is "cifar", expected mnist, sample, idx, folder, files, csv, `},
		{"no split", Source{Kind: "mnist"}, `split is "", expected train or test for source mnist`},
		{
			"unknown split",
			Source{Kind: "idx", Dir: "d", Split: "val"},
			`split is "val", expected train or test for source idx`,
		},
		{
			"mnist with a folder",
			Source{Kind: "mnist", Split: "train", Dir: "d"},
			`dir is "d", which source mnist does not use: remove it`,
		},
		{
			"sample with images",
			Source{Kind: "sample", Split: "train", Images: "i"},
			`images is "i", which source sample does not use`,
		},
		{"idx with nothing", Source{Kind: "idx"}, `images is "" and labels is "", expected both files, or dir`},
		{
			"idx without labels",
			Source{Kind: "idx", Images: "i"},
			`images is "i" and labels is "", expected both files`,
		},
		{
			"idx with both ways",
			Source{Kind: "idx", Dir: "d", Images: "i", Split: "train"},
			`dir is "d" beside images "i"`,
		},
		{
			"idx pair with a split",
			Source{Kind: "idx", Images: "i", Labels: "l", Split: "test"},
			`split is "test", which source idx does not use`,
		},
		{"folder without a root", Source{Kind: "folder"}, "dir is missing, expected the root of the images"},
		{
			"folder with labels",
			Source{Kind: "folder", Dir: "d", Labels: "l"},
			`labels is "l", which source folder does not use: remove it`,
		},
		{
			"split outside the root",
			Source{Kind: "folder", Dir: "d", Split: "../e"},
			`split is "../e", expected a folder inside dir "d"`,
		},
		{
			"class twice",
			Source{Kind: "sample", Split: "test", Classes: []string{"1", "2", "1"}},
			`classes names "1" twice`,
		},
		{"negative limit", Source{Kind: "sample", Split: "test", Limit: -1}, "limit is -1, expected 0 (all) or more"},
		{
			"unknown policy",
			Source{Kind: "sample", Split: "test", OnError: "ignore"},
			`on_error is "ignore", expected fail or skip`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.src.Validate()
			if tt.want == "" {
				if err != nil {
					t.Errorf("%v, expected it to be valid", err)
				}
				return
			}
			if !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, expected ErrSource with %q", err, tt.want)
			}
			if _, err := Open(t.Context(), tt.src, Resources{CacheDir: t.TempDir()}); !errors.Is(err, ErrSource) {
				t.Errorf("Open: %v, expected ErrSource", err)
			}
		})
	}
}

func TestSourceInYAML(t *testing.T) {
	var got Source
	text := "{source: mnist, split: train, classes: [0, 1, 2], limit: 9, on_error: skip}"
	if err := yaml.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	want := Source{Kind: "mnist", Split: "train", Classes: []string{"0", "1", "2"}, Limit: 9, OnError: "skip"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
