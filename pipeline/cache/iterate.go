package cache

import (
	"context"
	"iter"
)

// iterateBytes bounds the embeddings and logits of a block of All.
const iterateBytes = 32 << 20

// All reads the rows of the cache in their order, a block at a time, with what the cache tells of them. Nothing is
// hashed.
func (c *Cache) All(ctx context.Context) iter.Seq2[*Table, error] {
	most := max(1, iterateBytes/4/(c.Dim()+c.LogitsDim()))
	return func(yield func(*Table, error) bool) {
		for from := 0; from < c.Rows(); {
			n := min(most, c.Rows()-from)
			if c.manifest.Index == nil {
				n = min(n, c.untilShardEnds(from)) // a shard's row groups are read once then
			}
			rows := make([]int, n)
			for i := range rows {
				rows[i] = from + i
			}
			t, err := c.Select(ctx, rows)
			if !yield(t, err) || err != nil {
				return
			}
			from += n
		}
	}
}

// untilShardEnds is the number of rows from a row to the end of its shard.
func (c *Cache) untilShardEnds(row int) int {
	end := 0
	for _, s := range c.manifest.Shards {
		if end += s.Rows; end > row {
			break
		}
	}
	return end - row
}
