package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"rkd/datasets"
	"rkd/pipeline/cache"
	"rkd/pipeline/config"
	"rkd/pipeline/exchange"
	"rkd/teacher"
)

// Imported says what an import found.
type Imported struct {
	*cache.Manifest
	Unused  int `json:"unused"`  // vectors of no training sample
	Without int `json:"without"` // training rows without a vector
}

// ImportOptions say how vectors belong to samples.
type ImportOptions struct {
	By      string // "path" or "id"; empty is path where the vectors have some
	Teacher string // whose vectors they are, where several teachers are declared
	Partial bool   // leave samples without a vector out, rather than refuse
}

// Import fills the cache of an experiment whose teacher is declared, not run, with vectors from elsewhere, and returns
// what the cache holds then. A vector is of the sample whose path in the data set is its own, or ends it; or whose id
// is its own. Without Partial, ErrPartial names the first samples that have none.
func (r *Runner) Import(ctx context.Context, set *exchange.Set, o ImportOptions) (*Imported, error) {
	var c *config.Config
	for _, t := range r.Experiment.Base.EachTeacher() {
		if t.Config.Teacher.Declared == "" || o.Teacher != "" && t.Name != o.Teacher {
			continue
		}
		if c != nil {
			return nil, fmt.Errorf("%w: several teachers are declared: say with --teacher whose vectors these are",
				config.ErrConfig)
		}
		c = t.Config
	}
	if c == nil {
		return nil, fmt.Errorf("%w: no teacher is declared: name the one that the vectors are of in teacher.declared, in "+
			"place of teacher.model", config.ErrConfig)
	}
	data, err := r.dataset(ctx, "train")
	if err != nil {
		return nil, err
	}
	key, err := cacheKey(data, c)
	if err != nil {
		return nil, err
	}
	at, result, err := matchVectors(set, data, c.Cache.Views, o)
	if err != nil {
		return nil, err
	}
	if c.Teacher.Normalize == teacher.NormalizeL2 {
		if err := normalizeRows(set); err != nil {
			return nil, err
		}
	}
	resolved, err := r.Experiment.Resolved()
	if err != nil {
		return nil, err
	}
	plan := cache.Plan{
		Key: key, Views: c.Cache.Views, RowsPerShard: c.Cache.RowsPerShard, Dim: set.Dim, Config: string(resolved),
		Samples: samplesOf(data),
	}
	if c.Cache.PCA > 0 {
		if plan.Basis, err = importBasis(ctx, c, set); err != nil {
			return nil, err
		}
		plan.Dim = plan.Basis.Dim()
	}
	w, err := cache.Create(ctx, c.Cache.Dir, plan)
	if err != nil {
		return nil, refused(err)
	}
	if err := fillFrom(ctx, w, set, at); err != nil {
		return nil, errors.Join(err, w.Abandon(context.WithoutCancel(ctx)))
	}
	result.Manifest, err = w.Commit(ctx)
	return result, err
}

// vectorOf names a row by its sample's id and view.
type vectorOf struct {
	id   int64
	view int32
}

