package eval

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// similarity is every measure of a pair.
type similarity struct{ cka, spearman, overlap float64 }

func measureAll(t *testing.T, p Pair, k int) similarity {
	t.Helper()
	var s similarity
	var errs [3]error
	s.cka, errs[0] = LinearCKA(t.Context(), p)
	s.spearman, errs[1] = PairwiseSpearman(t.Context(), p)
	s.overlap, errs[2] = NeighbourOverlap(t.Context(), p, k)
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	return s
}

// randomPair draws two sets of which the second is partly a function of the first.
func randomPair(rng *rand.Rand, n, da, db int) Pair {
	p := Pair{N: n, DA: da, DB: db, A: make([]float32, n*da), B: make([]float32, n*db)}
	for i := range p.A {
		p.A[i] = float32(rng.NormFloat64())
	}
	for i := range p.B {
		p.B[i] = p.A[i/db*da+i%db%da] + float32(rng.NormFloat64())
	}
	return p
}

// referenceCKA is the ratio of the formula, with one sum for each pair of columns.
func referenceCKA(p Pair) float64 {
	centred := func(x []float32, d int) [][]float64 {
		columns := make([][]float64, d)
		for j := range columns {
			mean := 0.0
			for i := range p.N {
				mean += float64(x[i*d+j]) / float64(p.N)
			}
			for i := range p.N {
				columns[j] = append(columns[j], float64(x[i*d+j])-mean)
			}
		}
		return columns
	}
	norm := func(a, b [][]float64) float64 {
		sum := 0.0
		for _, x := range a {
			for _, y := range b {
				product := 0.0
				for i := range x {
					product += x[i] * y[i]
				}
				sum += product * product
			}
		}
		return math.Sqrt(sum)
	}
	a, b := centred(p.A, p.DA), centred(p.B, p.DB)
	return norm(a, b) * norm(a, b) / (norm(a, a) * norm(b, b))
}

func euclidean(x []float32, d, i, j int) float64 {
	sum := 0.0
	for c := range d {
		difference := float64(x[i*d+c]) - float64(x[j*d+c])
		sum += difference * difference
	}
	return math.Sqrt(sum)
}

// referenceSpearman counts for the rank of every distance the smaller and the equal ones.
func referenceSpearman(p Pair) float64 {
	ranks := func(x []float32, d int) []float64 {
		var distances []float64
		for i := range p.N {
			for j := i + 1; j < p.N; j++ {
				distances = append(distances, euclidean(x, d, i, j))
			}
		}
		var ranks []float64
		for _, v := range distances {
			smaller, equal := 0, 0
			for _, w := range distances {
				if w < v {
					smaller++
				}
				if w == v {
					equal++
				}
			}
			ranks = append(ranks, float64(smaller)+float64(equal+1)/2)
		}
		return ranks
	}
	r, s := ranks(p.A, p.DA), ranks(p.B, p.DB)
	mean := float64(len(r)+1) / 2
	var rr, ss, rs float64
	for i := range r {
		rr, ss, rs = rr+(r[i]-mean)*(r[i]-mean), ss+(s[i]-mean)*(s[i]-mean), rs+(r[i]-mean)*(s[i]-mean)
	}
	return rs / math.Sqrt(rr*ss)
}

// referenceOverlap sorts all the others of every row.
func referenceOverlap(p Pair, k int) float64 {
	nearest := func(x []float32, d, i int) []int {
		var others []int
		for j := range p.N {
			if j != i {
				others = append(others, j)
			}
		}
		slices.SortFunc(others, func(a, b int) int {
			return cmp.Or(cmp.Compare(euclidean(x, d, i, a), euclidean(x, d, i, b)), cmp.Compare(a, b))
		})
		return others[:k]
	}
	common := 0
	for i := range p.N {
		a := nearest(p.A, p.DA, i)
		for _, j := range nearest(p.B, p.DB, i) {
			if slices.Contains(a, j) {
				common++
			}
		}
	}
	return float64(common) / float64(p.N*k)
}

func TestSimilarityAgreesWithItsFormulas(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, tt := range []struct{ n, da, db, k int }{
		{3, 1, 1, 1}, {4, 3, 2, 3}, {20, 5, 9, 4}, {64, 16, 4, 10}, {65, 17, 4, 64}, {193, 3, 40, 7}, {600, 2, 2, 12},
	} {
		t.Run(fmt.Sprintf("N=%d,DA=%d,DB=%d", tt.n, tt.da, tt.db), func(t *testing.T) {
			p := randomPair(rng, tt.n, tt.da, tt.db)
			got := measureAll(t, p, tt.k)
			if want := referenceCKA(p); math.Abs(got.cka-want) > 1e-12 {
				t.Errorf("CKA is %v, expected %v", got.cka, want)
			}
			if want := referenceOverlap(p, tt.k); math.Abs(got.overlap-want) > 1e-12 {
				t.Errorf("overlap@%d is %v, expected %v", tt.k, got.overlap, want)
			}
			if tt.n > 100 {
				return // the reference for ranks takes N⁴
			}
			if want := referenceSpearman(p); math.Abs(got.spearman-want) > 1e-12 {
				t.Errorf("Spearman correlation is %v, expected %v", got.spearman, want)
			}
		})
	}
}

