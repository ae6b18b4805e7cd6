package cache

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
)

// Changes is how samples differ from those of a cache's plan. Paths are sorted.
type Changes struct {
	Added, Removed, Changed, Moved []string

	Before map[string][32]byte // content of those that have changed, in the cache
}

// Changes compares samples with those that the cache's plan is about. It is nil for a cache of format version 1, which
// does not know them.
func (c *Cache) Changes(ctx context.Context, samples []Sample) (*Changes, error) {
	if c.manifest.Plan == 0 {
		return nil, nil
	}
	p, err := readPlan(ctx, c.store, c.manifest.Plan)
	if err != nil {
		return nil, err
	}
	known, err := openPlanned(ctx, c.store, p, 0, p.ShardCount)
	if err != nil {
		return nil, err
	}
	byPath, contents := map[string][32]byte{}, map[[32]byte]bool{}
	for _, s := range known.table.samples {
		byPath[s.Path], contents[s.Content] = s.Content, true
	}
	out := &Changes{Before: map[string][32]byte{}}
	for _, s := range samples {
		before, there := byPath[s.Path]
		switch {
		case there && before != s.Content:
			out.Changed, out.Before[s.Path] = append(out.Changed, s.Path), before
		case !there && contents[s.Content]:
			out.Moved = append(out.Moved, s.Path)
		case !there:
			out.Added = append(out.Added, s.Path)
		}
		delete(byPath, s.Path)
	}
	for path := range byPath {
		out.Removed = append(out.Removed, path)
	}
	for _, paths := range [][]string{out.Added, out.Removed, out.Changed, out.Moved} {
		slices.SortFunc(paths, cmp.Compare[string])
	}
	return out, nil
}

// String lists the changes with their first paths.
func (c *Changes) String() string {
	var parts []string
	for _, kind := range []struct {
		name  string
		paths []string
	}{{"added", c.Added}, {"removed", c.Removed}, {"changed", c.Changed}, {"moved or renamed", c.Moved}} {
		if len(kind.paths) > 0 {
			parts = append(parts, fmt.Sprintf("%d %s (%s)", len(kind.paths), kind.name, some(kind.paths)))
		}
	}
	if len(parts) == 0 {
		return "the same ones in another order, or with other labels"
	}
	return strings.Join(parts, ", ")
}
