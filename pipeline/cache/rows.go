package cache

import (
	"fmt"
	"math"

	"rkd/datasets/memory"
)

// Sample is one item of a data set.
type Sample struct {
	ID      int64    // position in its source
	Label   int32    // number of its class
	Class   string   // name of its class
	Path    string   // relative to its source
	Content [32]byte // SHA-256 of what is in it
}

// Rows is a run of rows in the cache's order. R is len(IDs).
type Rows struct {
	IDs        []int64
	Views      []int32   // (R), 0 ≤ view < views of the plan
	Labels     []int32   // (R)
	Embeddings []float32 // (R,D), row-major
	Logits     []float32 // (R,C), row-major; nil without logits
	Scales     []float32 // (R), of rows read from int8; nil elsewhere
	About      []About   // (R), what else is known of the rows; nil unless asked for
}

// About is what a shard tells of a row for its readers' sake.
type About struct {
	Sample
	Params string // how the view was drawn, as JSON; empty for the sample itself
}

// newRows sets memory aside for n rows.
func newRows(n, dim, logitsDim int) Rows {
	r := Rows{
		IDs: make([]int64, n), Views: make([]int32, n), Labels: make([]int32, n), Embeddings: memory.Make[float32](n * dim),
	}
	if logitsDim > 0 {
		r.Logits = memory.Make[float32](n * logitsDim)
	}
	return r
}

// slice returns rows [from, to) of r, whose columns may be nil.
func (r Rows) slice(from, to, dim, logitsDim int) Rows {
	return Rows{
		IDs: cut(r.IDs, from, to, 1), Views: cut(r.Views, from, to, 1), Labels: cut(r.Labels, from, to, 1),
		Embeddings: cut(r.Embeddings, from, to, dim), Logits: cut(r.Logits, from, to, logitsDim),
		Scales: cut(r.Scales, from, to, 1), About: cut(r.About, from, to, 1),
	}
}

func cut[T any](column []T, from, to, width int) []T {
	if column == nil {
		return nil
	}
	return column[from*width : to*width : to*width]
}

// append adds other's rows to r.
func (r *Rows) append(other Rows) {
	r.IDs = append(r.IDs, other.IDs...)
	r.Views = append(r.Views, other.Views...)
	r.Labels = append(r.Labels, other.Labels...)
	r.Embeddings = append(r.Embeddings, other.Embeddings...)
	r.Logits = append(r.Logits, other.Logits...)
	r.Scales = append(r.Scales, other.Scales...)
	r.About = append(r.About, other.About...)
}

// fit holds r against the rows that are planned, of which r may lack some. It returns for each planned row whether it
// is there, and fills in what the plan knows of the rows, or says what is wrong.
func (r *Rows) fit(planned Rows, dim, logitsDim int) (present []bool, err error) {
	n := len(r.IDs)
	for _, c := range []struct {
		name       string
		have, want int
	}{
		{"views", len(r.Views), n},
		{"labels", len(r.Labels), n},
		{"embeddings", len(r.Embeddings), n * dim},
		{"logits", len(r.Logits), n * logitsDim},
	} {
		if c.have != c.want {
			return nil, fmt.Errorf("%d values of %s for %d rows, expected %d", c.have, c.name, n, c.want)
		}
	}
	present = make([]bool, len(planned.IDs))
	r.About = make([]About, 0, n)
	next := 0 // first of r that is not matched yet
	for j, id := range planned.IDs {
		if next == n || r.IDs[next] != id || r.Views[next] != planned.Views[j] {
			continue
		}
		if r.Labels[next] != planned.Labels[j] {
			return nil, fmt.Errorf("sample %d has label %d, expected %d", id, r.Labels[next], planned.Labels[j])
		}
		present[j] = true
		r.About = append(r.About, planned.About[j])
		next++
	}
	if next < n {
		return nil, fmt.Errorf("sample %d view %d is out of order or not planned here", r.IDs[next], r.Views[next])
	}
	return present, r.finite(dim, logitsDim)
}

// keep returns the planned rows, which have no embeddings, that are present.
func (r Rows) keep(present []bool) Rows {
	var out Rows
	for i, ok := range present {
		if ok {
			out.IDs = append(out.IDs, r.IDs[i])
			out.Views = append(out.Views, r.Views[i])
			out.Labels = append(out.Labels, r.Labels[i])
			out.About = append(out.About, r.About[i])
		}
	}
	return out
}

// finite names the first row that holds a NaN or an infinity.
func (r Rows) finite(dim, logitsDim int) error {
	for _, m := range []struct {
		name   string
		values []float32
		width  int
	}{{"embedding", r.Embeddings, dim}, {"logits", r.Logits, logitsDim}} {
		for i, v := range m.values {
			if math.Float32bits(v)&0x7f800000 == 0x7f800000 { // all exponent bits: infinite or not a number
				row := i / m.width
				return fmt.Errorf("%s of sample %d view %d holds %v, expected finite values",
					m.name, r.IDs[row], r.Views[row], v)
			}
		}
	}
	return nil
}

// ordered tells whether rows ascend by id, then view, with every view below views.
func (r Rows) ordered(views int) error {
	for i, id := range r.IDs {
		if v := r.Views[i]; v < 0 || int(v) >= views {
			return fmt.Errorf("sample %d has view %d, expected less than %d", id, v, views)
		}
		if i > 0 && (id < r.IDs[i-1] || id == r.IDs[i-1] && r.Views[i] <= r.Views[i-1]) {
			return fmt.Errorf("sample %d view %d follows sample %d view %d, expected ascending rows",
				id, r.Views[i], r.IDs[i-1], r.Views[i-1])
		}
	}
	return nil
}
