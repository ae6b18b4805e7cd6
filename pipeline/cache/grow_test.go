package cache

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// data is a data set: samples in order, each by a name that stands for its content.
type data []string

// planOf plans a cache of a data set: ids are positions, as those of a folder's files are.
func (d data) plan(views int) Plan {
	p := testPlan(1, views, 4, 3, 2)
	p.Samples = nil
	if views == 1 {
		p.Key.ViewPolicy, p.Key.ViewSeed = "", 0
	}
	p.Key.Dataset = fmt.Sprintf("%064x", strings.Join(d, ","))[:64]
	for i, name := range d {
		s := sample(int64(len(name)), 0)
		s.ID, s.Label, s.Path = int64(i), int32(i%3), fmt.Sprintf("%d/%s.png", i%3, name)
		s.Content = sample(contentNumber(name), 0).Content
		p.Samples = append(p.Samples, s)
	}
	return p
}

func contentNumber(name string) (n int64) {
	for _, r := range name {
		n = 131*n + int64(r)
	}
	return n
}

// embedContent stands for a teacher: its values are a function of content and view, not of ids.
func embedContent(r Rows, dim, logitsDim int) Rows {
	ids := r.IDs
	r.IDs = nil
	for _, a := range r.About {
		r.IDs = append(r.IDs, int64(binary.LittleEndian.Uint64(a.Content[:]))) // embed draws by id
	}
	r = embed(r, dim, logitsDim)
	r.IDs = ids
	return r
}

// grow brings the cache in dir to a plan, and returns how many rows were computed.
func grow(t *testing.T, dir string, plan Plan, skipped ...int64) (computed int) {
	t.Helper()
	w := create(t, dir, plan)
	for _, i := range w.Missing() {
		rows := embedContent(drop(w.Rows(i), skipped...), 3, 2)
		computed += len(w.Rows(i).IDs)
		must(t, w.WriteShard(t.Context(), i, rows))
	}
	_, err := w.Commit(t.Context())
	must(t, err)
	must(t, Verify(t.Context(), dir))
	c, err := Open(t.Context(), dir)
	must(t, err)
	must(t, c.Check(plan.Key))
	got, err := c.Load(t.Context())
	must(t, err)
	plan, err = plan.resolved()
	must(t, err)
	want := embedContent(drop(plan.all(), skipped...), 3, 2)
	sameRows(t, "grown cache", got.Rows, want)
	head, err := c.Head(t.Context(), 5)
	must(t, err)
	sameRows(t, "head", head.Rows, want.slice(0, min(5, len(want.IDs)), 3, 2))
	for i, a := range head.About {
		if a.Sample != want.About[i].Sample {
			t.Errorf("row %d is said to be of %+v, want %+v", i, a.Sample, want.About[i].Sample)
		}
	}
	return computed
}

func TestCacheGrows(t *testing.T) {
	type step struct {
		what     string
		data     data
		views    int
		computed int
	}
	for _, steps := range [][]step{
		{
			{"ten", data{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}, 1, 10},
			{"again", data{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}, 1, 0},
			{"two more, in front and at the end", data{"A", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "z"}, 1, 2},
			{"some gone", data{"A", "b", "d", "e", "j", "z"}, 1, 0},
			{"in another order, as when folders are renamed", data{"z", "j", "e", "d", "b", "A"}, 1, 0},
			{"some back, and new ones", data{"A", "a", "b", "x", "y", "z"}, 1, 2},
			{"equal ones", data{"A", "a", "a", "a", "b", "z"}, 1, 0},
		},
		{
			{"one view", data{"a", "b", "c", "d", "e"}, 1, 5},
			{"three views", data{"a", "b", "c", "d", "e"}, 3, 10},
			{"another sample", data{"a", "b", "c", "d", "e", "f"}, 3, 3},
			{"two views", data{"a", "b", "c", "d", "e", "f"}, 2, 0},
			{"one view of another", data{"x", "a"}, 1, 1},
			{"three views of all", data{"x", "a", "b"}, 3, 2},
		},
	} {
		dir := filepath.Join(t.TempDir(), "cache")
		for _, s := range steps {
			if n := grow(t, dir, s.data.plan(s.views)); n != s.computed {
				t.Errorf("%s: %d rows were computed, want %d", s.what, n, s.computed)
			}
		}
	}
}

// What was skipped is tried again when the cache grows, and what is skipped then is told.
func TestSkippedSamplesOfAGrownCache(t *testing.T) {
	dir := t.TempDir()
	if n := grow(t, dir, data{"a", "b", "c", "d", "e"}.plan(1), 1, 3); n != 5 {
		t.Errorf("%d rows computed", n)
	}
	if n := grow(t, dir, data{"a", "b", "c", "d", "e", "f"}.plan(1), 3); n != 3 {
		t.Errorf("%d rows computed, want the new one and the two that were skipped", n)
	}
	c, err := Open(t.Context(), dir)
	must(t, err)
	if got := c.Manifest().Skipped; !slices.Equal(got.IDs, []int64{3}) || got.Count != 1 {
		t.Errorf("skipped %+v, want sample 3", got)
	}
}

