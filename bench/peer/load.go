package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/parquet-go/parquet-go"

	"rkd/pipeline/cache"
)

// row is a row of a shard to parquet-go.
type row struct {
	ID        int64     `parquet:"id,plain"`
	View      int32     `parquet:"view,plain"`
	Label     int32     `parquet:"label,plain"`
	Embedding []float32 `parquet:"embedding,list"`
}

// load reads a cache of n embeddings of width d, every byte checked against its SHA-256. The peer is parquet-go's
// reader of rows on the same shards, which checks nothing. The value is the last number read.
func load(dir string, n, d int) comparison {
	return comparison{fmt.Sprintf("cache/load,N=%d,D=%d", n, d), func(ctx context.Context, _ peers) (side, []side, error) {
		dir := filepath.Join(dir, "cache")
		if err := writeCache(ctx, dir, n, d); err != nil {
			return nil, nil, err
		}
		c, err := cache.Open(ctx, dir)
		if err != nil {
			return nil, nil, err
		}
		shards, err := filepath.Glob(filepath.Join(dir, "*.parquet"))
		if err != nil {
			return nil, nil, err
		}
		ours := func() (float64, error) {
			t, err := c.Load(ctx)
			if err != nil {
				return 0, err
			}
			return float64(t.Embeddings[n*d-1]), nil
		}
		theirs := func() (float64, error) {
			var rows []row
			for _, path := range shards {
				part, err := parquet.ReadFile[row](path)
				if err != nil {
					return 0, err
				}
				rows = append(rows, part...)
			}
			if len(rows) != n || len(rows[n-1].Embedding) != d {
				return 0, errors.New("the peer did not read the rows that were written")
			}
			return float64(rows[n-1].Embedding[d-1]), nil
		}
		return local(ours), []side{local(theirs)}, nil
	}}
}

func writeCache(ctx context.Context, dir string, n, d int) error {
	plan := cache.Plan{
		Key: cache.Key{Model: "benchmark", Views: 1, DType: "float32"}, Views: 1, RowsPerShard: 8192, Dim: d,
		Samples: make([]cache.Sample, n),
	}
	for i := range plan.Samples {
		plan.Samples[i] = cache.Sample{ID: int64(i), Label: int32(i % 5)}
	}
	w, err := cache.Create(ctx, dir, plan)
	if err != nil {
		return err
	}
	for shard := range w.Shards() {
		rows := w.Rows(shard)
		rows.Embeddings = gaussian(uint64(shard), len(rows.IDs)*d)
		if err := w.WriteShard(ctx, shard, rows); err != nil {
			return err
		}
	}
	_, err = w.Commit(ctx)
	return err
}
