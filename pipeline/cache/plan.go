package cache

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
)

// Sample is one item of a data set.
type Sample struct {
	ID    int64
	Label int32
}

// Plan says what a cache will hold: Views rows of each sample, ordered by id, then view, and cut into shards. Shard i
// holds rows [i·RowsPerShard, (i+1)·RowsPerShard) of that sequence.
type Plan struct {
	Key          Key
	Samples      []Sample // any order; ids are unique
	Views        int      // at least 1, and equal to Key.Views
	RowsPerShard int      // rows, not samples; at least 1
	Dim          int      // width of an embedding
	LogitsDim    int      // width of the logits, 0 without
}

// Rows is a run of rows in the cache's order. R is len(IDs).
type Rows struct {
	IDs        []int64
	Views      []int32   // (R), 0 ≤ view < views of the plan
	Labels     []int32   // (R)
	Embeddings []float32 // (R,D), row-major
	Logits     []float32 // (R,C), row-major; nil without logits
}

// resolved returns the plan with its samples sorted in a copy, or ErrPlan.
func (p Plan) resolved() (Plan, error) {
	fail := func(format string, args ...any) (Plan, error) {
		return Plan{}, fmt.Errorf("%w: %s", ErrPlan, fmt.Sprintf(format, args...))
	}
	switch {
	case len(p.Samples) == 0:
		return fail("samples is empty, expected at least one")
	case p.Views < 1 || p.Views > math.MaxInt32:
		return fail("views is %d, expected at least 1", p.Views)
	case p.Views != p.Key.Views:
		return fail("views is %d, but the key's views is %d", p.Views, p.Key.Views)
	case p.RowsPerShard < 1:
		return fail("rows_per_shard is %d, expected at least 1", p.RowsPerShard)
	case p.Dim < 1:
		return fail("dim is %d, expected at least 1", p.Dim)
	case p.LogitsDim < 0:
		return fail("logits_dim is %d, expected at least 0", p.LogitsDim)
	case (p.LogitsDim > 0) != (p.Key.Logits != ""):
		return fail("logits_dim is %d, but the key's logits is %q", p.LogitsDim, p.Key.Logits)
	case p.Key.DType != "float32":
		return fail("dtype is %q, expected \"float32\"", p.Key.DType)
	}
	p.Samples = slices.Clone(p.Samples)
	slices.SortFunc(p.Samples, func(a, b Sample) int { return cmp.Compare(a.ID, b.ID) })
	for i := 1; i < len(p.Samples); i++ {
		if p.Samples[i].ID == p.Samples[i-1].ID {
			return fail("sample id %d occurs twice", p.Samples[i].ID)
		}
	}
	return p, nil
}

// header returns what every shard and the manifest of the plan say about themselves.
func (p Plan) header() Header {
	digest := sha256.New()
	var buf [12]byte
	for _, s := range p.Samples {
		binary.LittleEndian.PutUint64(buf[:8], uint64(s.ID))
		binary.LittleEndian.PutUint32(buf[8:], uint32(s.Label))
		digest.Write(buf[:])
	}
	return Header{
		FormatVersion: FormatVersion,
		KeyHash:       p.Key.Hash(),
		Key:           p.Key,
		Samples:       hex.EncodeToString(digest.Sum(nil)),
		Dim:           p.Dim,
		LogitsDim:     p.LogitsDim,
		RowsPerShard:  p.RowsPerShard,
		ShardCount:    p.shards(),
	}
}

// shards is the number of shards of a resolved plan.
func (p Plan) shards() int {
	return (len(p.Samples)*p.Views + p.RowsPerShard - 1) / p.RowsPerShard
}

// planned is the number of rows that shard i is planned to hold.
func (p Plan) planned(i int) int {
	return min(p.RowsPerShard, len(p.Samples)*p.Views-i*p.RowsPerShard)
}

// rows returns the ids, views and labels that shard i is planned to hold.
func (p Plan) rows(i int) Rows {
	from, n := i*p.RowsPerShard, p.planned(i)
	r := Rows{IDs: make([]int64, n), Views: make([]int32, n), Labels: make([]int32, n)}
	for j := range n {
		s := p.Samples[(from+j)/p.Views]
		r.IDs[j], r.Views[j], r.Labels[j] = s.ID, int32((from+j)%p.Views), s.Label
	}
	return r
}

// fit holds rows against what shard i is planned to hold. It returns the ids of planned samples of which at least one
// row is absent, ascending, or what is wrong.
func (p Plan) fit(i int, rows Rows) (skipped []int64, err error) {
	n := len(rows.IDs)
	for _, c := range []struct {
		name       string
		have, want int
	}{
		{"views", len(rows.Views), n},
		{"labels", len(rows.Labels), n},
		{"embeddings", len(rows.Embeddings), n * p.Dim},
		{"logits", len(rows.Logits), n * p.LogitsDim},
	} {
		if c.have != c.want {
			return nil, fmt.Errorf("%d values of %s for %d rows, expected %d", c.have, c.name, n, c.want)
		}
	}
	planned := p.rows(i)
	next := 0 // first of rows that is not matched yet
	for j, id := range planned.IDs {
		if next == n || rows.IDs[next] != id || rows.Views[next] != planned.Views[j] {
			if len(skipped) == 0 || skipped[len(skipped)-1] != id {
				skipped = append(skipped, id)
			}
			continue
		}
		if rows.Labels[next] != planned.Labels[j] {
			return nil, fmt.Errorf("sample %d has label %d, expected %d", id, rows.Labels[next], planned.Labels[j])
		}
		next++
	}
	if next < n {
		return nil, fmt.Errorf("sample %d view %d is out of order or not planned here", rows.IDs[next], rows.Views[next])
	}
	return skipped, rows.finite(p.Dim, p.LogitsDim)
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
