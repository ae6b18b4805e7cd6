package sampler

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// someLabels are 40 rows of which the first 10 have a label, two classes of 5.
func someLabels() (labels []int32, rows []int) {
	for i := range 40 {
		label := int32(-1)
		if i < 10 {
			label = int32(i / 5)
		}
		labels, rows = append(labels, label), append(rows, i)
	}
	return labels, rows
}

func TestMixedBatchesHoldTheShare(t *testing.T) {
	labels, rows := someLabels()
	for name, tt := range map[string]struct {
		shape             Shape
		labelled, without int
	}{
		"half of shuffled":                  {Shape{Kind: Shuffled, Size: 8}, 4, 4},
		"a quarter of shuffled":             {Shape{Kind: Shuffled, Size: 8, Labelled: 0.25}, 2, 6},
		"more than there are":               {Shape{Kind: Shuffled, Size: 32}, 16, 16},
		"pk with as many again":             {Shape{Kind: PK, Classes: 2, PerClass: 2}, 4, 4},
		"pk as a third":                     {Shape{Kind: PK, Classes: 2, PerClass: 2, Labelled: 1. / 3}, 4, 8},
		"episodes with as many again":       {Shape{Kind: Episodes, Ways: 2, Shots: 1, Queries: 2}, 6, 6},
		"pk of classes that are too small":  {Shape{Kind: PK, Classes: 2, PerClass: 6}, 12, 12},
		"a share that rounds to few of pk":  {Shape{Kind: PK, Classes: 2, PerClass: 1, Labelled: 0.9}, 2, 0},
		"a share that rounds to one sample": {Shape{Kind: Shuffled, Size: 4, Labelled: 0.01}, 1, 3},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := New(labels, rows, tt.shape, 3)
			if tt.without == 0 {
				if !errors.Is(err, ErrBatch) || !strings.Contains(err.Error(), "no room") {
					t.Errorf("%v, expected that there is no room", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := tt.shape.Mixed().Rows(); b.Rows() != want || want != tt.labelled+tt.without {
				t.Errorf("%d rows, the shape says %d, expected %d", b.Rows(), want, tt.labelled+tt.without)
			}
			seen := map[int]int{}
			for step := range 30 {
				batch := b.Batch(step)
				n := 0
				for i, row := range batch {
					seen[row]++
					if labels[row] >= 0 {
						n++
					}
					if (labels[row] >= 0) != (i < tt.labelled) {
						t.Fatalf("step %d: row %d of the batch has label %d, expected labels first", step, i, labels[row])
					}
				}
				if n != tt.labelled || len(batch) != b.Rows() {
					t.Errorf("step %d: %d of %d rows have labels, expected %d", step, n, len(batch), tt.labelled)
				}
			}
			if len(seen) != 40 {
				t.Errorf("%d rows were drawn in 30 steps, expected all 40", len(seen))
			}
			again, err := New(labels, rows, tt.shape, 3)
			if err != nil || !slices.Equal(again.Batch(17), b.Batch(17)) {
				t.Errorf("step 17 gives %v and %v (%v), expected the same", again.Batch(17), b.Batch(17), err)
			}
		})
	}
}

func TestLabelledMustMeanSomething(t *testing.T) {
	labels, rows := someLabels()
	for name, tt := range map[string]struct {
		rows  []int
		shape Shape
		want  string
	}{
		"all have labels":   {rows[:10], Shape{Kind: Shuffled, Size: 4, Labelled: 0.5}, "all samples have labels"},
		"none has a label":  {rows[10:], Shape{Kind: PK, Classes: 2, PerClass: 2}, "no sample has a label"},
		"share above 1":     {rows, Shape{Kind: Shuffled, Size: 4, Labelled: 1.5}, "labelled is 1.5"},
		"short of shuffled": {rows, Shape{Kind: Shuffled, Size: 4, Short: "drop"}, "draws from no class"},
		"short":             {rows, Shape{Kind: PK, Classes: 2, PerClass: 2, Short: "skip"}, `short is "skip"`},
	} {
		if _, err := New(labels, tt.rows, tt.shape, 1); !errors.Is(err, ErrBatch) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, expected %q", name, err, tt.want)
		}
	}
	if _, err := New(labels, rows[10:], Shape{Kind: Shuffled, Size: 4}, 1); err != nil {
		t.Errorf("shuffled batches without any label: %v", err)
	}
}

// Classes of 1, 2, 3 and 8 rows.
func TestShortClassesRepeatOrAreDropped(t *testing.T) {
	var labels []int32
	var rows []int
	for label, n := range []int{1, 2, 3, 8} {
		for range n {
			labels, rows = append(labels, int32(label)), append(rows, len(rows))
		}
	}
	shape := Shape{Kind: PK, Classes: 2, PerClass: 4}
	if got := Short(labels, rows, shape); len(got) != 3 || got[0] != 1 || got[1] != 2 || got[2] != 3 {
		t.Errorf("short classes are %v, expected three", got)
	}
	b, err := New(labels, rows, shape, 1)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[int]int{}
	for step := range 40 {
		batch := b.Batch(step)
		for _, row := range batch {
			counts[row]++
		}
		for i := 0; i < len(batch); i += 4 {
			in := map[int]int{}
			for _, row := range batch[i : i+4] {
				if labels[row] != labels[batch[i]] {
					t.Fatalf("step %d: a class's rows are %v", step, batch[i:i+4])
				}
				in[row]++
			}
			class := labels[batch[i]]
			want := map[int32]int{0: 4, 1: 2, 2: 2, 3: 1}[class]
			for row, n := range in {
				if n > want {
					t.Errorf("step %d: row %d of class %d occurs %d times, expected at most %d", step, row, class, n, want)
				}
			}
		}
	}
	if len(counts) != 14 {
		t.Errorf("%d rows were drawn, expected all 14", len(counts))
	}
	shape.Short = ShortDrop
	if _, err := New(labels, rows, shape, 1); !errors.Is(err, ErrBatch) || !strings.Contains(err.Error(),
		"short: repeat") {
		t.Errorf("%v, expected that one class of 4 is too few", err)
	}
	shape.Classes, shape.PerClass = 2, 3
	if b, err = New(labels, rows, shape, 1); err != nil {
		t.Fatal(err)
	}
	for step := range 10 {
		for _, row := range b.Batch(step) {
			if labels[row] < 2 {
				t.Errorf("step %d draws row %d of a class that is dropped", step, row)
			}
		}
	}
}
