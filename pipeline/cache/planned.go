package cache

import (
	"context"
)

// planned is a plan with the samples that it is about.
type planned struct {
	*PlanFile
	table  *sampleTable // all of it, or that of some shards
	params func(s Sample, view int32) string
	basis  *Basis // that it was read for, nil where nobody asked
}

// rows returns rows [from, to) of a shard, without embeddings and logits.
func (p *planned) rows(shard, from, to int) Rows {
	rows := p.table.rows(shard*p.RowsPerShard+from, shard*p.RowsPerShard+to)
	for i := range rows.About {
		if p.params != nil {
			rows.About[i].Params = p.params(rows.About[i].Sample, rows.Views[i])
		}
	}
	return rows
}

// openPlanned reads the samples of a plan's shards [from, to). If these are all shards, the table's SHA-256 is checked;
// a task that reads a few of a million samples relies on the checksums of Parquet's pages.
func openPlanned(ctx context.Context, store Store, p *PlanFile, from, to int) (*planned, error) {
	name := p.SamplesFile
	out := &planned{PlanFile: p}
	err := withFile(ctx, store, name, func(f File) error {
		if from == 0 && to == p.ShardCount {
			want := Shard{Bytes: f.Size(), SHA256: p.Header.Samples}
			if err := want.checkBytes(ctx, f, newDigest()); err != nil {
				return err
			}
		}
		var err error
		out.table, err = readSampleTable(ctx, f, p, from*p.RowsPerShard, min(to*p.RowsPerShard, p.Rows))
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
