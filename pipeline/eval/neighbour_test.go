package eval

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"rkd/pipeline/eval/internal/gram"
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
			for _, n := range []int{2, 3, 4, 9, 257, 600} {
				x := make([]float32, n)
				for i := range x {
					x[i] = float32(tt.at(i))
				}
				s := newSpace(x, n, 1)
				for _, k := range []int{0, 1, 2, n / 3, n / 2, n - 1} {
					if k >= n || n == 600 && k != n/2 { // as many as are sorted in buckets
						continue
					}
					visited := make([]bool, n)
					err := s.eachQuery(t.Context(), nil, func(int) int { return k }, func(row int, near []uint64) {
						visited[row] = true
						var all []uint64
						for j, distance := range distances(s, row) {
							if j != row {
								all = append(all, rankKey(distance, j))
							}
						}
						slices.Sort(all)
						if !slices.Equal(near, all[:k]) {
							t.Errorf("row %d of %d: the %d nearest are %x, want %x", row, n, k, near, all[:k])
						}
					})
					if err != nil || slices.Contains(visited, false) {
						t.Errorf("%v, rows visited: %v", err, visited)
					}
				}
			}
		})
	}
}

// distances are the squared distances of all rows of a space from one, without its own squared length.
func distances(s *space, row int) []float32 {
	panel, products := make([]float32, gram.PanelRows*s.d), make([]float32, gram.PanelRows*s.n)
	gram.Pack(panel, s.row(row), 1, s.d)
	gram.Products(products, panel, s.rows, s.n, s.d)
	out := make([]float32, s.n)
	for j := range out {
		out[j] = s.norms[j] - 2*products[j*gram.PanelRows]
	}
	return out
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
		for row := range n {
			for j, distance := range distances(s, row) {
				var want float64
				for c := range d {
					diff := float64(x[row*d+c]) - float64(x[j*d+c])
					want += diff * diff
				}
				if got := math.Ldexp(float64(distance)+float64(s.norms[row]), 2*s.exponent); got != want {
					t.Errorf("offset %v: rows %d and %d are at %v, want %v", offset, row, j, got, want)
				}
			}
		}
	}
}

// Large K and many threads make smaller blocks of queries.
func TestNeighboursDoNotDependOnTheBlockOfQueries(t *testing.T) {
	const n, d, k = 300, 150, 20
	x, _ := clusters(n, d, 3, 1)
	s := newSpace(x, n, d)
	run := func(size int) (all []uint64) {
		scan := newScanner(size, s.d)
		for from := 0; from < n; from += size {
			m := min(size, n-from)
			for i := range m {
				scan.candidates[i].reset(from+i, k, n)
			}
			scan.run(s, s.rows[from*s.d:], m)
			for i := range m {
				all = append(all, scan.nearest(i)...)
			}
		}
		return all
	}
	if one, eight := run(gram.PanelRows), run(queryBlock); len(one) != n*k || !slices.Equal(one, eight) {
		t.Error("neighbours differ in blocks of one panel and of many")
	}
}

func TestBlocksOfQueriesKeepToTheirMemory(t *testing.T) {
	for _, tt := range []struct{ k, n int }{{1, 2}, {100, 100_000}, {50_000, 100_000}, {900_000, 1_000_000}} {
		queries := queriesAtOnce(tt.k, tt.n)
		bytes := 8 * queries * capacity(tt.k, tt.n) * runtime.GOMAXPROCS(0)
		if queries%gram.PanelRows != 0 || queries > gram.PanelRows && bytes > scratchBytes || queries < gram.PanelRows {
			t.Errorf("the %d nearest of %d: %d queries with candidates of %d bytes", tt.k, tt.n, queries, bytes)
		}
	}
}

// The matrix of all distances would take 100 MB here.
func TestMemoryStaysBounded(t *testing.T) {
	const n, d = 5000, 2
	x, y := clusters(n, d, n/2, 1)
	rows, keys := 4*n*gram.Lanes, 8*capacity(1, n)*queryBlock*runtime.GOMAXPROCS(0)
	most := uint64(rows + rows/sampleShare + keys + keys/4 + 512*n) // a quarter for the candidates of the sample
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

func TestSorterSortsManyKeysAsFew(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	var sorter sorter
	for name, at := range map[string]func() float32{
		"random":      func() float32 { return float32(rng.NormFloat64()) },
		"few":         func() float32 { return float32(rng.IntN(3)) },
		"the same":    func() float32 { return 2 },
		"tiny":        func() float32 { return float32(1e-44 * rng.Float64()) },
		"an outlier":  func() float32 { return float32(math.Pow(rng.Float64(), 200)) },
		"all numbers": func() float32 { return float32(math.Ldexp(rng.NormFloat64(), rng.IntN(240)-120)) },
	} {
		for _, n := range []int{1, fewKeys - 1, fewKeys, 5000} {
			keys := make([]uint64, n)
			for i, row := range rng.Perm(n) {
				keys[i] = rankKey(at(), row)
			}
			want := slices.Sorted(slices.Values(keys))
			if got := sorter.sort(keys); !slices.Equal(got, want) {
				t.Errorf("%s, %d keys: not in order", name, n)
			}
		}
	}
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
	for _, distance := range []float32{-2, -1e-40, 0, 1e-40, 1, math.MaxFloat32} {
		if got := distanceOf(rankKey(distance, 77)); got != distance {
			t.Errorf("the distance of the key of %v is %v", distance, got)
		}
	}
}

// benchShapes are N, D and the number of classes. The largest takes half a minute.
var benchShapes = [][3]int{{5000, 128, 5}, {20_000, 128, 200}, {20_000, 512, 5}, {100_000, 128, 1000}}

func benchmark(b *testing.B, measure func(b *testing.B, x []float32, n, d int, y []int32)) {
	for _, shape := range benchShapes {
		n, d, classes := shape[0], shape[1], shape[2]
		b.Run(fmt.Sprintf("N=%d,D=%d,classes=%d", n, d, classes), func(b *testing.B) {
			x, y := clusters(n, d, classes, 3)
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

// BenchmarkProduct is the bare product of all rows with all, on the threads of BenchmarkRetrieval and BenchmarkKNN:
// their lower bound.
func BenchmarkProduct(b *testing.B) {
	benchmark(b, func(b *testing.B, x []float32, n, d int, _ []int32) {
		err := eachBlock(b.Context(), n, queryBlock, func(from, to int) {
			panels, out := make([]float32, queryBlock*d), make([]float32, referenceBlock*gram.PanelRows)
			for i := from; i < to; i += gram.PanelRows {
				gram.Pack(panels[(i-from)*d:], x[i*d:], min(gram.PanelRows, to-i), d)
			}
			for ref := 0; ref < n; ref += referenceBlock {
				for i := from; i < to; i += gram.PanelRows {
					gram.Products(out, panels[(i-from)*d:], x[ref*d:], min(referenceBlock, n-ref), d)
				}
			}
		})
		if err != nil {
			b.Fatal(err)
		}
	})
}
