package eval

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// referenceNMI is the formula, term by term.
func referenceNMI(u, v []int32) float64 {
	n := float64(len(u))
	pu, pv, puv := map[int32]float64{}, map[int32]float64{}, map[[2]int32]float64{}
	for i := range u {
		pu[u[i]] += 1 / n
		pv[v[i]] += 1 / n
		puv[[2]int32{u[i], v[i]}] += 1 / n
	}
	var information, entropies float64
	for uv, p := range puv {
		information += p * math.Log(p/(pu[uv[0]]*pv[uv[1]]))
	}
	for _, p := range pu {
		entropies -= p * math.Log(p)
	}
	for _, p := range pv {
		entropies -= p * math.Log(p)
	}
	return 2 * information / entropies
}

func TestNormalizedMutualInformationAgreesWithScikitLearn(t *testing.T) {
	for i, tt := range readClassificationGolden(t).NMI {
		if got := normalizedMutualInformation(tt.U, tt.V); math.Abs(got-tt.Want) > 1e-12 {
			t.Errorf("case %d: %v, want %v", i, got, tt.Want)
		}
		if got, swapped := normalizedMutualInformation(tt.U, tt.V), normalizedMutualInformation(tt.V, tt.U); got != swapped {
			t.Errorf("case %d: %v, but %v with clusters and classes swapped", i, got, swapped)
		}
	}
}

func TestNormalizedMutualInformationAgreesWithTheFormula(t *testing.T) {
	_, u := clusters(300, 1, 7, 1)
	_, v := clusters(300, 2, 4, 1)
	for i := range 150 {
		v[i] = u[i] / 2
	}
	got, want := normalizedMutualInformation(u, v), referenceNMI(u, v)
	if math.Abs(got-want) > 1e-12 || got < 0.1 || got > 0.9 {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestNMIAgreesWithScikitLearn(t *testing.T) {
	for i, tt := range readClassificationGolden(t).KMeans {
		got, err := NMI(t.Context(), tt.Embeddings, tt.N, tt.D, tt.Labels, 1)
		if err != nil {
			t.Fatalf("case %d: %v", i, err)
		}
		if math.Abs(got-tt.NMI) > 1e-12 {
			t.Errorf("case %d: %v, want %v", i, got, tt.NMI)
		}
	}
}

func TestNMI(t *testing.T) {
	for _, tt := range []struct {
		name       string
		embeddings []float32
		labels     []int32
		want       float64
	}{
		{"clusters are classes", []float32{0, 0.1, 9, 9.1, 9.2}, []int32{5, 5, 2, 2, 2}, 1},
		{"clusters say nothing of classes", []float32{0, 0.1, 9, 9.1}, []int32{0, 1, 0, 1}, 0},
		{"all rows are the same, which makes one cluster", []float32{2, 2, 2, 2}, []int32{0, 0, 1, 1}, 0},
		{
			"two different rows for three classes",
			[]float32{2, 2, 7, 7},
			[]int32{0, 0, 1, 2},
			2 * math.Ln2 / (math.Ln2 + 1.5*math.Ln2),
		},
		{"as many classes as rows", []float32{1, 2, 4}, []int32{0, 1, 2}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := NMI(t.Context(), tt.embeddings, len(tt.labels), 1, tt.labels, 3)
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(got-tt.want) > 1e-12 {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

func TestKMeansFindsTheOptimumOfScikitLearn(t *testing.T) {
	for i, tt := range readClassificationGolden(t).KMeans {
		s := newSpace(tt.Embeddings, tt.N, tt.D)
		for seed := range uint64(3) {
			got, err := kMeans(t.Context(), s, len(classSizes(tt.Labels)), seed, nil)
			if err != nil {
				t.Fatal(err)
			}
			if inertia := math.Ldexp(got.inertia, 2*s.exponent); math.Abs(inertia/tt.Inertia-1) > 1e-6 {
				t.Errorf("case %d, seed %d: inertia %v, want %v", i, seed, inertia, tt.Inertia)
			}
		}
	}
}

// Wherever Lloyd's algorithm stops, each row is with the nearest mean of the rows of a cluster.
func TestKMeansEndsInAFixedPoint(t *testing.T) {
	const n, d, k = 700, 9, 220 // more clusters than a block of references
	x, _ := clusters(n, d, 30, 1)
	s := newSpace(x, n, d)
	got, err := kMeans(t.Context(), s, k, 8, nil)
	if err != nil {
		t.Fatal(err)
	}
	means, sizes := make([]float64, k*s.d), make([]float64, k)
	for i, c := range got.assignment {
		sizes[c]++
		for j, v := range s.row(i) {
			means[int(c)*s.d+j] += float64(v)
		}
	}
	squared := func(i, c int) (sum float64) {
		for j, v := range s.row(i) {
			diff := float64(v) - means[c*s.d+j]/sizes[c]
			sum += diff * diff
		}
		return sum
	}
	var inertia float64
	for i, own := range got.assignment {
		inertia += squared(i, int(own))
		for c := range k {
			if sizes[c] > 0 && squared(i, c) < squared(i, int(own))-1e-6 {
				t.Fatalf("row %d is with cluster %d, but nearer to %d", i, own, c)
			}
		}
	}
	if math.Abs(got.inertia/inertia-1) > 1e-5 {
		t.Errorf("inertia %v, want %v", got.inertia, inertia)
	}
}

func TestKMeansIgnoresThreads(t *testing.T) {
	x, _ := clusters(900, 12, 6, 2)
	s := newSpace(x, 900, 12)
	many, err := kMeans(t.Context(), s, 20, 4, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	one, err := kMeans(t.Context(), s, 20, 4, nil)
	if err != nil {
		t.Fatal(err)
	}
	if one.inertia != many.inertia || !slices.Equal(one.assignment, many.assignment) {
		t.Errorf("one thread and many differ: inertia %v and %v", one.inertia, many.inertia)
	}
}

func TestNMIRefuses(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, tt := range []struct {
		name       string
		embeddings []float32
		n, d       int
		labels     []int32
		text       string
	}{
		{"one sample", []float32{1}, 1, 1, []int32{0}, "1 samples, expected at least 2"},
		{"too few values", []float32{1, 2, 3}, 2, 2, []int32{0, 1}, "3 values of embeddings, expected 2×2"},
		{"too many labels", []float32{1, 2}, 2, 1, []int32{0, 1, 2}, "3 labels for 2 samples"},
		{"one class", []float32{1, 2}, 2, 1, []int32{4, 4}, "all 2 samples have class 4"},
		{"an infinity", []float32{1, 2, 3, inf}, 2, 2, []int32{0, 1}, "row 1 of the embeddings holds +Inf"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NMI(t.Context(), tt.embeddings, tt.n, tt.d, tt.labels, 1)
			if !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %v, want ErrInput about %q", err, tt.text)
			}
		})
	}
}

func TestNMIStopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	x, y := clusters(100, 4, 3, 1)
	if _, err := NMI(ctx, x, 100, 4, y, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want cancellation", err)
	}
}

func ExampleNMI() {
	embeddings := []float32{ // (6,2)
		0, 0,
		0, 1,
		1, 0,
		5, 5,
		5, 6,
		6, 6, // labelled like the first three
	}
	nmi, err := NMI(context.Background(), embeddings, 6, 2, []int32{0, 0, 0, 1, 1, 0}, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("NMI %.3f\n", nmi)
	// Output: NMI 0.479
}
