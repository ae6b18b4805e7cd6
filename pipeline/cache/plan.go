package cache

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Plan says what a cache is to hold: Views rows of each sample, ordered by id, then view.
type Plan struct {
	Key          Key
	Samples      []Sample // any order; ids are unique
	Views        int      // at least 1, and equal to Key.Views
	RowsPerShard int      // rows, not samples; at least 1
	Dim          int      // width of an embedding
	LogitsDim    int      // width of the logits, 0 without
	// into which the shards are divided; 0, or more than shards, is one a shard, DefaultTasks at most
	Tasks  int
	Config string // the resolved configuration, for tasks
	// Basis is what reduces embeddings to Key.PCA dimensions. A folder keeps that of its first plan.
	Basis *Basis
}

// DefaultTasks is the largest number of tasks that a plan has unless it is asked for more: what an array of Slurm's
// default size holds.
const DefaultTasks = 1000

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
	case len(p.Samples) > math.MaxInt/p.Views:
		return fail("%d samples in %d views are too many rows", len(p.Samples), p.Views)
	case p.RowsPerShard < 1:
		return fail("rows_per_shard is %d, expected at least 1", p.RowsPerShard)
	case p.Dim < 1:
		return fail("dim is %d, expected at least 1", p.Dim)
	case p.LogitsDim < 0:
		return fail("logits_dim is %d, expected at least 0", p.LogitsDim)
	case (p.LogitsDim > 0) != (p.Key.Logits != ""):
		return fail("logits_dim is %d, but the key's logits is %q", p.LogitsDim, p.Key.Logits)
	case !slices.Contains(DTypes, p.Key.DType):
		return fail("dtype is %q, expected %s", p.Key.DType, strings.Join(DTypes, ", "))
	case p.Key.PCA != 0 && p.Key.PCA < p.Dim:
		return fail("pca is %d, but dim is %d", p.Key.PCA, p.Dim)
	case p.Key.PCA != 0 && p.Basis.validate() != nil:
		return fail("basis: %v", p.Basis.validate())
	case p.Key.PCA != 0 && p.Basis.Dim() != p.Dim:
		return fail("basis has %d components, expected %d", p.Basis.Dim(), p.Dim)
	case p.Tasks < 0:
		return fail("tasks is %d, expected at least 1", p.Tasks)
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

// file returns the plan of a number that makes the rows that are missing.
func (p Plan) file(number int, t *sampleTable) *PlanFile {
	shards := 0
	if t.end > 0 {
		shards = (t.end-1)/p.RowsPerShard + 1
	}
	tasks := p.Tasks
	if tasks == 0 {
		tasks = min(shards, DefaultTasks)
	}
	basis := ""
	if p.Basis != nil && p.Key.PCA > 0 {
		basis = p.Basis.sum()
	}
	return &PlanFile{
		Header: Header{
			FormatVersion: FormatVersion, KeyHash: p.Key.Hash(), Key: p.Key, Dim: p.Dim, LogitsDim: p.LogitsDim,
			RowsPerShard: p.RowsPerShard, ShardCount: shards, Plan: number, Basis: basis,
		},
		Samples: len(p.Samples), Rows: t.end, Tasks: max(1, min(tasks, shards)), CreatedBy: createdBy, Config: p.Config,
	}
}
