package pipeline

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/google/renameio/v2"

	"rkd/pipeline/cache"
	"rkd/pipeline/config"
	"rkd/pipeline/exchange"
)

// The forms in which a cache is exported.
const (
	ExportNPY     = "npy"     // a folder as clip-retrieval makes it
	ExportCSV     = "csv"     // one table of text
	ExportParquet = "parquet" // one table
)

// ExportCache writes a cache's rows for other programs: embeddings as float32, whatever they are stored in. Where out
// is empty, a table goes to w.
func ExportCache(ctx context.Context, dir, format, out string, w io.Writer) (rows int, err error) {
	c, err := cache.Open(ctx, dir)
	if err != nil {
		return 0, err
	}
	shape := exchange.Shape{Rows: c.Rows(), Dim: c.Dim(), LogitsDim: c.LogitsDim()}
	blocks := func(yield func(*exchange.Block, error) bool) {
		for t, err := range c.All(ctx) {
			if err != nil {
				yield(nil, err)
				return
			}
			b := &exchange.Block{
				IDs: t.IDs, Views: t.Views, Labels: t.Labels, Embeddings: t.Embeddings, Logits: t.Logits,
			}
			for _, a := range t.About {
				b.Classes, b.Paths = append(b.Classes, a.Class), append(b.Paths, a.Path)
			}
			if !yield(b, nil) {
				return
			}
		}
	}
	var write func(io.Writer, exchange.Shape, exchange.Blocks) error
	switch {
	case format == ExportNPY && out == "":
		return 0, fmt.Errorf("%w: format npy is a folder: name it", config.ErrConfig)
	case format == ExportNPY:
		if _, err := os.Stat(out); err == nil {
			return 0, fmt.Errorf("exporting %q: %q is there already", dir, out)
		}
		if err := exchange.WriteFolder(out, shape, blocks); err != nil {
			return 0, fmt.Errorf("exporting %q: %w", dir, errors.Join(err, os.RemoveAll(out)))
		}
		return shape.Rows, nil
	case format == ExportCSV:
		write = exchange.WriteCSV
	case format == ExportParquet:
		write = exchange.WriteParquet
	default:
		return 0, fmt.Errorf("%w: format is %q, expected npy, csv or parquet", config.ErrConfig, format)
	}
	if out == "" {
		buffered := bufio.NewWriterSize(w, 1<<20)
		return shape.Rows, errors.Join(write(buffered, shape, blocks), buffered.Flush())
	}
	file, err := renameio.NewPendingFile(out, renameio.WithPermissions(0o644))
	if err != nil {
		return 0, fmt.Errorf("exporting %q: %w", dir, err)
	}
	defer func() { err = errors.Join(err, file.Cleanup()) }()
	buffered := bufio.NewWriterSize(file, 1<<20)
	if err := errors.Join(write(buffered, shape, blocks), buffered.Flush()); err != nil {
		return 0, fmt.Errorf("exporting %q: %w", dir, err)
	}
	return shape.Rows, file.CloseAtomicallyReplace()
}
