package cache

import (
	"context"
	"errors"
	"fmt"
)

// Garbage is what Collect found.
type Garbage struct {
	Shards int   `json:"shards"` // removed: no row of theirs is a sample's any more
	Bytes  int64 `json:"bytes"`  // of them
	Rows   int   `json:"rows"`   // that no sample has any more and that share a shard with others, which stay
}

// Collect removes the shards of a finished cache of which the manifest names no row: samples that were removed since
// would have to be computed again if they came back. It returns what Open returns for a cache that is not whole.
func Collect(ctx context.Context, dir string) (*Garbage, error) {
	c, err := Open(dir)
	if err != nil {
		return nil, err
	}
	status, err := ReadStatus(ctx, dir)
	if err != nil {
		return nil, err
	}
	if !status.Complete {
		return nil, fmt.Errorf("%w in %q: a further plan is not finished; its rows would be taken for nobody's",
			ErrIncomplete, dir)
	}
	entries, err := c.store.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading cache %q: %w", dir, err)
	}
	g := new(Garbage)
	var errs []error
	for _, e := range entries {
		if shardPattern.MatchString(e.Name) && c.manifest.find(e.Name) == nil {
			errs = append(errs, c.store.Remove(ctx, e.Name))
			g.Shards++
			g.Bytes += e.Bytes
		}
	}
	if c.manifest.Index == nil {
		return g, errors.Join(errs...)
	}
	x, err := c.readIndex(ctx)
	if err != nil {
		return nil, errors.Join(append(errs, err)...)
	}
	used := map[[2]int]bool{}
	for _, p := range x.places {
		used[p] = true
	}
	for _, s := range c.manifest.Shards {
		g.Rows += s.Rows
	}
	g.Rows -= len(used)
	return g, errors.Join(errs...)
}
