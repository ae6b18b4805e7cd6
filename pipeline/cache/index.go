package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/parquet-go/parquet-go"
)

// indexRecord is a row of a cache's index, a Parquet file: a row of the cache, in its order, and where it lies.
type indexRecord struct {
	ID      int64    `parquet:"id,plain"`
	View    int32    `parquet:"view,plain"`
	Label   int32    `parquet:"label,plain"`
	Class   string   `parquet:"class,dict"`
	Path    string   `parquet:"path,plain"`
	Content [32]byte `parquet:"content,plain"`
	Shard   int32    `parquet:"shard,plain"` // place in the manifest's list
	Row     int32    `parquet:"row,plain"`   // in the shard
}

// index fills in the manifest of a cache whose rows lie in shards of several plans, and writes the table that says
// where.
func (w *Writer) index(ctx context.Context, m *Manifest) error {
	var plans []*PlanFile
	for number := range w.plan.Plan {
		p, err := readPlan(ctx, w.store, number+1)
		if err != nil {
			return err
		}
		plans = append(plans, p)
	}
	h, err := w.holdings(ctx, plans)
	if err != nil {
		return err
	}
	var records []indexRecord
	for i, s := range w.plan.table.samples {
		for v := range int32(w.plan.Key.Views) {
			p, ok := h.rows[keyOf(s, v)]
			if ok {
				records = append(records, indexRecord{s.ID, v, s.Label, s.Class, s.Path, s.Content, p.shard, p.row})
				continue
			}
			if v < w.plan.table.first[i] {
				return fmt.Errorf("%w in %q: no whole shard holds view %d of sample %d (%s) any more",
					ErrIncomplete, w.store.Path(""), v, s.ID, s.Path)
			}
			m.Skipped.IDs = append(m.Skipped.IDs, s.ID)
		}
	}
	m.Rows = len(records)
	listed := make([]int32, len(h.shards)) // number of a shard in the manifest, from 1
	for _, r := range records {
		listed[r.Shard] = 1
	}
	for i, s := range h.shards {
		if listed[i] > 0 {
			m.Shards = append(m.Shards, s.Shard)
			listed[i] = int32(len(m.Shards))
		}
	}
	for i := range records {
		records[i].Shard = listed[records[i].Shard] - 1
	}
	d := newDigest()
	if err := encodeIndex(d, records); err != nil {
		return err
	}
	m.Index = &ContentFile{File: contentName(d.hex(), indexSuffix), Bytes: d.bytes, SHA256: d.hex()}
	err = w.store.Create(ctx, m.Index.File, func(out io.Writer) error { return encodeIndex(out, records) })
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("writing index %q: %w", w.store.Path(m.Index.File), err)
	}
	return nil
}

func encodeIndex(w io.Writer, records []indexRecord) error {
	config, err := writerConfig("", samplesPerGroup)
	if err != nil {
		return err
	}
	out := parquet.NewGenericWriter[indexRecord](w, config)
	for chunk := range slices.Chunk(records, samplesPerChunk) {
		if _, err := out.Write(chunk); err != nil {
			return err
		}
	}
	return out.Close()
}

// rowIndex says where the rows of a cache lie.
type rowIndex struct {
	Rows            // without embeddings and logits
	places [][2]int // of each row: place in the manifest's list of shards, and in the shard
}

// readIndex reads the index of a cache. Its bytes are held against their SHA-256 first.
func (c *Cache) readIndex(ctx context.Context) (*rowIndex, error) {
	m := &c.manifest
	x := &rowIndex{}
	err := withFile(ctx, c.store, m.Index.File, func(f File) error {
		want := Shard{Bytes: m.Index.Bytes, SHA256: m.Index.SHA256}
		if err := want.checkBytes(ctx, f, newDigest()); err != nil {
			return err
		}
		file, err := openParquet(f, f.Size())
		if err != nil {
			return err
		}
		if !parquet.EqualNodes(file.Schema(), parquet.SchemaOf(indexRecord{})) || file.NumRows() != int64(m.Rows) {
			return fmt.Errorf("it is no index of %d rows", m.Rows)
		}
		reader := parquet.NewGenericReader[indexRecord](file)
		defer reader.Close()
		records := make([]indexRecord, samplesPerChunk)
		for len(x.places) < m.Rows {
			n, err := reader.Read(records)
			for _, r := range records[:n] {
				if int(r.Shard) >= len(m.Shards) || r.Shard < 0 || r.Row < 0 || int(r.Row) >= m.Shards[r.Shard].Rows {
					return fmt.Errorf("row %d of shard %d is none of the manifest's", r.Row, r.Shard)
				}
				x.IDs, x.Views, x.Labels = append(x.IDs, r.ID), append(x.Views, r.View), append(x.Labels, r.Label)
				sample := Sample{r.ID, r.Label, r.Class, r.Path, r.Content}
				x.About = append(x.About, About{Sample: sample})
				x.places = append(x.places, [2]int{int(r.Shard), int(r.Row)})
			}
			if err != nil && len(x.places) < m.Rows {
				return err
			}
		}
		return nil
	})
	return x, err
}
