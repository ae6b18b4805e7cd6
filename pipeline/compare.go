package pipeline

import (
	"context"
	"fmt"
	"slices"

	"rkd/pipeline/config"
	"rkd/pipeline/eval"
	"rkd/student/loss"
	"rkd/student/sampler"
)

// CompareOptions are the settings of a comparison.
type CompareOptions struct {
	// K is the number of neighbours whose overlap is counted, at least 1 and less than the number of rows.
	K int
	// Seed draws the rows of the measures that do not look at all of them.
	Seed uint64
	// Experiment has the data that a model runs on, and the options to open it with; nil will do where there is no model.
	Experiment *config.Experiment
}

// Comparison says how alike two sets of embeddings are. Measures with a limit on rows say how many took part.
type Comparison struct {
	A ComparedSet `json:"a"`
	B ComparedSet `json:"b"`
	// Rows is the number of rows that were compared, MatchedBy what made row i of A and row i of B one sample.
	Rows      int    `json:"rows"`
	MatchedBy string `json:"matched_by"`
	// RKDDistance and RKDAngle are the relational losses with A as teacher and B as student, 0 for equal relations.
	RKDDistance float64 `json:"rkd_distance"`
	RKDAngle    float64 `json:"rkd_angle"`
	// RelationalBlocks disjoint random blocks of RelationalRows rows each took part in the two losses, which are means
	// over the blocks; one block holds all rows where they are few.
	RelationalBlocks int     `json:"relational_blocks"`
	RelationalRows   int     `json:"relational_rows"`
	LinearCKA        float64 `json:"linear_cka"`
	// Spearman is the rank correlation of the distances between SpearmanRows rows.
	Spearman     float64 `json:"spearman"`
	SpearmanRows int     `json:"spearman_rows"`
	// NeighbourOverlap is the mean share of common samples among the K nearest.
	NeighbourOverlap float64 `json:"neighbour_overlap"`
	K                int     `json:"k"`
	Seed             uint64  `json:"seed"`
}

// ComparedSet is one of the two sets of a comparison: Rows before matching.
type ComparedSet struct {
	Path string `json:"path"`
	Kind string `json:"kind"`
	Rows int    `json:"rows"`
	Dim  int    `json:"dim"`
	Data string `json:"data,omitempty"` // name of the data set that a model was run on
}

const (
	// relationalRows bounds the work of the relational losses, which grows with its cube: more rows are drawn into blocks.
	relationalRows = 1024
	// relationalBlock is the number of rows of such a block; at most relationalBlocks of them see 8,192 rows.
	relationalBlock  = 512
	relationalBlocks = 16
)

// Compare says how alike two sets of embeddings are. Each is a cache folder, an ONNX model (.onnx) or a matrix (.npy).
//
// A model runs on the test data of the experiment in o; beside a cache it runs on that part of the data, train or test,
// which the cache was made from. A student exported by rkd is opened as evaluation does, any other model with the
// options of the experiment's teacher.
//
// Rows of caches and models are matched by sample id and view, a model having view 0 only; those that one set lacks are
// left out. A matrix is matched by position, and then both must have as many rows.
//
// It returns eval.ErrInput for sets that cannot be compared or measured, cache.ErrMismatch for a model beside a cache
// of other data, and the errors of what it opens.
func (m Machine) Compare(ctx context.Context, a, b string, o CompareOptions) (*Comparison, error) {
	sets, err := m.openSets(ctx, [2]string{a, b}, o)
	if err != nil {
		return nil, err
	}
	res := &Comparison{A: sets[0].ComparedSet, B: sets[1].ComparedSet, K: o.K, Seed: o.Seed}
	var pair eval.Pair
	if pair, res.MatchedBy, err = match(sets); err != nil {
		return nil, err
	}
	res.Rows = pair.N
	m.Progress.Start("compare", "measures", 0, 4)
	defer m.Progress.Finish()
	if err := res.measure(ctx, pair, m.Progress); err != nil {
		return nil, fmt.Errorf("comparing %q with %q: %w", a, b, err)
	}
	return res, nil
}

// measure fills in the figures. What is undefined for all-equal rows comes first: its errors say which set it is.
func (c *Comparison) measure(ctx context.Context, p eval.Pair, progress Progress) error {
	var err error
	if c.LinearCKA, err = eval.LinearCKA(ctx, p); err != nil {
		return err
	}
	progress.Add(1)
	sample := p
	if p.N > eval.MaxPairwiseRows {
		rows := sampler.Stream(c.Seed, "compare distances", 0).Perm(p.N)[:eval.MaxPairwiseRows]
		slices.Sort(rows)
		sample = selectRows(p, rows)
	}
	c.SpearmanRows = sample.N
	if c.Spearman, err = eval.PairwiseSpearman(ctx, sample); err != nil {
		return err
	}
	progress.Add(1)
	if c.NeighbourOverlap, err = eval.NeighbourOverlap(ctx, p, c.K); err != nil {
		return err
	}
	progress.Add(1)
	err = c.measureRelations(ctx, p)
	progress.Add(1)
	return err
}

// measureRelations computes the relational losses on all rows, or as means over random blocks where there are many.
func (c *Comparison) measureRelations(ctx context.Context, p eval.Pair) error {
	blocks := drawBlocks(p.N, c.Seed)
	c.RelationalBlocks, c.RelationalRows = len(blocks), len(blocks[0])
	relational := loss.NewRelational[float64](1, 1)
	for _, rows := range blocks {
		if err := ctx.Err(); err != nil {
			return err
		}
		block := selectRows(p, rows)
		v, err := relational.Eval(loss.Batch[float64]{
			Teacher: loss.Matrix[float64]{Rows: block.N, Cols: block.DA, Data: widened(block.A)},
			Student: loss.Matrix[float64]{Rows: block.N, Cols: block.DB, Data: widened(block.B)},
		}, 1, loss.Matrix[float64]{})
		if err != nil {
			return fmt.Errorf("relational losses, the first set being the teacher: %w", err)
		}
		c.RKDDistance += v.Terms[0].Value / float64(c.RelationalBlocks)
		c.RKDAngle += v.Terms[1].Value / float64(c.RelationalBlocks)
	}
	return nil
}

// drawBlocks returns all of n rows as one block or, where that is too many, random blocks that have no row in common.
func drawBlocks(n int, seed uint64) [][]int {
	if n <= relationalRows {
		all := make([]int, n)
		for i := range all {
			all[i] = i
		}
		return [][]int{all}
	}
	order := sampler.Stream(seed, "compare relations", 0).Perm(n)
	return slices.Collect(slices.Chunk(order[:min(n/relationalBlock, relationalBlocks)*relationalBlock], relationalBlock))
}

// selectRows copies some rows of a pair.
func selectRows(p eval.Pair, rows []int) eval.Pair {
	out := eval.Pair{N: len(rows), DA: p.DA, DB: p.DB}
	for _, i := range rows {
		out.A = append(out.A, p.A[i*p.DA:(i+1)*p.DA]...)
		out.B = append(out.B, p.B[i*p.DB:(i+1)*p.DB]...)
	}
	return out
}

func widened(values []float32) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = float64(v)
	}
	return out
}
