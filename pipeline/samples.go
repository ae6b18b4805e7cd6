package pipeline

import (
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
	"gorgonia.org/tensor"

	"rkd/datasets"
	"rkd/pipeline/cache"
	"rkd/pipeline/config"
)

// samples reads the student's input for rows of the cache.
type samples struct {
	data       datasets.Dataset
	preprocess datasets.Preprocess
	views      datasets.Views
	viewSeed   uint64
	table      *cache.Table
	places     []int // of each row's sample in data
	size       int
	kept       [][]float32 // preprocessed rows, where they fit in memory
}

// keepBytes bounds the memory for preprocessed samples; above it they are read anew in every batch.
const keepBytes = 1 << 30

func newSamples(data datasets.Dataset, c *config.Config, table *cache.Table, input []int) (*samples, error) {
	s := &samples{
		data: data, preprocess: *c.Student.Preprocess, views: c.Data.Augment, viewSeed: c.Data.ViewSeed, table: table,
		places: make([]int, len(table.IDs)), size: tensor.Shape(input).TotalSize(),
	}
	place := make(map[int64]int, data.Len())
	for i := range data.Len() {
		place[data.ID(i)] = i
	}
	for row, id := range table.IDs {
		i, ok := place[id]
		if !ok {
			return nil, fmt.Errorf("%w: sample %d of the cache is not in %s", cache.ErrCorrupt, id, data.Name())
		}
		s.places[row] = i
	}
	if 4*s.size*len(table.IDs) <= keepBytes {
		s.kept = make([][]float32, len(table.IDs))
	}
	return s, nil
}

// load writes the preprocessed samples of rows to x, reading those that are not kept on several cores. It may be called
// from several goroutines at a time, for different rows.
func (s *samples) load(rows []int, x []float32) error {
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, row := range rows {
		dst := x[i*s.size : (i+1)*s.size]
		if s.kept != nil && s.kept[row] != nil {
			copy(dst, s.kept[row])
			continue
		}
		group.Go(func() error { return s.read(row, dst) })
	}
	return group.Wait()
}

func (s *samples) read(row int, dst []float32) error {
	img, err := s.data.Image(s.places[row])
	if err != nil {
		return err
	}
	img = s.views.Apply(img, s.viewSeed, s.table.IDs[row], s.table.Views[row])
	if err := s.preprocess.Apply(img, dst); err != nil {
		return fmt.Errorf("%s: %w", s.data.Path(s.places[row]), err)
	}
	if s.kept != nil {
		s.kept[row] = slices.Clone(dst)
	}
	return nil
}
