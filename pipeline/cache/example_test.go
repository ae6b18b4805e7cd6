package cache_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"rkd/pipeline/cache"
)

// A cache is planned, filled shard by shard, committed, and read back.
func Example() {
	ctx := context.Background()
	tmp, err := os.MkdirTemp("", "cache")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	dir := filepath.Join(tmp, "cache")

	plan := cache.Plan{
		Key:          cache.Key{Model: "…", Output: "embedding", Normalize: "none", Views: 1, DType: "float32", Dataset: "…"},
		Samples:      []cache.Sample{{ID: 1, Label: 0}, {ID: 2, Label: 1}, {ID: 3, Label: 0}},
		Views:        1,
		RowsPerShard: 2,
		Dim:          2,
	}
	w, err := cache.Create(ctx, dir, plan)
	if err != nil {
		log.Fatal(err)
	}
	for _, shard := range w.Missing() {
		rows := w.Rows(shard)
		for _, id := range rows.IDs { // a teacher would look at the sample
			rows.Embeddings = append(rows.Embeddings, float32(id), float32(-id))
		}
		if err := w.WriteShard(ctx, shard, rows); err != nil {
			log.Fatal(err)
		}
	}
	if _, err := w.Commit(ctx); err != nil {
		log.Fatal(err)
	}

	c, err := cache.Open(ctx, dir)
	if err != nil {
		log.Fatal(err)
	}
	table, err := c.Load(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(table.IDs, table.Labels, table.Embeddings)
	// Output: [1 2 3] [0 1 0] [1 -1 2 -2 3 -3]
}