func TestSimilarityAgreesWithNumPyAndSciPy(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "similarity_golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name          string
		N, DA, DB     int
		A, B          []float32
		CKA, Spearman float64
		Overlap       map[string]float64
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) == 0 {
		t.Fatal("no cases")
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			p := Pair{A: c.A, B: c.B, N: c.N, DA: c.DA, DB: c.DB}
			got := measureAll(t, p, 1)
			if math.Abs(got.cka-c.CKA) > 1e-9 || math.Abs(got.spearman-c.Spearman) > 1e-9 {
				t.Errorf("CKA and Spearman are %v and %v, expected %v and %v", got.cka, got.spearman, c.CKA, c.Spearman)
			}
			for digits, want := range c.Overlap {
				k, err := strconv.Atoi(digits)
				if err != nil {
					t.Fatal(err)
				}
				if got := measureAll(t, p, k).overlap; math.Abs(got-want) > 1e-9 {
					t.Errorf("overlap@%d is %v, expected %v", k, got, want)
				}
			}
		})
	}
}

// Rotation, reflection, translation and scaling keep relations; a power of two and whole numbers do so exactly.
func TestSimilarityOfEqualRelationsIsExactlyOne(t *testing.T) {
	p := randomPair(rand.New(rand.NewPCG(3, 4)), 130, 5, 5)
	for i := range p.A {
		p.A[i] = float32(math.Round(float64(p.A[i]) * 100))
	}
	for name, change := range map[string]func(i, j int) float32{
		"identical": func(i, j int) float32 { return p.A[i*5+j] },
		"scaled":    func(i, j int) float32 { return 8 * p.A[i*5+j] },
		"mirrored":  func(i, j int) float32 { return -p.A[i*5+j] },
		"tiny":      func(i, j int) float32 { return float32(math.Ldexp(float64(p.A[i*5+j]), -130)) },
		"huge":      func(i, j int) float32 { return float32(math.Ldexp(float64(p.A[i*5+j]), 110)) },
	} {
		t.Run(name, func(t *testing.T) {
			b := make([]float32, len(p.A))
			for i := range b {
				b[i] = change(i/5, i%5)
			}
			got := measureAll(t, Pair{A: p.A, B: b, N: 130, DA: 5, DB: 5}, 9)
			if want := (similarity{1, 1, 1}); got != want {
				t.Errorf("CKA, Spearman and overlap are %v, expected %v", got, want)
			}
		})
	}
}

// Sets far from the origin are as alike as those at it.
func TestSimilarityWithACommonOffset(t *testing.T) {
	p := randomPair(rand.New(rand.NewPCG(5, 6)), 80, 4, 3)
	for i := range p.A {
		p.A[i] = float32(math.Round(float64(p.A[i])*64) / 64) // keeps its bits at the offset
	}
	moved := p
	moved.A = slices.Clone(p.A)
	for i := range moved.A {
		moved.A[i] += 4096
	}
	at, far := measureAll(t, p, 6), measureAll(t, moved, 6)
	if math.Abs(at.cka-far.cka) > 1e-12 || at.spearman != far.spearman || at.overlap != far.overlap {
		t.Errorf("at the origin %v, far from it %v", at, far)
	}
}

func TestSimilarityDoesNotDependOnThreads(t *testing.T) {
	p := randomPair(rand.New(rand.NewPCG(7, 8)), 700, 70, 33)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	want := measureAll(t, p, 10)
	for _, threads := range []int{2, 3, 8} {
		runtime.GOMAXPROCS(threads)
		if got := measureAll(t, p, 10); got != want {
			t.Errorf("%d threads give %v, one gives %v", threads, got, want)
		}
	}
}

