package cache

import (
	"encoding/json"
	"io"
	"iter"

	"github.com/parquet-go/parquet-go"
)

const (
	createdBy     = "rkd" // neither version nor date: bytes must not depend on who wrote them, or when
	metadataKey   = "rkd" // of the shardHeader among a Parquet file's key-value metadata
	shardPageSize = 1 << 20
	blockBytes    = 32 << 20 // of embeddings and logits in a row group, or in memory while a shard is filled
	chunkRows     = 64       // pages are cut between chunks, so that the bytes do not depend on how rows arrive
)

// shardHeader is the JSON that a shard carries in its footer.
type shardHeader struct {
	Header
	Shard int `json:"shard"`
}

// rowsPerBlock is the number of rows of a row group, and of those in memory while a shard is filled.
func (h Header) rowsPerBlock() int { return max(1, blockBytes/4/(h.Dim+h.LogitsDim)) }

// leastBytes is a number of bytes that a row takes at least, whatever is in it: what a file promises is held against it
// before memory is set aside.
func (h Header) leastBytes() int64 {
	switch {
	case h.Key.DType == Float32:
		return 4 * int64(h.Dim+h.LogitsDim)
	case h.FormatVersion == 1:
		return 4
	}
	return 40 // content and id, which are never compressed
}

// blocks are rows of a shard, some at a time. The memory of a block stays its own.
type blocks = iter.Seq2[Rows, error]

// oneBlock is rows that are in memory.
func oneBlock(rows Rows) blocks {
	return func(yield func(Rows, error) bool) { yield(rows, nil) }
}

// encodeShard writes rows as a Parquet file, in the layout of the header's type. The bytes depend on h and the rows
// alone, not on how they are cut into blocks. No more than a block and a row group are in memory.
func encodeShard(w io.Writer, h shardHeader, rows blocks) error {
	logits := h.LogitsDim > 0
	switch {
	case h.Key.DType == Int8 && logits:
		return encodeRecords(w, h, rows, func(r *Rows, i int, row *rowBuffer) recordInt8Logits {
			scale, q := row.int8(r, i)
			return recordInt8Logits{row.packed(r, i), scale, q, r.logits(i, h)}
		})
	case h.Key.DType == Int8:
		return encodeRecords(w, h, rows, func(r *Rows, i int, row *rowBuffer) recordInt8 {
			scale, q := row.int8(r, i)
			return recordInt8{row.packed(r, i), scale, q}
		})
	case h.Key.DType != Float32 && logits:
		return encodeRecords(w, h, rows, func(r *Rows, i int, row *rowBuffer) recordPackedLogits {
			return recordPackedLogits{row.packed(r, i), row.rounded(r, i), r.logits(i, h)}
		})
	case h.Key.DType != Float32:
		return encodeRecords(w, h, rows, func(r *Rows, i int, row *rowBuffer) recordPacked {
			return recordPacked{row.packed(r, i), row.rounded(r, i)}
		})
	case logits:
		return encodeRecords(w, h, rows, func(r *Rows, i int, _ *rowBuffer) recordLogits {
			a := r.About[i]
			return recordLogits{
				r.IDs[i], r.Views[i], r.Labels[i], a.Class, a.Path, a.Content, a.Params, r.embedding(i, h), r.logits(i, h),
			}
		})
	}
	return encodeRecords(w, h, rows, func(r *Rows, i int, _ *rowBuffer) record {
		a := r.About[i]
		return record{r.IDs[i], r.Views[i], r.Labels[i], a.Class, a.Path, a.Content, a.Params, r.embedding(i, h)}
	})
}

func (r *Rows) embedding(i int, h shardHeader) []float32 { return r.Embeddings[i*h.Dim : (i+1)*h.Dim] }

func (r *Rows) logits(i int, h shardHeader) []float32 {
	return r.Logits[i*h.LogitsDim : (i+1)*h.LogitsDim]
}

// rowBuffer holds the stored form of a row until the chunk that it is in is written.
type rowBuffer struct {
	h      shardHeader
	floats []float32 // (D)
	bytes  []int8    // (D)
}

func (b *rowBuffer) packed(r *Rows, i int) packed {
	a := r.About[i]
	return packed{r.IDs[i], r.Views[i], r.Labels[i], a.Class, a.Path, a.Content, a.Params}
}

// rounded returns a row's embedding as float16 or bfloat16.
func (b *rowBuffer) rounded(r *Rows, i int) []float32 {
	b.floats = append(b.floats[:0], r.embedding(i, b.h)...)
	quantize(b.h.Key.DType, b.floats, b.h.Dim, nil)
	return b.floats
}

// int8 returns a row's embedding as int8. Rows that were read from a shard have a scale, which makes the same of them
// again.
func (b *rowBuffer) int8(r *Rows, i int) (scale float32, q []int8) {
	row := r.embedding(i, b.h)
	if r.Scales != nil {
		scale = r.Scales[i]
	} else {
		scale = Int8Scale(row)
	}
	b.bytes = b.bytes[:0]
	for _, v := range row {
		b.bytes = append(b.bytes, QuantizeInt8(v, scale))
	}
	return scale, b.bytes
}

func encodeRecords[T any](w io.Writer, h shardHeader, rows blocks, record func(*Rows, int, *rowBuffer) T) error {
	meta, err := json.Marshal(h)
	if err != nil {
		return err
	}
	config, err := writerConfig(string(meta), int64(h.rowsPerBlock()))
	if err != nil {
		return err
	}
	out := parquet.NewGenericWriter[T](w, config)
	for name, text := range h.about() {
		out.SetKeyValueMetadata(name, text)
	}
	chunk := make([]T, 0, chunkRows) // its last rows may be those of the block before
	buffers := make([]rowBuffer, chunkRows)
	for block, err := range rows {
		if err != nil {
			return err
		}
		for i := range block.IDs {
			buffer := &buffers[len(chunk)]
			buffer.h = h
			if chunk = append(chunk, record(&block, i, buffer)); len(chunk) < chunkRows {
				continue
			}
			if _, err := out.Write(chunk); err != nil {
				return err
			}
			chunk = chunk[:0]
		}
	}
	if _, err := out.Write(chunk); err != nil {
		return err
	}
	return out.Close()
}

// writerConfig is what all Parquet files of a cache have in common; meta, where there is some, goes into the footer.
func writerConfig(meta string, rowsPerGroup int64) (*parquet.WriterConfig, error) {
	options := []parquet.WriterOption{
		parquet.PageBufferSize(shardPageSize),
		parquet.WriteBufferSize(shardPageSize),
		parquet.MaxRowsPerRowGroup(rowsPerGroup),
		parquet.Compression(&parquet.Uncompressed),
	}
	if meta != "" {
		options = append(options, parquet.KeyValueMetadata(metadataKey, meta))
	}
	config, err := parquet.NewWriterConfig(options...)
	if err != nil {
		return nil, err
	}
	config.CreatedBy = createdBy // the option of this name would add a version and a build
	return config, nil
}
