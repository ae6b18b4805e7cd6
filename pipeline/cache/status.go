package cache

import (
	"context"
	"fmt"
)

// Status says how far a cache is, by one listing of its folder: it reads no shard.
type Status struct {
	Dir      string `json:"dir"`
	Complete bool   `json:"complete"` // the newest plan has its manifest
	Rows     int    `json:"rows"`     // that the newest plan computes
	AllRows  int    `json:"all_rows"` // that the cache is planned to hold, those of earlier plans, too
	Shards   int    `json:"shards"`
	Tasks    int    `json:"tasks"`
	// Missing lists the shards of the newest plan that are not there, MissingTasks the tasks that make them.
	Missing      []string `json:"missing"`
	MissingTasks []int    `json:"missing_tasks"`
	// Parts is the number of rows that unfinished shards have on disk.
	Parts int `json:"rows_in_parts"`
	Plan  int `json:"plan"`
}

// ReadStatus looks how far the newest plan of a folder is. It returns ErrNoPlan where there is none.
func ReadStatus(ctx context.Context, dir string) (*Status, error) {
	p, err := ReadPlan(ctx, dir)
	if err != nil {
		return nil, err
	}
	store := openStore(dir)
	entries, err := store.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading cache %q: %w", dir, err)
	}
	s := &Status{
		Dir: dir, Rows: p.Rows, AllRows: p.Samples * p.Key.Views, Shards: p.ShardCount, Tasks: p.Tasks, Missing: []string{},
		MissingTasks: []int{}, Plan: p.Plan,
	}
	present := make(map[string]bool, len(entries))
	var names []string
	for _, e := range entries {
		if e.Bytes > 0 { // an empty file is the claim of a writer that was killed before it wrote, see publish
			present[e.Name] = true
		}
		names = append(names, e.Name)
	}
	parts := partSpans(names)
	for task := range p.Tasks {
		from, to, err := p.TaskShards(task)
		if err != nil {
			return nil, err
		}
		missing := len(s.Missing)
		for i := from; i < to; i++ {
			name := shardName(p.Plan, i, p.ShardCount)
			if present[name] {
				continue
			}
			s.Missing = append(s.Missing, name)
			if chain := chain(parts[name]); len(chain) > 0 {
				s.Parts += chain[len(chain)-1][1]
			}
		}
		if len(s.Missing) > missing {
			s.MissingTasks = append(s.MissingTasks, task)
		}
	}
	m, err := readManifest(ctx, store)
	s.Complete = err == nil && m.KeyHash == p.KeyHash && m.Plan == p.Plan && len(s.Missing) == 0
	return s, nil
}
