package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"rkd/datasets"
	"rkd/pipeline/cache"
	"rkd/pipeline/config"
	"rkd/pipeline/objective"
	"rkd/teacher"
)

// source is what a training learns from: the caches of its teachers. Several give one table, in which a sample's rows
// lie behind each other. Without a teacher the table is of the data themselves, and has labels only.
type source struct {
	teachers []config.Taught
	caches   []*cache.Cache
	classes  []int // of each cache's logits
	combine  string
	data     datasets.Dataset
	views    int
}

// openSource opens the caches of a configuration and compares them with it.
func openSource(ctx context.Context, data datasets.Dataset, c *config.Config) (*source, error) {
	s := &source{teachers: c.EachTeacher(), combine: c.Combine, data: data, views: c.Cache.Views}
	for _, t := range s.teachers {
		opened, err := openCache(ctx, data, t.Config)
		if err != nil {
			return nil, t.Named(err)
		}
		classes, err := cachedClasses(ctx, opened, t.Config.Teacher.Logits)
		if err != nil {
			return nil, t.Named(err)
		}
		s.caches, s.classes = append(s.caches, opened), append(s.classes, classes)
	}
	return s, nil
}

// cachedClasses is the number of classes that the logits of a cache are of, which packed ones tell themselves.
func cachedClasses(ctx context.Context, c *cache.Cache, l teacher.Logits) (int, error) {
	if l.Top == 0 {
		return c.LogitsDim(), nil
	}
	first, err := c.Head(ctx, 1)
	if err != nil {
		return 0, err
	}
	classes, err := checkPacked(first.Logits, c.LogitsDim())
	if err != nil {
		return 0, fmt.Errorf("reading its logits: %w", err)
	}
	return classes, nil
}

// unpack is how the rows of logits of a table become those of all classes, nil where they are such.
func (s *source) unpack() func(logits, row []float32) {
	for _, t := range s.teachers {
		if t.Config.Teacher.Logits.Top > 0 {
			return unpackLogits
		}
	}
	return nil
}

// check tells whether the packed logits of a table can be unpacked.
func (s *source) check(t *cache.Table) error {
	if s.unpack() == nil {
		return nil
	}
	_, err := checkPacked(t.Logits, t.LogitsDim)
	return err
}

// Rows is the number of rows of the first teacher's cache; the others lack at most what they could not decode.
func (s *source) Rows() int {
	if len(s.caches) == 0 {
		return s.data.Len() * s.views
	}
	return s.caches[0].Rows()
}

// DrawsByID says how views are drawn, see cache.Cache.DrawsByID.
func (s *source) DrawsByID() bool { return len(s.caches) > 0 && s.caches[0].DrawsByID() }

// identity is what identifies the caches in a training's key, and the teachers' models in what describes a student:
// those of the only one, or a SHA-256 over those of all. Without a teacher the data's fingerprint takes the key's
// place.
func (s *source) identity() (key, model string) {
	if len(s.caches) == 0 {
		return s.data.Fingerprint(), ""
	}
	if len(s.caches) == 1 {
		m := s.caches[0].Manifest()
		return m.KeyHash, m.Key.Model
	}
	keys, models := map[string]string{}, map[string]string{}
	for i, t := range s.teachers {
		m := s.caches[i].Manifest()
		keys[t.Name], models[t.Name] = m.KeyHash, m.Key.Model
	}
	sum := func(of map[string]string) string {
		text, _ := json.Marshal(of) // sorted by name; texts always encode
		digest := sha256.Sum256(text)
		return hex.EncodeToString(digest[:])
	}
	return sum(keys), sum(models)
}

// widths are the sizes of the teachers' side of the losses.
func (s *source) widths() objective.Widths {
	outputs := make([]outputWidths, len(s.caches))
	for i, c := range s.caches {
		outputs[i] = outputWidths{c.Manifest().Dim, s.classes[i]}
	}
	return lossWidths(s.teachers, s.combine, outputs)
}

// Load reads the rows of all caches, of which more than most bytes are mapped from a scratch file in dir. Of several
// teachers a row is kept, in memory, where all of them have it. The table must be closed.
func (s *source) Load(ctx context.Context, most int64, dir string) (*cache.Table, error) {
	switch len(s.caches) {
	case 0:
		return s.labels(ctx)
	case 1:
		c := s.caches[0]
		load := c.Load
		if c.MemoryBytes() > most {
			load = func(ctx context.Context) (*cache.Table, error) { return c.Map(ctx, dir) }
		}
		t, err := load(ctx)
		if err != nil {
			return nil, err
		}
		if err := s.check(t); err != nil {
			return nil, errors.Join(err, t.Close())
		}
		return t, nil
	}
	tables := make([]*cache.Table, len(s.caches))
	for i, c := range s.caches {
		var err error
		if tables[i], err = c.Load(ctx); err != nil {
			return nil, s.teachers[i].Named(err)
		}
	}
	all, err := s.join(tables)
	if err != nil {
		return nil, err
	}
	return all, s.check(all)
}

// labels is the table of the data without a teacher. Samples that on_error leaves out are decoded once to find them.
func (s *source) labels(ctx context.Context) (*cache.Table, error) {
	t := &cache.Table{}
	for i := range s.data.Len() {
		if s.data.Skips(i, datasets.ErrDecode) {
			if _, err := s.data.Sample(i).Size(ctx); err != nil && s.data.Skips(i, err) {
				continue
			} else if err != nil {
				return nil, err
			}
		}
		for v := range int32(s.views) {
			t.IDs = append(t.IDs, s.data.ID(i))
			t.Views = append(t.Views, v)
			t.Labels = append(t.Labels, s.data.Label(i))
		}
	}
	return t, nil
}

// join puts the rows of the same sample and view behind each other, in the order of the first table.
func (s *source) join(tables []*cache.Table) (*cache.Table, error) {
	places := make([]map[sampleView]int, len(tables))
	for i, t := range tables {
		places[i] = make(map[sampleView]int, len(t.IDs))
		for row, id := range t.IDs {
			places[i][sampleView{id, t.Views[row]}] = row
		}
	}
	all := &cache.Table{}
	for i, t := range tables {
		all.Dim += t.Dim
		all.LogitsDim = max(all.LogitsDim, s.caches[i].Manifest().LogitsDim)
	}
	at := make([]int, len(tables))
rows:
	for row, id := range tables[0].IDs {
		for i := range tables {
			var ok bool
			if at[i], ok = places[i][sampleView{id, tables[0].Views[row]}]; !ok {
				continue rows
			}
		}
		all.IDs = append(all.IDs, id)
		all.Views = append(all.Views, tables[0].Views[row])
		all.Labels = append(all.Labels, tables[0].Labels[row])
		for i, t := range tables {
			part := t.Embeddings[at[i]*t.Dim : (at[i]+1)*t.Dim]
			weight := float32(1)
			if s.combine == config.CombineConcat {
				weight = float32(s.teachers[i].Weight)
			}
			for _, v := range part {
				all.Embeddings = append(all.Embeddings, weight*v)
			}
			if n := s.caches[i].Manifest().LogitsDim; n > 0 {
				all.Logits = append(all.Logits, t.Logits[at[i]*n:(at[i]+1)*n]...)
			}
		}
	}
	if len(all.IDs) == 0 {
		return nil, fmt.Errorf("%w: the caches of teachers %s and %s have no sample in common", cache.ErrMismatch,
			s.teachers[0].Name, s.teachers[1].Name)
	}
	return all, nil
}