func TestSimilarityRefuses(t *testing.T) {
	rows := func(values ...float32) []float32 { return values }
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	for _, tt := range []struct {
		name string
		pair Pair
		k    int
		says string // of LinearCKA and NeighbourOverlap, where it is not empty
		rank string // of PairwiseSpearman
	}{
		{"one row", Pair{A: rows(1), B: rows(2), N: 1, DA: 1, DB: 1}, 1, "1 samples, expected at least 2", "at least 3"},
		{"two rows", Pair{A: rows(1, 2), B: rows(2, 3), N: 2, DA: 1, DB: 1}, 1, "", "2 samples, expected at least 3"},
		{"no columns", Pair{B: rows(1, 2, 3), N: 3, DB: 1}, 1, "0 values in the first set, expected 3×0", "first set"},
		{
			"missing values",
			Pair{A: rows(1, 2, 3), B: rows(1, 2, 3), N: 3, DA: 1, DB: 2},
			1, "3 values in the second set, expected 3×2", "3×2",
		},
		{
			"NaN",
			Pair{A: rows(1, 2, 3), B: rows(1, 2, 3, nan, 5, 6), N: 3, DA: 1, DB: 2},
			1, "row 1 of the second set holds NaN", "row 1",
		},
		{
			"infinity",
			Pair{A: rows(1, 2, inf), B: rows(1, 2, 3), N: 3, DA: 1, DB: 1},
			1, "row 2 of the first set holds -Inf", "row 2",
		},
		{
			"equal distances",
			Pair{A: rows(1, 0, 0, 0, 1, 0, 0, 0, 1), B: rows(1, 2, 3), N: 3, DA: 3, DB: 1},
			1, "", "between the 3 rows of the first set are equal",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			expect := func(name, says string, err error) {
				refused := errors.Is(err, ErrInput) && strings.Contains(err.Error(), says)
				if (err == nil) != (says == "") || err != nil && !refused {
					t.Errorf("%s returns %v, expected ErrInput saying %q", name, err, says)
				}
			}
			_, err := LinearCKA(t.Context(), tt.pair)
			expect("LinearCKA", tt.says, err)
			_, err = NeighbourOverlap(t.Context(), tt.pair, tt.k)
			expect("NeighbourOverlap", tt.says, err)
			_, err = PairwiseSpearman(t.Context(), tt.pair)
			expect("PairwiseSpearman", tt.rank, err)
		})
	}
	equal := Pair{A: rows(1, 2, 3), B: rows(.1, .1, .1), N: 3, DA: 1, DB: 1}
	_, err := LinearCKA(t.Context(), equal)
	if !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), "all 3 rows of the second set are equal") {
		t.Errorf("CKA of equal rows: error is %v, expected ErrInput naming the set", err)
	}
	pair := randomPair(rand.New(rand.NewPCG(1, 1)), MaxPairwiseRows+1, 1, 1)
	for _, k := range []int{-1, 0, pair.N} {
		if _, err := NeighbourOverlap(t.Context(), pair, k); !errors.Is(err, ErrInput) {
			t.Errorf("K=%d: error is %v, expected ErrInput", k, err)
		}
	}
	if _, err := PairwiseSpearman(t.Context(), pair); !errors.Is(err, ErrInput) {
		t.Errorf("%d rows: error is %v, expected ErrInput", pair.N, err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	pair = randomPair(rand.New(rand.NewPCG(1, 1)), 100, 2, 2)
	_, cka := LinearCKA(cancelled, pair)
	_, spearman := PairwiseSpearman(cancelled, pair)
	_, overlap := NeighbourOverlap(cancelled, pair, 3)
	for _, err := range []error{cka, spearman, overlap} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled measure returns %v", err)
		}
	}
}

// The sums of the largest sample stay within 64 bits: a set in reverse order of distances would show it.
func TestPairwiseSpearmanOfTheLargestSample(t *testing.T) {
	p := Pair{N: MaxPairwiseRows, DA: 1, DB: 1}
	for i := range p.N {
		p.A = append(p.A, float32(i*i))
	}
	p.B = p.A
	if got, err := PairwiseSpearman(t.Context(), p); err != nil || got != 1 {
		t.Errorf("correlation is %v (%v), expected 1", got, err)
	}
}

func ExampleLinearCKA() {
	// The second set is the first, turned by a right angle and moved.
	p := Pair{
		N:  4,
		DA: 2, A: []float32{0, 0, 1, 0, 0, 2, 3, 1},
		DB: 2, B: []float32{5, 5, 5, 6, 3, 5, 4, 8},
	}
	cka, err := LinearCKA(context.Background(), p)
	fmt.Printf("%.3f %v\n", cka, err)
	// Output: 1.000 <nil>
}

func ExamplePairwiseSpearman() {
	p := Pair{N: 4, DA: 1, A: []float32{0, 1, 3, 7}, DB: 1, B: []float32{0, 1, 9, 50}}
	rho, err := PairwiseSpearman(context.Background(), p)
	fmt.Printf("%.3f %v\n", rho, err)
	// Output: 1.000 <nil>
}

func ExampleNeighbourOverlap() {
	p := Pair{N: 4, DA: 1, A: []float32{0, 1, 3, 7}, DB: 1, B: []float32{0, 4, 3, 1}}
	overlap, err := NeighbourOverlap(context.Background(), p, 2)
	fmt.Println(overlap, err)
	// Output: 0.5 <nil>
}

func BenchmarkSimilarity(b *testing.B) {
	p := randomPair(rand.New(rand.NewPCG(9, 9)), 5000, 128, 64)
	sample := Pair{N: MaxPairwiseRows, DA: p.DA, DB: p.DB, A: p.A[:MaxPairwiseRows*p.DA], B: p.B[:MaxPairwiseRows*p.DB]}
	for _, bb := range []struct {
		name string
		run  func() error
	}{
		{"cka", func() error { _, err := LinearCKA(b.Context(), p); return err }},
		{"spearman", func() error { _, err := PairwiseSpearman(b.Context(), sample); return err }},
		{"overlap", func() error { _, err := NeighbourOverlap(b.Context(), p, 10); return err }},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := bb.run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