func TestOtherViewsAreAnotherKey(t *testing.T) {
	dir := t.TempDir()
	grow(t, dir, data{"a", "b"}.plan(1))
	grow(t, dir, data{"a", "b"}.plan(2))
	other := data{"a", "b"}.plan(2)
	other.Key.ViewPolicy = "shift"
	_, err := Create(t.Context(), dir, other)
	wantError(t, err, ErrMismatch, "view_policy is flip, expected shift")
	grow(t, dir, data{"a", "b"}.plan(1))
	_, err = Create(t.Context(), dir, other)
	wantError(t, err, ErrMismatch, "view_policy is flip, expected shift")
}

// An interrupted growth goes on, one whose data changed again takes what is there, and the cache before stays readable.
func TestInterruptedGrowth(t *testing.T) {
	dir := t.TempDir()
	first := data{"a", "b", "c", "d", "e", "f"}
	grow(t, dir, first.plan(1))
	second := append(slices.Clone(first), "m", "n", "o", "p", "q", "r", "s", "t")
	w := create(t, dir, second.plan(1))
	if got := w.Missing(); len(got) != 2 {
		t.Fatalf("missing %v", got)
	}
	must(t, w.WriteShard(t.Context(), 1, embedContent(w.Rows(1), 3, 2)))
	c, err := Open(t.Context(), dir)
	must(t, err)
	must(t, c.Check(first.plan(1).Key))
	_, err = c.Load(t.Context())
	must(t, err)
	if w := create(t, dir, second.plan(1)); len(w.Missing()) != 1 || w.Plan().Plan != 2 {
		t.Errorf("going on misses %v of plan %d", w.Missing(), w.Plan().Plan)
	}
	third := append(slices.Clone(second), "u")
	if n := grow(t, dir, third.plan(1)); n != 5 {
		t.Errorf("%d rows computed, want the four that the second plan lacks, and one", n)
	}
}

// A damaged shard of an earlier plan is found, and its rows are computed anew.
func TestGrownCacheIsRepaired(t *testing.T) {
	dir := t.TempDir()
	first := data{"a", "b", "c", "d", "e", "f"}
	grow(t, dir, first.plan(1))
	second := append(slices.Clone(first), "g")
	grow(t, dir, second.plan(1))
	damage(t, filepath.Join(dir, shardName(1, 0, 2)), flip(300))
	wantError(t, Verify(t.Context(), dir), ErrCorrupt, shardName(1, 0, 2))
	_, err := Finalize(t.Context(), dir)
	wantError(t, err, ErrIncomplete, "no whole shard holds")
	if n := grow(t, dir, second.plan(1)); n != 4 {
		t.Errorf("%d rows computed, want those of the shard", n)
	}
}

func TestDamagedIndex(t *testing.T) {
	dir := t.TempDir()
	grow(t, dir, data{"a", "b"}.plan(1))
	grow(t, dir, data{"a", "b", "c"}.plan(1))
	c, err := Open(t.Context(), dir)
	must(t, err)
	name := c.Manifest().Index.File
	damage(t, filepath.Join(dir, name), flip(100))
	_, err = c.Load(t.Context())
	wantError(t, err, ErrCorrupt, name)
	wantError(t, Verify(t.Context(), dir), ErrCorrupt, name)
	must(t, os.Remove(filepath.Join(dir, name)))
	_, err = Open(t.Context(), dir)
	wantError(t, err, ErrCorrupt, name, "missing")
}

func TestSelect(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []data{{"a", "b", "c", "d", "e", "f"}, {"A", "b", "d", "e", "f", "g"}} { // one plan, then two
		plan := d.plan(1)
		grow(t, dir, plan)
		c, err := Open(t.Context(), dir)
		must(t, err)
		all := embedContent(mustResolve(t, plan).all(), 3, 2)
		rows := []int{5, 0, 3, 3}
		got, err := c.Select(t.Context(), rows)
		must(t, err)
		for i, row := range rows {
			sameRows(t, fmt.Sprint("row ", row), got.slice(i, i+1, 3, 2), all.slice(row, row+1, 3, 2))
			if got.About[i] != all.About[row] {
				t.Errorf("row %d is said to be of %+v, want %+v", row, got.About[i], all.About[row])
			}
		}
		_, err = c.Select(t.Context(), []int{0, 6})
		wantError(t, err, ErrRows, "row 6, expected 0 to 5")
	}
}

func TestCollect(t *testing.T) {
	dir := t.TempDir()
	first := data{"a", "b", "c", "d", "e", "f"}.plan(1)
	grow(t, dir, first)
	grow(t, dir, data{"a", "x", "y"}.plan(1))
	before := contents(t, dir)
	g, err := Collect(t.Context(), dir)
	must(t, err)
	both := int64(len(before[shardName(1, 0, 2)]) + len(before[shardName(1, 1, 2)]))
	if g.Shards != 2 || g.Bytes != both || g.Rows != 3 {
		t.Errorf("%+v, want the shard of e and f, and that of b, c and d beside a", g)
	}
	if c, err := Open(t.Context(), dir); err != nil || c.Rows() != 3 {
		t.Errorf("opened after that: %v", err)
	}
	must(t, Verify(t.Context(), dir))
	if g, err = Collect(t.Context(), dir); err != nil || g.Shards != 0 {
		t.Errorf("a second time: %+v, %v", g, err)
	}
	if n := grow(t, dir, first); n != 5 {
		t.Errorf("%d rows computed, want those that were removed", n)
	}
	create(t, dir, data{"a", "z"}.plan(1))
	_, err = Collect(t.Context(), dir)
	wantError(t, err, ErrIncomplete, dir)
}
