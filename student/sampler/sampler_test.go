package sampler_test

import (
	"errors"
	"slices"
	"testing"

	"rkd/student/sampler"
)

// labels of 4 classes with 10 rows each, interleaved.
func labels() ([]int32, []int) {
	l, rows := make([]int32, 40), make([]int, 40)
	for i := range l {
		l[i], rows[i] = int32(i%4)*10, i
	}
	return l, rows
}

func TestBatchHoldsPClassesWithKRowsEach(t *testing.T) {
	l, rows := labels()
	pk, err := sampler.New(l, rows, sampler.Shape{Kind: sampler.PK, Classes: 3, PerClass: 5}, 7)
	if err != nil {
		t.Fatal(err)
	}
	drawn := map[int]bool{}
	for step := range 50 {
		batch := pk.Batch(step)
		count := map[int32]int{}
		for _, row := range batch {
			count[l[row]]++
			drawn[row] = true
		}
		if len(batch) != 15 || len(count) != 3 || len(slices.Compact(slices.Sorted(slices.Values(batch)))) != 15 {
			t.Fatalf("step %d: batch %v has classes %v, expected 3 of 5 different rows each", step, batch, count)
		}
		for class, n := range count {
			if n != 5 {
				t.Errorf("step %d: class %d has %d rows, expected 5", step, class, n)
			}
		}
	}
	if len(drawn) != 40 {
		t.Errorf("50 batches visit %d rows, expected all 40", len(drawn))
	}
}

// 2 classes a batch of 4 classes, 3 rows of 10: a round of the classes is 2 batches, a round of a class's rows 3 turns.
func TestNoRowComesTwiceInARound(t *testing.T) {
	l, rows := labels()
	pk, err := sampler.New(l, rows, sampler.Shape{Kind: sampler.PK, Classes: 2, PerClass: 3}, 7)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 4 {
		seen := map[int]bool{}
		for step := round * 6; step < (round+1)*6; step++ {
			for _, row := range pk.Batch(step) {
				if seen[row] {
					t.Errorf("step %d: row %d comes again in round %d", step, row, round)
				}
				seen[row] = true
			}
		}
		if len(seen) != 36 {
			t.Errorf("round %d visits %d rows, expected 9 of 10 of each class", round, len(seen))
		}
	}
}

func TestBatchIsAFunctionOfSeedAndStep(t *testing.T) {
	l, rows := labels()
	shape := sampler.Shape{Kind: sampler.PK, Classes: 2, PerClass: 4, Size: 7}
	a, _ := sampler.New(l, rows, shape, 1)
	b, _ := sampler.New(l, rows, shape, 1)
	other, _ := sampler.New(l, rows, shape, 2)
	a.Batch(0) // what was drawn before must not matter
	if got, want := a.Batch(5), b.Batch(5); !slices.Equal(got, want) || len(got) != 7 {
		t.Errorf("step 5 is %v and %v, expected equal batches of 7", got, want)
	}
	if slices.Equal(a.Batch(5), a.Batch(6)) || slices.Equal(a.Batch(5), other.Batch(5)) {
		t.Error("batches of other steps or seeds are the same")
	}
}

// 5 batches of 7 are a round of 40 rows: 35 of them come once, none twice.
func TestShuffledVisitsRowsInRounds(t *testing.T) {
	l, rows := labels()
	batches, err := sampler.New(l, rows[5:], sampler.Shape{Kind: sampler.Shuffled, Size: 7}, 3)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := sampler.New(l, rows[5:], sampler.Shape{Kind: sampler.Shuffled, Size: 7}, 3)
	if want, got := again.Batch(7), batches.Batch(7); !slices.Equal(got, want) {
		t.Errorf("step 7 is %v and %v, expected equal batches", got, want)
	}
	for round := range 3 {
		seen := map[int]bool{}
		for step := round * 5; step < (round+1)*5; step++ {
			batch := batches.Batch(step)
			if len(batch) != 7 || batches.Rows() != 7 {
				t.Fatalf("step %d has rows %v, expected 7", step, batch)
			}
			for _, row := range batch {
				if seen[row] || row < 5 {
					t.Errorf("step %d: row %d comes again or is none of those given", step, row)
				}
				seen[row] = true
			}
		}
	}
	if slices.Equal(batches.Batch(0), batches.Batch(5)) {
		t.Error("two rounds have one order")
	}
}

func TestEpisodesHaveSupportBeforeQueries(t *testing.T) {
	l, rows := labels()
	episodes, err := sampler.New(l, rows, sampler.Shape{Kind: sampler.Episodes, Ways: 3, Shots: 1, Queries: 2}, 3)
	if err != nil {
		t.Fatal(err)
	}
	for step := range 20 {
		batch := episodes.Batch(step)
		classes := map[int32]bool{}
		for i := 0; i < len(batch); i += 3 {
			class := l[batch[i]]
			classes[class] = true
			if l[batch[i+1]] != class || l[batch[i+2]] != class {
				t.Errorf("step %d: rows %v do not stand class by class", step, batch)
			}
		}
		if len(batch) != 9 || len(classes) != 3 {
			t.Errorf("step %d: rows %v of classes %v, expected 3 classes with 3 rows each", step, batch, classes)
		}
	}
}

