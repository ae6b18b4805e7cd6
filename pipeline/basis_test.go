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
	basis, kept, err := c.fit(dim, 0)
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

// Whitened components have variances v^(1-power), up to one factor that keeps their sum.
func TestWhitenedComponents(t *testing.T) {
	const n, dim = 400, 3
	rng := rand.New(rand.NewPCG(3, 4))
	rows := make([]float32, n*dim)
	for i := range rows {
		rows[i] = float32(5 + rng.NormFloat64()*math.Pow(4, float64(i%dim)))
	}
	c := newComponents(dim)
	c.add(rows)
	variances := func(power float64) (v [dim]float64) {
		t.Helper()
		basis, _, err := c.fit(dim, power)
		if err != nil {
			t.Fatal(err)
		}
		reduced := basis.Reduce(rows)
		for d := range dim {
			column := make([]float64, n)
			for i := range column {
				column[i] = float64(reduced[i*dim+d])
			}
			v[d] = stat.Variance(column, nil)
		}
		return v
	}
	plain := variances(0)
	total := plain[0] + plain[1] + plain[2]
	for _, power := range []float64{0, 0.5, 1} {
		var want [dim]float64
		sum := 0.0
		for d, v := range plain {
			want[d] = math.Pow(v, 1-power)
			sum += want[d]
		}
		for d, v := range variances(power) {
			if w := want[d] * total / sum; math.Abs(v-w) > 1e-4*total {
				t.Errorf("power %g: component %d has variance %v, want %v", power, d, v, w)
			}
		}
	}
}

// Fewer samples than components leave directions without variance, which whitening must not blow up.
func TestWhiteningOfFewSamples(t *testing.T) {
	c := newComponents(4)
	c.add([]float32{1, 2, 3, 4, 2, 1, 5, 0})
	basis, _, err := c.fit(4, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range basis.Reduce([]float32{1, 2, 3, 4, 2, 1, 5, 0}) {
		if math.IsNaN(float64(v)) || math.Abs(float64(v)) > 100 {
			t.Errorf("number %d is %v", i, v)
		}
	}
	for i, f := range whitening([]float64{0, 0}, 1) {
		if f != 1 {
			t.Errorf("factor %d of samples that are all alike is %v, want 1", i, f)
		}
	}
}
