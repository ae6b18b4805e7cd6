package datasets

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// manyDots is a folder of gray dots: of class a to e, 10, 10, 5, 2 and 1, all different.
func manyDots(t *testing.T) string {
	t.Helper()
	files, value := map[string][]byte{}, uint8(0)
	for i, n := range []int{10, 10, 5, 2, 1} {
		for j := range n {
			files[fmt.Sprintf("%c/%02d.png", 'a'+i, j)] = dot(t, value)
			value++
		}
	}
	return write(t, files)
}

func names(d Dataset) (rel []string) {
	for i := range d.Len() {
		rel = append(rel, d.Rel(i))
	}
	return rel
}

func classCounts(d Dataset) map[string]int {
	counts := map[string]int{}
	for i := range d.Len() {
		counts[ClassName(d.Classes(), d.Label(i))]++
	}
	return counts
}

func TestDivide(t *testing.T) {
	dir := manyDots(t)
	sources := Sources{{Kind: "folder", Dir: dir}}
	for name, tt := range map[string]struct {
		division    Division
		train, test map[string]int
	}{
		"by sample": {
			Division{Test: 0.2, Seed: 1},
			map[string]int{"a": 8, "b": 8, "c": 4, "d": 1, "e": 1},
			map[string]int{"a": 2, "b": 2, "c": 1, "d": 1},
		},
	} {
		train, test, err := Divide(t.Context(), sources, tt.division, Resources{})
		if err != nil {
			t.Fatal(err)
		}
		if got := classCounts(train); !maps.Equal(got, tt.train) {
			t.Errorf("%s: training has %v, expected %v", name, got, tt.train)
		}
		if got := classCounts(test); !maps.Equal(got, tt.test) {
			t.Errorf("%s: testing has %v, expected %v", name, got, tt.test)
		}
		for _, d := range []Dataset{train, test} {
			if err := d.Ledger().Balance(); err != nil {
				t.Error(err)
			}
			for i := range d.Len() {
				if at, ok := d.Find(d.ID(i)); !ok || at != i {
					t.Errorf("sample %d is found at %d, %v", i, at, ok)
				}
			}
		}
		if train.Fingerprint() == test.Fingerprint() || train.Fingerprint() == "" {
			t.Errorf("fingerprints are %q and %q", train.Fingerprint(), test.Fingerprint())
		}
		again, _, err := Divide(t.Context(), sources, tt.division, Resources{})
		if err != nil || again.Fingerprint() != train.Fingerprint() {
			t.Errorf("the same division gives %v (%v)", again, err)
		}
		other, _, err := Divide(t.Context(), sources, Division{Test: 0.2, Seed: 2}, Resources{})
		if err != nil || other.Fingerprint() == train.Fingerprint() {
			t.Errorf("another seed gives the same (%v)", err)
		}
	}
	train, test, err := Divide(t.Context(), sources, Division{Test: 0.4, By: "class", Seed: 3}, Resources{})
	if err != nil {
		t.Fatal(err)
	}
	if a, b := classCounts(train), classCounts(test); len(a) != 3 || len(b) != 2 {
		t.Errorf("by class: %v for training and %v for testing, expected whole classes, 3 and 2", a, b)
	}
	if len(train.Classes()) != 5 {
		t.Errorf("classes are %v, expected all of the source", train.Classes())
	}
}

// A class that grows keeps nearly all of its samples on their sides: a rank decides, and the share.
func TestDivideKeepsSidesWhenDataGrow(t *testing.T) {
	files := map[string][]byte{}
	for i := range 100 {
		files[fmt.Sprintf("a/%03d.png", i)] = dot(t, uint8(i))
	}
	sides := func() map[string]bool {
		_, test, err := Divide(t.Context(), Sources{{Kind: "folder", Dir: write(t, files)}}, Division{Test: 0.2}, Resources{})
		if err != nil {
			t.Fatal(err)
		}
		tested := map[string]bool{}
		for _, name := range names(test) {
			tested[name] = true
		}
		return tested
	}
	before := sides()
	for i := 100; i < 110; i++ {
		files[fmt.Sprintf("a/%03d.png", i)] = dot(t, uint8(i))
	}
	after, moved := sides(), 0
	for i := range 100 {
		name := fmt.Sprintf("a/%03d.png", i)
		if before[name] != after[name] {
			moved++
		}
	}
	if len(before) != 20 || len(after) != 22 || moved > 3 {
		t.Errorf("%d and %d tested, %d of 100 moved, expected 20 and 22 and few", len(before), len(after), moved)
	}
}