// matchVectors finds the vector of each row by the row's path or id.
func matchVectors(set *exchange.Set, data datasets.Dataset, views int, o ImportOptions) (map[vectorOf]int, *Imported,
	error,
) {
	by := o.By
	if by == "" {
		by = "id"
		if set.Paths != nil {
			by = "path"
		}
	}
	ids, paths := map[int64]bool{}, map[string]int64{}
	for i := range data.Len() {
		ids[data.ID(i)] = true
		paths[filepath.ToSlash(data.Rel(i))] = data.ID(i)
	}
	var find func(i int) (int64, bool)
	switch {
	case by == "path" && set.Paths != nil:
		find = func(i int) (int64, bool) {
			p := strings.TrimPrefix(strings.ReplaceAll(set.Paths[i], `\`, "/"), "./")
			for { // of an absolute path, or one of another folder, the end counts
				if id, ok := paths[p]; ok {
					return id, true
				}
				var more bool
				if _, p, more = strings.Cut(p, "/"); !more {
					return 0, false
				}
			}
		}
	case by == "id" && set.IDs != nil:
		find = func(i int) (int64, bool) { return set.IDs[i], ids[set.IDs[i]] }
	case by == "path", by == "id":
		return nil, nil, fmt.Errorf("%w: the vectors have no %ss to find their samples by", exchange.ErrFormat, by)
	default:
		return nil, nil, fmt.Errorf("%w: vectors belong to samples by %q, expected path or id", config.ErrConfig, by)
	}
	at, result := map[vectorOf]int{}, &Imported{}
	for i := range set.Len() {
		id, ok := find(i)
		of := vectorOf{id: id}
		if set.Views != nil {
			of.view = set.Views[i]
		}
		if !ok || int(of.view) >= views {
			result.Unused++
			continue
		}
		if before, twice := at[of]; twice {
			return nil, nil, fmt.Errorf("%w: vectors %d and %d are of the same sample, %d, in view %d", exchange.ErrFormat,
				before, i,
				id, of.view)
		}
		at[of] = i
	}
	var missing []string
	for i := range data.Len() {
		for v := range int32(views) {
			if _, ok := at[vectorOf{data.ID(i), v}]; !ok {
				result.Without++
				if len(missing) < sayShown && v == 0 {
					missing = append(missing, data.Rel(i))
				}
			}
		}
	}
	switch {
	case len(at) == 0:
		return nil, nil, fmt.Errorf("%w: none of the %d vectors is of a training sample by its %s; samples are called %s",
			exchange.ErrFormat, set.Len(), by, strings.Join(missing, ", "))
	case result.Without > 0 && !o.Partial:
		return nil, nil, fmt.Errorf("%w: %d of %d rows have no vector, those of %s first; --partial leaves them out",
			ErrPartial, result.Without, data.Len()*views, strings.Join(missing, ", "))
	}
	return at, result, nil
}

// normalizeRows scales vectors to length 1.
func normalizeRows(set *exchange.Set) error {
	for i := range set.Len() {
		row, sum := set.Values[i*set.Dim:(i+1)*set.Dim], 0.0
		for _, v := range row {
			sum += float64(v) * float64(v)
		}
		if sum == 0 {
			return fmt.Errorf("%w: vector %d is zero, and has no direction", exchange.ErrFormat, i)
		}
		for j, v := range row {
			row[j] = float32(float64(v) / math.Sqrt(sum))
		}
	}
	return nil
}

// importBasis is basis for vectors that are there.
func importBasis(ctx context.Context, c *config.Config, set *exchange.Set) (*cache.Basis, error) {
	if basis, err := cache.ReadBasis(ctx, c.Cache.Dir); basis != nil || err != nil {
		return basis, err
	}
	f := newComponents(set.Dim)
	f.add(set.Values)
	basis, _, err := f.fit(min(c.Cache.PCA, set.Dim), c.Cache.Whiten)
	return basis, err
}

// fillFrom makes the missing shards of vectors; rows without one are left out.
func fillFrom(ctx context.Context, w *cache.Writer, set *exchange.Set, at map[vectorOf]int) error {
	basis, err := w.Basis(ctx)
	if err != nil {
		return err
	}
	if basis != nil && basis.Width() != set.Dim {
		return fmt.Errorf("%w: the vectors have %d numbers, the principal components of the plan are of %d",
			cache.ErrMismatch, set.Dim, basis.Width())
	}
	for _, shard := range w.Missing() {
		planned := w.Rows(shard)
		var rows cache.Rows
		for j, id := range planned.IDs {
			i, ok := at[vectorOf{id, planned.Views[j]}]
			if !ok {
				continue
			}
			rows.IDs, rows.Views = append(rows.IDs, id), append(rows.Views, planned.Views[j])
			rows.Labels = append(rows.Labels, planned.Labels[j])
			rows.Embeddings = append(rows.Embeddings, set.Values[i*set.Dim:(i+1)*set.Dim]...)
		}
		if basis != nil {
			rows.Embeddings = basis.Reduce(rows.Embeddings)
		}
		if err := w.WriteShard(ctx, shard, rows); err != nil {
			return err
		}
	}
	return nil
}
