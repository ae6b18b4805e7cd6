package eval

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// classificationGolden is what testdata/classification_golden.py writes.
type classificationGolden struct {
	KNN []struct {
		N, D       int
		Embeddings []float32
		Labels     []int32
		Want       map[int]float64
	}
	TopK []struct {
		N, C   int
		Logits []float32
		Labels []int32
		Want   map[int]float64
	} `json:"top_k"`
	NMI []struct {
		U, V []int32
		Want float64
	}
	KMeans []struct {
		N, D         int
		Embeddings   []float32
		Labels       []int32
		Inertia, NMI float64
	} `json:"k_means"`
}

func readClassificationGolden(t *testing.T) classificationGolden {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "classification_golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	var golden classificationGolden
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.KNN) < 3 || len(golden.TopK) < 2 || len(golden.NMI) < 6 || len(golden.KMeans) < 3 {
		t.Fatalf("%d, %d, %d and %d cases, expected 3, 2, 6 and 3",
			len(golden.KNN), len(golden.TopK), len(golden.NMI), len(golden.KMeans))
	}
	return golden
}

// sameAccuracies compares accuracies by K.
func sameAccuracies(t *testing.T, got, want map[int]float64) {
	t.Helper()
	approximately := gocmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-12 })
	if diff := gocmp.Diff(want, got, approximately); diff != "" {
		t.Errorf("accuracy by K (-want +got):\n%s", diff)
	}
}