// Copies are on one side, and what cannot be divided is refused.
func TestDivideEdges(t *testing.T) {
	dir := write(t, map[string][]byte{
		"a/1.png": dot(t, 1), "a/2.png": dot(t, 1), "a/3.png": dot(t, 1), "a/4.png": dot(t, 4), "a/5.png": dot(t, 5),
	})
	for seed := range uint64(8) {
		train, test, err := Divide(t.Context(), Sources{{Kind: "folder", Dir: dir}}, Division{Test: 0.4, Seed: seed},
			Resources{})
		if errors.Is(err, ErrSource) {
			continue // the copies rank first, and are too many to be tested
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range test.Len() {
			if slices.Contains(names(train), test.Rel(i)) || test.Sum(i) == [sha256.Size]byte{} {
				t.Errorf("%s is on both sides", test.Rel(i))
			}
			for j := range train.Len() {
				if train.Sum(j) == test.Sum(i) {
					t.Errorf("seed %d: copies %s and %s are on two sides", seed, train.Rel(j), test.Rel(i))
				}
			}
		}
	}
	_, _, err := Divide(t.Context(), Sources{{Kind: "folder", Dir: dir}}, Division{Test: 0.4, By: "class"}, Resources{})
	if !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), "two classes or more") {
		t.Errorf("%v, expected that one class cannot be divided by class", err)
	}
	for _, bad := range []Division{{Test: 1}, {Test: -1}, {Test: 0.5, By: "row"}, {By: "class"}} {
		if err := bad.Validate(); !errors.Is(err, ErrSource) {
			t.Errorf("%+v: %v, expected ErrSource", bad, err)
		}
	}
}

func TestSourcesInAList(t *testing.T) {
	sources := Sources{
		{Kind: "folder", Dir: manyDots(t), Classes: []string{"a", "c"}},
		{Kind: "parquet", Dir: sourcesDir + "/hub", Split: "train", OnError: "skip"},
		{Kind: "files", Dir: sourcesDir + "/csv", Files: Patterns{"*[01].png"}},
	}
	d, err := OpenAll(t.Context(), sources, Resources{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Ledger().Balance(); err != nil {
		t.Error(err)
	}
	want := map[string]int{"a": 10, "c": 5, "newt": 4, "hen": 2, "kite": 2, "": 2}
	if got := classCounts(d); !maps.Equal(got, want) {
		t.Errorf("classes have %v, expected %v", got, want)
	}
	if got, want := d.Classes(), []string{"a", "b", "c", "d", "e", "newt", "hen", "kite"}; !slices.Equal(got, want) {
		t.Errorf("classes are %v, expected %v", got, want)
	}
	first := openSource(t, sources[0])
	for i := range first.Len() {
		if d.ID(i) != first.ID(i) || d.Rel(i) != first.Rel(i) || d.Label(i) != first.Label(i) {
			t.Errorf("sample %d is %d, %q, expected the first source's %d, %q", i, d.ID(i), d.Rel(i), first.ID(i), first.Rel(i))
		}
	}
	seen := map[string]bool{}
	for i := range d.Len() {
		s := d.Sample(i)
		if s.ID != d.ID(i) || s.Label != d.Label(i) || seen[d.Rel(i)] || i > 0 && d.ID(i) <= d.ID(i-1) {
			t.Errorf("sample %d is %+v, %q, expected ascending ids and names of its own", i, s, d.Rel(i))
		}
		seen[d.Rel(i)] = true
		if _, err := s.Size(t.Context()); err != nil {
			t.Error(err)
		}
		if d.Skips(i, ErrDecode) != (i >= 15 && i < 23) {
			t.Errorf("on_error of sample %d is not its source's", i)
		}
	}
	last := d.Len() - 1
	known, err := OpenAll(t.Context(), sources, Resources{Sums: map[string][sha256.Size]byte{
		d.Rel(last): d.Sum(last), d.Rel(0): d.Sum(0),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{d.Rel(0), d.Rel(last)}, names(known)); diff != "" || known.ID(1) != d.ID(last) {
		t.Errorf("with two sums (-want +got):\n%s", diff)
	}
	_, err = OpenAll(t.Context(), Sources{sources[0], {Kind: "vectors", Files: Patterns{"x.npy"}}}, Resources{})
	if !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), "vectors throughout") {
		t.Errorf("%v, expected that pictures and vectors do not mix", err)
	}
}

// Test data of which a class is missing have other numbers for the same names.
func TestWithClasses(t *testing.T) {
	dir := manyDots(t)
	d := openSource(t, Source{Kind: "folder", Dir: dir})
	if same := WithClasses(d, d.Classes()); same != d {
		t.Errorf("the same classes give %v, expected the data set itself", same)
	}
	with := WithClasses(d, []string{"x", "c", "a"})
	if got, want := with.Classes(), []string{"x", "c", "a", "b", "d", "e"}; !slices.Equal(got, want) {
		t.Errorf("classes are %v, expected %v", got, want)
	}
	for i := range with.Len() {
		s := with.Sample(i)
		if s.Label != with.Label(i) || with.Classes()[s.Label] != s.Class || s.Class != d.Sample(i).Class {
			t.Errorf("sample %d has label %d and class %q, expected %q", i, s.Label, s.Class, d.Sample(i).Class)
		}
	}
	if with.Fingerprint() == d.Fingerprint() {
		t.Error("other labels have the same fingerprint")
	}
}
