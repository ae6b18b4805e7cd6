package eval

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

func TestNearestIsTheStartOfAFullSort(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for _, tt := range []struct {
		name string
		at   func(i int) float64
	}{
		{"random", func(int) float64 { return rng.NormFloat64() }},
		{"ascending", func(i int) float64 { return float64(i) }},
		{"all the same", func(int) float64 { return 7 }},
		{"few places", func(int) float64 { return float64(rng.IntN(4)) }},
		{
			"an outlier, which leaves one bucket for the rest",
			func(i int) float64 { return rng.Float64() + 1e9*float64(max(0, i-255)) },
		},
		{"nearly the same", func(int) float64 { return 1 + 1e-7*float64(rng.IntN(3)) }},
		{"tiny", func(int) float64 { return 1e-38 * rng.Float64() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, n := range []int{2, 3, 4, 9, 257} {
				x := make([]float32, n)
				for i := range x {
					x[i] = float32(tt.at(i))
				}
				visited := make([]bool, n)
				err := newSpace(x, n, 1).eachQuery(t.Context(), func(q *query) {
					visited[q.row] = true
					var all []uint64
					for j, distance := range q.distances {
						if j != q.row {
							all = append(all, rankKey(distance, j))
						}
					}
					slices.Sort(all)
					for _, k := range []int{0, 1, 2, n / 3, n / 2, n - 1} {
						if k >= n {
							continue
						}
						if got := q.nearest(k); !slices.Equal(got, all[:k]) {
							t.Errorf("row %d of %d: the %d nearest are %x, want %x", q.row, n, k, got, all[:k])
						}
					}
				})
				if err != nil || slices.Contains(visited, false) {
					t.Errorf("%v, rows visited: %v", err, visited)
				}
			}
		})
	}
}

func TestDistancesOfValuesOfFewBitsAreExact(t *testing.T) {
	const n, d = 100, 5
	rng := rand.New(rand.NewPCG(4, 4))
	for _, offset := range []float32{0, 0.25, 1000} {
		x := make([]float32, n*d)
		for i := range x {
			x[i] = offset + float32(rng.IntN(9))/8
		}
		s := newSpace(x, n, d)
		err := s.eachQuery(t.Context(), func(q *query) {
			for j := range n {
				var want float64
				for c := range d {
					diff := float64(x[q.row*d+c]) - float64(x[j*d+c])
					want += diff * diff
				}
				got := math.Ldexp(float64(q.distances[j])+float64(s.norms[q.row]), 2*s.exponent)
				if j != q.row && got != want {
					t.Errorf("offset %v: rows %d and %d are at %v, want %v", offset, q.row, j, got, want)
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Many threads make smaller blocks of queries.
func TestProductsDoNotDependOnTheBlockOfQueries(t *testing.T) {
	const n, d = 300, 150
	x, _ := clusters(n, d, 3, 1)
	s := newSpace(x, n, d)
	whole, part := make([]float32, queryBlock*n), make([]float32, queryBlockMin*n)
	s.products(0, queryBlock, whole)
	for from := 0; from < queryBlock; from += queryBlockMin {
		s.products(from, queryBlockMin, part)
		if !slices.Equal(part, whole[from*n:(from+queryBlockMin)*n]) {
			t.Errorf("products of rows %d to %d differ by themselves and among %d", from, from+queryBlockMin, queryBlock)
		}
	}
}

// The matrix of all distances would take 100 MB here.
func TestMemoryStaysBounded(t *testing.T) {
	const n, d = 5000, 2
	x, y := clusters(n, d, n/2, 1)
	rows, scratch := 4*n*lanes, (4*queryBlock+64)*n*runtime.GOMAXPROCS(0)
	most := uint64(rows + scratch + 512*n)
	for name, measure := range map[string]func() error{
		"Retrieval": func() error { _, err := Retrieval(t.Context(), x, n, d, y, []int{1}); return err },
		"KNN":       func() error { _, err := KNN(t.Context(), x, n, d, y, []int{1}); return err },
	} {
		before := allocated()
		if err := measure(); err != nil {
			t.Fatal(err)
		}
		if got := allocated() - before; got > most {
			t.Errorf("%s allocated %d bytes, expected at most %d", name, got, most)
		}
	}
}

// allocated is how many bytes were ever allocated.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func TestSelectSmallest(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{1, 2, 3, 10, 257, 1000} {
		for _, shape := range []string{"random", "ascending", "descending"} {
			keys := make([]uint64, n)
			for i := range keys {
				keys[i] = rng.Uint64()
			}
			if shape != "random" {
				slices.Sort(keys)
			}
			if shape == "descending" {
				slices.Reverse(keys)
			}
			sorted := slices.Sorted(slices.Values(keys))
			for _, k := range []int{0, 1, n / 3, n / 2, n - 1, n} {
				got := slices.Clone(keys)
				selectSmallest(got, k)
				if !slices.Equal(slices.Sorted(slices.Values(got[:k])), sorted[:k]) {
					t.Errorf("%d of %d %s keys: not the smallest", k, n, shape)
				}
				if !slices.Equal(slices.Sorted(slices.Values(got)), sorted) {
					t.Errorf("%d of %d %s keys: keys were lost", k, n, shape)
				}
			}
		}
	}
}

func TestRankKeyOrdersByDistanceThenRow(t *testing.T) {
	order := []uint64{
		rankKey(float32(math.Inf(-1)), 9), rankKey(-2, 5), rankKey(-1, 4), rankKey(-1e-40, 3),
		rankKey(0, 1), rankKey(0, 2), rankKey(1e-40, 0), rankKey(1, 0), rankKey(1, 7), rankKey(math.MaxFloat32, 0),
	}
	if !slices.IsSorted(order) {
		t.Errorf("keys %x do not ascend", order)
	}
}

// benchShapes are N and D.
var benchShapes = [][2]int{{5000, 128}, {20000, 512}}

func benchmark(b *testing.B, measure func(b *testing.B, x []float32, n, d int, y []int32)) {
	for _, shape := range benchShapes {
		n, d := shape[0], shape[1]
		b.Run(fmt.Sprintf("N=%d,D=%d", n, d), func(b *testing.B) {
			x, y := clusters(n, d, 5, 3)
			for b.Loop() {
				measure(b, x, n, d, y)
			}
		})
	}
}

func BenchmarkRetrieval(b *testing.B) {
	benchmark(b, func(b *testing.B, x []float32, n, d int, y []int32) {
		if _, err := Retrieval(b.Context(), x, n, d, y, []int{1, 5}); err != nil {
			b.Fatal(err)
		}
	})
}

func BenchmarkKNN(b *testing.B) {
	benchmark(b, func(b *testing.B, x []float32, n, d int, y []int32) {
		if _, err := KNN(b.Context(), x, n, d, y, []int{1, 5, 20}); err != nil {
			b.Fatal(err)
		}
	})
}

// BenchmarkProduct is the bare product of all rows with all, by the blocks and on the threads of BenchmarkRetrieval and
// BenchmarkKNN: their lower bound.
func BenchmarkProduct(b *testing.B) {
	benchmark(b, func(b *testing.B, x []float32, n, d int, _ []int32) {
		err := eachBlock(b.Context(), n, queryBlock, func(from, to int) {
			var out [queryBlock * referenceBlock]float32
			for ref := 0; ref < n; ref += referenceBlock {
				k := min(referenceBlock, n-ref)
				gram(x[from*d:to*d], x[ref*d:(ref+k)*d], to-from, k, d, out[:], referenceBlock)
			}
		})
		if err != nil {
			b.Fatal(err)
		}
	})
}
