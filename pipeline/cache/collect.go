package cache

import (
	"context"
	"errors"
	"fmt"
)

// Garbage is what Collect found.
type Garbage struct {
	Shards int   `json:"shards"` // removed, because the samples of all or some of their rows are gone
	Bytes  int64 `json:"bytes"`  // of the removed shards
	Rows   int   `json:"rows"`   // removed from shards whose other rows were written anew
}

// Collect removes the rows of a finished cache that the manifest does not use: whole shards of them, and those that
// share a shard with others, which are written into a new one. If a sample that was removed from the data returns, its
// rows are then computed again. For a damaged cache it returns the errors of Open.
func Collect(ctx context.Context, dir string) (*Garbage, error) {
	c, err := Open(ctx, dir)
	if err != nil {
		return nil, err
	}
	status, err := ReadStatus(ctx, dir)
	if err != nil {
		return nil, err
	}
	if !status.Complete {
		return nil, fmt.Errorf("%w in %q: a further plan is not finished, and its rows would count as garbage: "+
			"finish it first",
			ErrIncomplete, dir)
	}
	entries, err := c.store.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading cache %q: %w", dir, err)
	}
	g := new(Garbage)
	var errs []error
	listed := c.manifest.listed()
	for _, e := range entries {
		if shardPattern.MatchString(e.Name) && listed[e.Name] == nil {
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
	if g.Rows == 0 || errors.Join(errs...) != nil {
		return g, errors.Join(errs...)
	}
	return g, c.compact(ctx, x, g)
}
