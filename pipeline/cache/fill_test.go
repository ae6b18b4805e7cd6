package cache

import (
	"math"
	"os"
	"path/filepath"
	"testing"
)

// add hands a filling the next n planned rows, without those of some ids.
func add(t testing.TB, s *Filling, n int, skipped ...int64) {
	t.Helper()
	rows := s.Rows(n)
	must(t, s.Add(t.Context(), len(rows.IDs), embed(drop(rows, skipped...), s.header.Dim, s.header.LogitsDim)))
}

// A shard goes on where an interrupted writer kept its rows, to the same bytes.
func TestFillingGoesOn(t *testing.T) {
	plan := testPlan(40, 2, 50, 6, 2)
	want := contents(t, build(t, plan, 12, 15))
	for _, kept := range []int{0, 1, 7, 25, 49, 50} {
		dir := t.TempDir()
		w := create(t, dir, plan)
		s, err := w.Fill(t.Context(), 0)
		must(t, err)
		for s.Done() < kept {
			add(t, s, min(7, kept-s.Done()), 12, 15)
			if s.Done() != 14 { // so that one part holds several additions
				must(t, s.Keep(t.Context()))
			}
		}
		add(t, s, min(3, s.Planned()-s.Done()), 12, 15) // lost

		w = create(t, dir, plan)
		if st, err := ReadStatus(t.Context(), dir); err != nil || st.Parts != kept {
			t.Errorf("status says that %d rows are in parts, want %d (%v)", st.Parts, kept, err)
		}
		s, err = w.Fill(t.Context(), 0)
		must(t, err)
		if s.Done() != kept {
			t.Errorf("goes on at row %d, want %d", s.Done(), kept)
		}
		for s.Done() < s.Planned() {
			add(t, s, 11, 12, 15)
		}
		must(t, s.Finish(t.Context()))
		fill(t, w, 12, 15)
		sameFiles(t, contents(t, dir), want)
	}
}

// A damaged part costs its own rows and those after it, nothing else.
func TestDamagedParts(t *testing.T) {
	plan := testPlan(30, 1, 30, 6, 2)
	want := contents(t, build(t, plan))
	for at := -1; at < 10; at++ {
		dir := t.TempDir()
		s, err := create(t, dir, plan).Fill(t.Context(), 0)
		must(t, err)
		for range 3 {
			add(t, s, 10)
			must(t, s.Keep(t.Context()))
		}
		path := filepath.Join(dir, partName(shardName(1, 0, 1), 10, 20))
		damage(t, path, func(b []byte) []byte {
			if at < 0 {
				return b[:len(b)/2]
			}
			return flip(at * (len(b) - 1) / 9)(b)
		})
		w := create(t, dir, plan)
		if s, err = w.Fill(t.Context(), 0); err != nil || s.Done() != 10 {
			t.Fatalf("goes on at row %d, want 10 (%v)", s.Done(), err)
		}
		for s.Done() < s.Planned() {
			add(t, s, 7)
		}
		must(t, s.Finish(t.Context()))
		fill(t, w)
		sameFiles(t, contents(t, dir), want)
	}
}

// Rows that two writers kept in other spans serve whoever goes on.
func TestOverlappingParts(t *testing.T) {
	spans := chain([][2]int{{5, 9}, {0, 2}, {0, 5}, {7, 20}, {2, 30}, {9, 12}, {12, 13}, {14, 15}})
	want := [][2]int{{0, 5}, {5, 9}, {9, 12}, {12, 13}}
	if len(spans) != len(want) {
		t.Fatalf("%v, want %v", spans, want)
	}
	for i := range want {
		if spans[i] != want[i] {
			t.Errorf("%v, want %v", spans, want)
		}
	}
}

// Memory holds a block of rows whatever a shard is planned to hold.
func TestFillingIsBounded(t *testing.T) {
	const dim = 1 << 20 // 4 MiB a row
	plan := testPlan(11, 1, 11, dim, 0)
	w := create(t, t.TempDir(), plan)
	s, err := w.Fill(t.Context(), 0)
	must(t, err)
	for s.Done() < s.Planned() {
		rows := s.Rows(3)
		rows.Embeddings = make([]float32, len(rows.IDs)*dim)
		for i := range rows.IDs {
			rows.Embeddings[i*dim] = float32(s.Done() + i)
		}
		must(t, s.Add(t.Context(), len(rows.IDs), rows))
		if n := s.next - s.kept; n > 8 || len(s.held.embeddings) > blockBytes/4 {
			t.Fatalf("%d rows in memory, want 8 at most", n)
		}
	}
	must(t, s.Finish(t.Context()))
	_, err = w.Commit(t.Context())
	must(t, err)
	c, err := Open(t.Context(), w.store.Path(""))
	must(t, err)
	table, err := c.Load(t.Context())
	must(t, err)
	for i := range table.IDs {
		if got := table.Embeddings[i*dim]; got != float32(i) {
			t.Errorf("row %d begins with %v", i, got)
		}
	}
}

func TestFillingRefuses(t *testing.T) {
	w := create(t, t.TempDir(), testPlan(6, 1, 6, 2, 0))
	_, err := w.Fill(t.Context(), 1)
	wantError(t, err, ErrRows, "shard 1, expected less than 1")
	s, err := w.Fill(t.Context(), 0)
	must(t, err)
	wantError(t, s.Finish(t.Context()), ErrRows, "0 rows were added, expected 6")
	wantError(t, s.Add(t.Context(), 7, Rows{}), ErrRows, "7 rows after 0, expected 6 at most")
	rows := embed(s.Rows(3), 2, 0)
	wantError(t, s.Add(t.Context(), 2, rows), ErrRows, "sample 9 view 0 is out of order")
	rows.Embeddings[3] = float32(math.NaN())
	wantError(t, s.Add(t.Context(), 3, rows), ErrRows, "sample 6 view 0 holds NaN")
	if s.Done() != 0 {
		t.Errorf("%d rows are there after refusals", s.Done())
	}
}

// A writer that is late finds the shard there, and the parts gone that it wanted to make it from.
func TestFillingTheSameShardTwice(t *testing.T) {
	plan := testPlan(20, 1, 20, 3, 0)
	want := contents(t, build(t, plan))
	dir := t.TempDir()
	first, err := create(t, dir, plan).Fill(t.Context(), 0)
	must(t, err)
	add(t, first, 10)
	must(t, first.Keep(t.Context()))
	w := create(t, dir, plan)
	second, err := w.Fill(t.Context(), 0)
	must(t, err)
	add(t, second, 10)
	add(t, first, 10)
	must(t, first.Finish(t.Context()))
	if _, err := os.Stat(filepath.Join(dir, partName(shardName(1, 0, 1), 0, 10))); err == nil {
		t.Error("a part of a finished shard stayed")
	}
	must(t, second.Finish(t.Context()))
	_, err = w.Commit(t.Context())
	must(t, err)
	sameFiles(t, contents(t, dir), want)
}