func TestBatchThatTheDataCannotFill(t *testing.T) {
	l, rows := labels()
	for name, shape := range map[string]sampler.Shape{
		"more classes than there are":  {Kind: sampler.PK, Classes: 5, PerClass: 2},
		"more rows than a class has":   {Kind: sampler.PK, Classes: 2, PerClass: 11, Short: "drop"},
		"one row":                      {Kind: sampler.PK, Classes: 1, PerClass: 1},
		"negative size":                {Kind: sampler.PK, Classes: 2, PerClass: 2, Size: -1},
		"shuffled beyond the rows":     {Kind: sampler.Shuffled, Size: 41},
		"shuffled by class":            {Kind: sampler.Shuffled, Size: 4, Classes: 2},
		"episode of one class":         {Kind: sampler.Episodes, Ways: 1, Shots: 1, Queries: 1},
		"episode without queries":      {Kind: sampler.Episodes, Ways: 2, Shots: 1},
		"episode beyond a class":       {Kind: sampler.Episodes, Ways: 2, Shots: 5, Queries: 6, Short: "drop"},
		"episode beyond the classes":   {Kind: sampler.Episodes, Ways: 5, Shots: 1, Queries: 1},
		"a kind that there is not":     {Kind: "sorted", Size: 3},
		"no kind, defaults not filled": {Classes: 2, PerClass: 2},
	} {
		if _, err := sampler.New(l, rows, shape, 1); !errors.Is(err, sampler.ErrBatch) {
			t.Errorf("%s gives %v, expected ErrBatch", name, err)
		}
	}
}

func TestShapeDefaults(t *testing.T) {
	for _, tt := range []struct {
		given         sampler.Shape
		rows, classes int
	}{
		{sampler.Shape{}, 65, 5},
		{sampler.Shape{Kind: sampler.PK, Size: 64}, 64, 5},
		{sampler.Shape{Kind: sampler.PK, Size: 14}, 14, 2},
		{sampler.Shape{Kind: sampler.Shuffled}, 64, 1},
		{sampler.Shape{Kind: sampler.Episodes}, 30, 5},
		{sampler.Shape{Kind: sampler.Episodes, Shots: 5, Queries: 15}, 100, 5},
	} {
		s := tt.given.WithDefaults()
		if err := s.Validate(); err != nil {
			t.Error(err)
		}
		if s.Rows() != tt.rows || s.ClassesInBatch() != tt.classes {
			t.Errorf("%+v has %d rows of %d classes, expected %d and %d", s, s.Rows(), s.ClassesInBatch(), tt.rows, tt.classes)
		}
	}
}

func TestSplitHoldsAShareOfEveryClass(t *testing.T) {
	l, rows := labels()
	train, held, err := sampler.Split(l, nil, 0.2, 3)
	if err != nil {
		t.Fatal(err)
	}
	count := map[int32]int{}
	for _, row := range held {
		count[l[row]]++
	}
	for class, n := range count {
		if n != 2 {
			t.Errorf("class %d has %d rows held, expected 2 of 10", class, n)
		}
	}
	both := slices.Sorted(slices.Values(append(slices.Clone(train), held...)))
	if len(count) != 4 || !slices.Equal(both, rows) {
		t.Errorf("train %v and held %v do not part the rows", train, held)
	}
}

func TestSplitKeepsTheViewsOfASampleTogether(t *testing.T) {
	l := make([]int32, 40)
	samples := make([]int64, 40)
	for i := range l {
		samples[i] = int64(i / 4)
	}
	train, held, err := sampler.Split(l, samples, 0.3, 3)
	if err != nil {
		t.Fatal(err)
	}
	side := map[int64]string{}
	for name, rows := range map[string][]int{"train": train, "held": held} {
		for _, row := range rows {
			if was := side[samples[row]]; was != "" && was != name {
				t.Errorf("sample %d is on both sides", samples[row])
			}
			side[samples[row]] = name
		}
	}
	if len(held) != 12 {
		t.Errorf("%d rows held, expected 3 samples of 4 views", len(held))
	}
}

func TestSplitEdges(t *testing.T) {
	l, rows := labels()
	if train, held, _ := sampler.Split(l, nil, 0, 1); !slices.Equal(train, rows) || held != nil {
		t.Errorf("fraction 0 holds %v", held)
	}
	if _, held, _ := sampler.Split([]int32{1, 2, 2}, nil, 0.9, 1); len(held) != 1 {
		t.Errorf("held %v: a class keeps one row at least", held)
	}
	for _, fraction := range []float64{-0.1, 1} {
		if _, _, err := sampler.Split(l, nil, fraction, 1); !errors.Is(err, sampler.ErrBatch) {
			t.Errorf("fraction %g gives %v, expected ErrBatch", fraction, err)
		}
	}
}
