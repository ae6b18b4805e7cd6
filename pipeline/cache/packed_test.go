package cache

import (
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// reduced is a plan of other values: of a type, and of two principal components where pca is set.
func reduced(plan Plan, dtype string, pca bool) Plan {
	plan.Key.DType = dtype
	if pca {
		plan.Key.PCA = plan.Dim
		plan.Basis = &Basis{Mean: make([]float32, 2*plan.Dim), Axes: make([]float32, 2*plan.Dim*plan.Dim)}
		for i := range plan.Dim {
			plan.Basis.Axes[i*2*plan.Dim+i] = 1
		}
	}
	return plan
}

// TestDTypes makes a cache of each type, lets it be interrupted, and reads back what the type holds of the rows.
func TestDTypes(t *testing.T) {
	for _, dtype := range DTypes {
		for _, logits := range []int{0, 3} {
			t.Run(dtype, func(t *testing.T) {
				plan := reduced(testPlan(150, 2, 90, 6, logits), dtype, false)
				dir := build(t, plan, 12)
				must(t, Verify(t.Context(), dir))
				c, err := Open(t.Context(), dir)
				must(t, err)
				got, err := c.Load(t.Context())
				must(t, err)
				want := expected(plan, 12)
				want.Embeddings = Quantize(dtype, want.Embeddings, 6)
				sameRows(t, dtype, got.Rows, want.Rows)
				some, err := c.Select(t.Context(), []int{7, 100})
				must(t, err)
				sameValues(t, "selected", some.Embeddings[6:], want.Embeddings[600:606])

				whole := contents(t, dir)
				must(t, os.Remove(filepath.Join(dir, ManifestName)))
				w := create(t, dir, plan) // which writes the rows again and compares every byte
				if len(w.Broken()) > 0 || !w.Done() {
					t.Fatalf("shards count as broken: %v", w.Broken())
				}
				must(t, os.Remove(filepath.Join(dir, w.name(1))))
				fill(t, create(t, dir, plan), 12)
				sameFiles(t, contents(t, dir), whole)
			})
		}
	}
}

// TestSizes holds the bytes of a stored number against what docs/cache.md promises.
func TestSizes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	const rows, dim = 512, 512
	for dtype, most := range map[string]float64{Float32: 4.2, Float16: 2.15, BFloat16: 1.75, Int8: 1.2} {
		plan := mustResolve(t, reduced(testPlan(rows, 1, rows, dim, 0), dtype, false))
		all := plan.all()
		all.Embeddings = make([]float32, rows*dim)
		for i := range all.Embeddings {
			all.Embeddings[i] = float32(rng.NormFloat64()) / 22
		}
		d := newDigest()
		must(t, encodeShard(d, shardHeader{Header: plan.header()}, oneBlock(all)))
		if got := float64(d.bytes) / rows / dim; got > most {
			t.Errorf("%s: %.2f bytes a number, expected %.2f at most", dtype, got, most)
		} else {
			t.Logf("%s: %.2f bytes a number", dtype, got)
		}
	}
}

func TestWhatATypeCannotHold(t *testing.T) {
	for dtype, value := range map[string]float32{Float16: 65536, BFloat16: math.MaxFloat32} {
		plan := reduced(testPlan(3, 1, 3, 2, 0), dtype, false)
		w := create(t, t.TempDir(), plan)
		rows := embed(w.Rows(0), 2, 0)
		rows.Embeddings[3] = value
		err := w.WriteShard(t.Context(), 0, rows)
		if !errors.Is(err, ErrRows) {
			t.Errorf("%v as %s: %v, want ErrRows", value, dtype, err)
		}
		s, err := w.Fill(t.Context(), 0)
		must(t, err)
		if err := s.Add(t.Context(), 3, rows); !errors.Is(err, ErrRows) {
			t.Errorf("%v as %s, added: %v, want ErrRows", value, dtype, err)
		}
	}
}

// TestBasis keeps the components of the first plan in all that follow, and refuses a cache of other ones.
func TestBasis(t *testing.T) {
	plan := reduced(testPlan(20, 1, 8, 4, 0), Float16, true)
	dir := build(t, plan)
	got, err := ReadBasis(t.Context(), dir)
	must(t, err)
	sameValues(t, "axes", got.Axes, plan.Basis.Axes)
	sameValues(t, "mean", got.Mean, plan.Basis.Mean)

	grown := reduced(testPlan(25, 1, 8, 4, 0), Float16, true)
	grown.Key.Dataset = plan.Key.Model
	grown.Basis.Axes[0], grown.Basis.Axes[1] = 0, 1 // fitted to other samples
	w := create(t, dir, grown)
	fill(t, w)
	if w.plan.Basis != plan.Basis.sum() {
		t.Error("the second plan has a basis of its own")
	}
	must(t, Verify(t.Context(), dir))

	other := plan
	other.Key.PCA, other.Basis = 0, nil
	if _, err := Create(t.Context(), dir, other); !errors.Is(err, ErrMismatch) {
		t.Errorf("without reduction: %v, want ErrMismatch", err)
	}
	damage(t, filepath.Join(dir, contentName(plan.Basis.sum(), basisSuffix)), flip(200))
	if _, err := ReadBasis(t.Context(), dir); !errors.Is(err, ErrCorrupt) {
		t.Errorf("damaged components: %v, want ErrCorrupt", err)
	}
}

// A teacher whose embedding is narrower than cache.pca keeps all of its components.
func TestPCAIsAnUpperBound(t *testing.T) {
	plan := reduced(testPlan(25, 1, 8, 4, 0), Float32, true)
	plan.Key.PCA = plan.Dim + 5
	must(t, Verify(t.Context(), build(t, plan)))
	plan.Key.PCA = plan.Dim - 1
	if _, err := Create(t.Context(), t.TempDir(), plan); err == nil {
		t.Error("a plan of more dimensions than components was taken")
	}
}

// TestReduce holds the components of rows against y = A (x − m).
func TestReduce(t *testing.T) {
	b := &Basis{Mean: []float32{1, 2, 3}, Axes: []float32{0, 1, 0, 0.6, 0, 0.8}}
	must(t, b.validate())
	for i, want := range []float64{0, 0, 3, 0.6 + 0.8} {
		if got := b.Reduce([]float32{1, 2, 3, 2, 5, 4})[i]; math.Abs(float64(got)-want) > 1e-6 {
			t.Errorf("component %d is %v, want %v", i, got, want)
		}
	}
}
