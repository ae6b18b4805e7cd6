package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCreateRepairs(t *testing.T) {
	plan := testPlan(20, 1, 6, 40, 2)
	name := shardName(1, 2, 4)
	whole := contents(t, build(t, plan))
	type repair struct {
		name   string
		damage func([]byte) []byte
		broken string
	}
	repairs := []repair{
		{"an empty shard", func([]byte) []byte { return nil }, "12 or more"},
		{"a shard cut short", func(b []byte) []byte { return b[:len(b)/2] }, name},
		{"a shard that goes on", func(b []byte) []byte { return append(b, 0) }, name},
		{"a shard of text", func([]byte) []byte { return []byte("This is no Parquet file at all.") }, "no Parquet"},
		{
			"another shard of the plan", func([]byte) []byte { return []byte(whole[shardName(1, 1, 4)]) },
			"says shard 1",
		},
	}
	for at := 3; at < len(whole[name]); at += 97 {
		repairs = append(repairs, repair{fmt.Sprintf("byte %d flipped", at), flip(at), name})
	}
	for _, tt := range repairs {
		for _, finished := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, finished %v", tt.name, finished), func(t *testing.T) {
				dir := t.TempDir()
				for file, data := range whole {
					if file != ManifestName || finished {
						must(t, os.WriteFile(filepath.Join(dir, file), []byte(data), 0o644))
					}
				}
				damage(t, filepath.Join(dir, name), tt.damage)
				w := create(t, dir, plan)
				if !cmp.Equal(w.Missing(), []int{2}) {
					t.Fatalf("missing %v, want 2", w.Missing())
				}
				if b := w.Broken(); len(b) != 1 {
					t.Errorf("broken %v, want one", b)
				} else {
					wantError(t, b[0], ErrCorrupt, name)
					if finished { // the manifest's size and hash speak first
						wantError(t, b[0], ErrCorrupt, "expected")
					} else {
						wantError(t, b[0], ErrCorrupt, tt.broken)
					}
				}
				if _, err := Open(t.Context(), dir); !errors.Is(err, ErrNoCache) {
					t.Errorf("Open while it is repaired: %v, want ErrNoCache", err)
				}
				fill(t, w)
				sameFiles(t, contents(t, dir), whole)
			})
		}
	}
}

func TestCreateReplacesAManifestCutShort(t *testing.T) {
	plan := testPlan(9, 1, 4, 3, 0)
	for _, n := range []int{0, 1, 10, 100, 500} {
		dir := build(t, plan)
		whole := contents(t, dir)
		must(t, os.Truncate(filepath.Join(dir, ManifestName), int64(n)))
		w := create(t, dir, plan)
		if len(w.Broken()) != 1 || !w.Done() {
			t.Errorf("cut at %d: broken %v, missing %v", n, w.Broken(), w.Missing())
		}
		fill(t, w)
		sameFiles(t, contents(t, dir), whole)
	}
}

func TestCreateRefuses(t *testing.T) {
	plan := testPlan(20, 1, 6, 3, 0)
	for _, tt := range []struct {
		name   string
		plan   func() Plan
		before func(t *testing.T, dir string)
		want   error
		text   string
	}{
		{
			name: "another key", want: ErrMismatch, text: "normalize is l2, expected none",
			plan: func() Plan { p := plan; p.Key.Normalize = "none"; return p },
		},
		{
			name: "another key in a shard without manifest", want: ErrMismatch, text: "output is embedding, expected pool",
			plan:   func() Plan { p := plan; p.Key.Output = "pool"; return p },
			before: func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, ManifestName))) },
		},
		{
			name: "another width", want: ErrMismatch, text: "dim is 3, expected 4",
			plan: func() Plan { p := plan; p.Dim = 4; return p },
		},
		{
			name: "a shard that is not planned", want: ErrCorrupt, text: shardName(1, 0, 9),
			plan: func() Plan { return plan },
			before: func(t *testing.T, dir string) {
				must(t, os.WriteFile(filepath.Join(dir, shardName(1, 0, 9)), nil, 0o644))
			},
		},
		{
			name: "another program's manifest", want: ErrCorrupt, text: "not a manifest of rkd",
			plan: func() Plan { return plan },
			before: func(t *testing.T, dir string) {
				must(t, os.WriteFile(filepath.Join(dir, ManifestName), []byte("{\"name\": \"app\"}"), 0o644))
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := build(t, plan)
			if tt.before != nil {
				tt.before(t, dir)
			}
			before := contents(t, dir)
			_, err := Create(t.Context(), dir, tt.plan())
			wantError(t, err, tt.want, tt.text, dir)
			sameFiles(t, contents(t, dir), before)
		})
	}
	t.Run("a file for a folder", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "file")
		must(t, os.WriteFile(path, []byte("text"), 0o644))
		if _, err := Create(t.Context(), path, plan); err == nil || !strings.Contains(err.Error(), "expected a folder") {
			t.Errorf("%v", err)
		}
	})
}

func TestUnrelatedFilesStay(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"notes.txt", "other.parquet", ".hidden.tmp"} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644))
	}
	leftover := "." + shardName(1, 0, 2) + ".ABCDEFGHIJKLMNOPQRSTUVWXYZ.tmp"
	must(t, os.WriteFile(filepath.Join(dir, leftover), nil, 0o644))
	fill(t, create(t, dir, testPlan(4, 1, 2, 3, 0)))
	files := contents(t, dir)
	for _, name := range []string{"notes.txt", "other.parquet", ".hidden.tmp"} {
		if files[name] != name {
			t.Errorf("%s is gone or changed", name)
		}
	}
	if _, ok := files[leftover]; ok {
		t.Errorf("%s, which an interrupted writer left, is still there", leftover)
	}
}

func TestCreateStopsWhenCancelled(t *testing.T) {
	plan := testPlan(9, 1, 3, 3, 0)
	dir := build(t, plan)
	before := contents(t, dir)
	if _, err := Create(cancelled(t), dir, plan); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want cancellation", err)
	}
	sameFiles(t, contents(t, dir), before)
}
