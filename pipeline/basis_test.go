package pipeline

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// TestComponents holds axes and variances against gonum's principal components, by singular values of all rows at once.
func TestComponents(t *testing.T) {
	const n, width, dim = 300, 7, 3
	rng := rand.New(rand.NewPCG(1, 2))
	rows := make([]float32, n*width)
	for i := range rows {
		rows[i] = float32(100 + rng.NormFloat64()*float64(1+i%width))
		if i%width == 6 {
			rows[i] += rows[i-6]
		}
	}
	c := newComponents(width)
	c.add(rows[:100*width])
	c.add(rows[100*width : 101*width])
	c.add(nil)
	c.add(rows[101*width:])
	basis, kept, err := c.fit(dim)
	if err != nil {
		t.Fatal(err)
	}
	x := mat.NewDense(n, width, nil)
	for i, v := range rows {
		x.Set(i/width, i%width, float64(v))
	}
	var pc stat.PC
	if !pc.PrincipalComponents(x, nil) {
		t.Fatal("no principal components")
	}
	var want mat.Dense
	pc.VectorsTo(&want)
	vars := pc.VarsTo(nil)
	all, first := 0.0, 0.0
	for d, v := range vars {
		all += v
		if d < dim {
			first += v
		}
	}
	if math.Abs(kept-first/all) > 1e-9 {
		t.Errorf("the components hold %v of the variance, want %v", kept, first/all)
	}
	for j := range width {
		if m := stat.Mean(mat.Col(nil, j, x), nil); math.Abs(m-float64(basis.Mean[j])) > 1e-5 {
			t.Errorf("mean %d is %v, want %v", j, basis.Mean[j], m)
		}
		for d := range dim {
			got, want := float64(basis.Axes[d*width+j]), want.At(j, d)
			if math.Abs(math.Abs(got)-math.Abs(want)) > 1e-6 {
				t.Errorf("axis %d: number %d is %v, want ±%v", d, j, got, want)
			}
		}
	}
	// What is reduced has the variances of the components.
	reduced := basis.Reduce(rows)
	for d := range dim {
		column := make([]float64, n)
		for i := range column {
			column[i] = float64(reduced[i*dim+d])
		}
		if v := stat.Variance(column, nil); math.Abs(v-vars[d]) > 1e-4*vars[d] {
			t.Errorf("component %d has variance %v, want %v", d, v, vars[d])
		}
	}
}
