package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"

	"github.com/parquet-go/parquet-go"

	"rkd/datasets/parquetfile"
)

// sampleRecord is a row of a plan's table of samples, a Parquet file: a sample that the cache is to hold, and which of
// its rows the plan computes. Those of lower views are there from earlier plans.
type sampleRecord struct {
	ID        int64    `parquet:"id,plain"`
	Label     int32    `parquet:"label,plain"`
	Class     string   `parquet:"class,dict"`
	Path      string   `parquet:"path,plain"`
	Content   [32]byte `parquet:"content,plain"`
	FirstView int32    `parquet:"first_view,plain"`
	Row       int64    `parquet:"row,plain"` // of the first one among the plan's rows
}

const (
	samplesPerGroup = 1 << 16
	samplesPerChunk = 1 << 10 // pages are cut between chunks, so that the bytes do not depend on who writes
)

// sampleTable is a run of a plan's samples in memory.
type sampleTable struct {
	views   int
	from    int      // number of the first sample here
	samples []Sample // ascending by id
	first   []int32  // the first view of each that the plan computes
	starts  []int    // of each sample's rows among those of the plan
	end     int      // of the last one's rows
}

// newSampleTable plans rows for all views of samples of which the given numbers of views are there.
func newSampleTable(samples []Sample, views int, first []int32) *sampleTable {
	t := &sampleTable{views: views, samples: samples, first: first, starts: make([]int, len(samples))}
	for i, v := range first {
		t.starts[i] = t.end
		t.end += views - int(v)
	}
	return t
}

// encode writes the table as a Parquet file whose bytes depend on it alone.
func (t *sampleTable) encode(w io.Writer) error {
	config, err := writerConfig("", samplesPerGroup)
	if err != nil {
		return err
	}
	out := parquet.NewGenericWriter[sampleRecord](w, config)
	chunk := make([]sampleRecord, 0, samplesPerChunk)
	for i, s := range t.samples {
		chunk = append(chunk, sampleRecord{s.ID, s.Label, s.Class, s.Path, s.Content, t.first[i], int64(t.starts[i])})
		if len(chunk) == cap(chunk) || i+1 == len(t.samples) {
			if _, err := out.Write(chunk); err != nil {
				return err
			}
			chunk = chunk[:0]
		}
	}
	return out.Close()
}

// rows returns the ids, views, labels and samples of rows [from, to) of the plan; the table must hold them.
func (t *sampleTable) rows(from, to int) Rows {
	n := to - from
	r := Rows{IDs: make([]int64, n), Views: make([]int32, n), Labels: make([]int32, n), About: make([]About, n)}
	i := sort.Search(len(t.starts), func(i int) bool { return t.starts[i] > from }) - 1
	for j := range n {
		for t.rowsEnd(i) <= from+j {
			i++
		}
		s := t.samples[i]
		r.IDs[j], r.Labels[j], r.About[j].Sample = s.ID, s.Label, s
		r.Views[j] = t.first[i] + int32(from+j-t.starts[i])
	}
	return r
}

func (t *sampleTable) rowsEnd(i int) int { return t.starts[i] + t.views - int(t.first[i]) }

// readSampleTable reads the samples that own rows [from, to) of a plan from its table.
func readSampleTable(ctx context.Context, f File, p *PlanFile, from, to int) (t *sampleTable, err error) {
	err = parquetfile.Guard(func() error {
		file, err := openParquet(f, f.Size())
		if err != nil {
			return err
		}
		if !parquet.EqualNodes(file.Schema(), parquet.SchemaOf(sampleRecord{})) {
			return errors.New("it is no table of samples")
		}
		if file.NumRows() != int64(p.Samples) {
			return fmt.Errorf("%d samples, expected %d", file.NumRows(), p.Samples)
		}
		t, err = readSamples(ctx, file, p, from, to)
		return err
	})
	return t, err
}

func readSamples(ctx context.Context, file *parquet.File, p *PlanFile, from, to int) (*sampleTable, error) {
	t := &sampleTable{views: p.Key.Views, end: p.Rows}
	number := 0
	for _, group := range file.RowGroups() {
		n := int(group.NumRows())
		if p.Rows == p.Samples*p.Key.Views && ((number+n)*p.Key.Views <= from || number*p.Key.Views >= to) {
			number += n
			continue // every sample has all views here, so that rows say which
		}
		if err := t.readGroup(ctx, group, number, from, to); err != nil {
			return nil, err
		}
		number += n
	}
	return t, t.validate(p)
}

// readGroup adds the samples of a row group that own rows [from, to), or all when the plan's every row is asked for.
func (t *sampleTable) readGroup(ctx context.Context, group parquet.RowGroup, number, from, to int) (err error) {
	all := from == 0 && to == t.end
	reader := parquet.NewGenericRowGroupReader[sampleRecord](group)
	defer func() { err = errors.Join(err, reader.Close()) }()
	records := make([]sampleRecord, samplesPerChunk)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := reader.Read(records)
		for i, r := range records[:n] {
			start, end := int(r.Row), int(r.Row)+t.views-int(r.FirstView)
			if !all && (end <= from || start >= to || start == end) {
				continue
			}
			if len(t.samples) == 0 {
				t.from = number + i
			}
			t.samples = append(t.samples, Sample{r.ID, r.Label, r.Class, r.Path, r.Content})
			t.first = append(t.first, r.FirstView)
			t.starts = append(t.starts, start)
		}
		number += n
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// validate tells whether the table's rows follow each other.
func (t *sampleTable) validate(p *PlanFile) error {
	for i, s := range t.samples {
		switch {
		case t.first[i] < 0 || int(t.first[i]) > t.views || t.starts[i] < 0 || t.rowsEnd(i) > p.Rows:
			return fmt.Errorf("sample %d has rows from %d of view %d on", s.ID, t.starts[i], t.first[i])
		case i > 0 && (s.ID <= t.samples[i-1].ID || t.starts[i] < t.rowsEnd(i-1)):
			return fmt.Errorf("sample %d follows sample %d", s.ID, t.samples[i-1].ID)
		}
	}
	return nil
}
