package exchange

import (
	"bufio"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// Block is a run of rows to write. Logits may be nil.
type Block struct {
	IDs        []int64
	Views      []int32
	Labels     []int32
	Classes    []string
	Paths      []string
	Embeddings []float32 // (R,D)
	Logits     []float32 // (R,C)
}

// Blocks are rows to write, some at a time.
type Blocks = iter.Seq2[*Block, error]

// Shape is what is known of rows before they come.
type Shape struct{ Rows, Dim, LogitsDim int }

type about struct {
	ID    int64  `parquet:"id"`
	View  int32  `parquet:"view"`
	Label int32  `parquet:"label"`
	Class string `parquet:"class,dict"`
	Path  string `parquet:"image_path"`
}

type withVector struct {
	about
	Embedding []float32 `parquet:"embedding,list"`
}

type withLogits struct {
	about
	Embedding []float32 `parquet:"embedding,list"`
	Logits    []float32 `parquet:"logits,list"`
}

func (b *Block) about(i int) about {
	return about{b.IDs[i], b.Views[i], b.Labels[i], b.Classes[i], b.Paths[i]}
}

func (b *Block) embedding(i, dim int) []float32 { return b.Embeddings[i*dim : (i+1)*dim] }

func (b *Block) logits(i, dim int) []float32 { return b.Logits[i*dim : (i+1)*dim] }

// WriteParquet writes rows as one table: id, view, label, class, image_path, embedding and, where there are some,
// logits.
func WriteParquet(w io.Writer, s Shape, rows Blocks) error {
	if s.LogitsDim > 0 {
		return writeTable(w, rows, func(b *Block, i int) withLogits {
			return withLogits{b.about(i), b.embedding(i, s.Dim), b.logits(i, s.LogitsDim)}
		})
	}
	return writeTable(w, rows, func(b *Block, i int) withVector { return withVector{b.about(i), b.embedding(i, s.Dim)} })
}

func writeTable[T any](w io.Writer, rows Blocks, row func(*Block, int) T) error {
	out := parquet.NewGenericWriter[T](w, parquet.Compression(&parquet.Zstd), parquet.MaxRowsPerRowGroup(1<<14))
	for b, err := range rows {
		if err != nil {
			return err
		}
		records := make([]T, len(b.IDs))
		for i := range records {
			records[i] = row(b, i)
		}
		if _, err := out.Write(records); err != nil {
			return err
		}
	}
	return out.Close()
}

// WriteCSV writes rows as text: id, view, label, class, path, then a number a column, e0 and so on, and logits as l0
// and so on. Numbers have as many digits as bring the float32 back.
func WriteCSV(w io.Writer, s Shape, rows Blocks) error {
	out := csv.NewWriter(w)
	record := []string{"id", "view", "label", "class", "path"}
	for i := range s.Dim {
		record = append(record, fmt.Sprintf("e%d", i))
	}
	for i := range s.LogitsDim {
		record = append(record, fmt.Sprintf("l%d", i))
	}
	if err := out.Write(record); err != nil {
		return err
	}
	for b, err := range rows {
		if err != nil {
			return err
		}
		for i := range b.IDs {
			record = append(record[:0], strconv.FormatInt(b.IDs[i], 10), strconv.Itoa(int(b.Views[i])),
				strconv.Itoa(int(b.Labels[i])), b.Classes[i], b.Paths[i])
			for _, v := range b.embedding(i, s.Dim) {
				record = append(record, strconv.FormatFloat(float64(v), 'g', -1, 32))
			}
			if s.LogitsDim > 0 {
				for _, v := range b.logits(i, s.LogitsDim) {
					record = append(record, strconv.FormatFloat(float64(v), 'g', -1, 32))
				}
			}
			if err := out.Write(record); err != nil {
				return err
			}
		}
	}
	out.Flush()
	return out.Error()
}

// WriteFolder writes rows as a folder of clip-retrieval: img_emb/img_emb_0.npy, (N,D) of float32, and
// metadata/metadata_0.parquet, and logits as logits/logits_0.npy.
func WriteFolder(dir string, s Shape, rows Blocks) (err error) {
	var files []*os.File
	defer func() {
		for _, f := range files {
			err = errors.Join(err, f.Close())
		}
	}()
	open := func(folder, name string) (*os.File, error) {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			return nil, err
		}
		f, err := os.Create(filepath.Join(dir, folder, name))
		if err == nil {
			files = append(files, f)
		}
		return f, err
	}
	embeddings, err := open("img_emb", "img_emb_0.npy")
	if err != nil {
		return err
	}
	table, err := open("metadata", "metadata_0.parquet")
	if err != nil {
		return err
	}
	matrices := []*matrix{newMatrix(embeddings, s.Rows, s.Dim)}
	if s.LogitsDim > 0 {
		logits, err := open("logits", "logits_0.npy")
		if err != nil {
			return err
		}
		matrices = append(matrices, newMatrix(logits, s.Rows, s.LogitsDim))
	}
	err = writeTable(table, func(yield func(*Block, error) bool) {
		for b, err := range rows {
			if err == nil {
				matrices[0].add(b.Embeddings)
				if len(matrices) > 1 {
					matrices[1].add(b.Logits)
				}
			}
			if !yield(b, err) {
				return
			}
		}
	}, func(b *Block, i int) about { return b.about(i) })
	for _, m := range matrices {
		err = errors.Join(err, m.finish())
	}
	return err
}

// matrix writes a matrix of NumPy's row by row.
type matrix struct {
	out *bufio.Writer // keeps the first error
}

func newMatrix(w io.Writer, rows, cols int) *matrix {
	m := &matrix{bufio.NewWriterSize(w, 1<<20)}
	head := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", rows, cols)
	const fixed = 10 // bytes before the head
	head += strings.Repeat(" ", 63-(fixed+len(head))%64) + "\n"
	_, _ = m.out.WriteString("\x93NUMPY\x01\x00")
	_ = binary.Write(m.out, binary.LittleEndian, uint16(len(head)))
	_, _ = m.out.WriteString(head)
	return m
}

func (m *matrix) add(values []float32) { _ = binary.Write(m.out, binary.LittleEndian, values) }

func (m *matrix) finish() error { return m.out.Flush() }
