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

// record and recordLogits are the rows of a shard as parquet-go sees them. The lists are required, with required
// elements, in the three levels that the format prescribes.
type record struct {
	ID        int64     `parquet:"id,plain"`
	View      int32     `parquet:"view,plain"`
	Label     int32     `parquet:"label,plain"`
	Class     string    `parquet:"class,dict"`
	Path      string    `parquet:"path,plain"`
	Content   [32]byte  `parquet:"content,plain"`
	Params    string    `parquet:"view_params,dict"`
	Embedding []float32 `parquet:"embedding,list"`
}

type recordLogits struct {
	ID        int64     `parquet:"id,plain"`
	View      int32     `parquet:"view,plain"`
	Label     int32     `parquet:"label,plain"`
	Class     string    `parquet:"class,dict"`
	Path      string    `parquet:"path,plain"`
	Content   [32]byte  `parquet:"content,plain"`
	Params    string    `parquet:"view_params,dict"`
	Embedding []float32 `parquet:"embedding,list"`
	Logits    []float32 `parquet:"logits,list"`
}

// blocks are rows of a shard, some at a time. The memory of a block stays its own.
type blocks = iter.Seq2[Rows, error]

// oneBlock is rows that are in memory.
func oneBlock(rows Rows) blocks {
	return func(yield func(Rows, error) bool) { yield(rows, nil) }
}

// encodeShard writes rows as a Parquet file, plain and uncompressed. The bytes depend on h and the rows alone, not on
// how they are cut into blocks. No more than a block and a row group are in memory.
func encodeShard(w io.Writer, h shardHeader, rows blocks) error {
	if h.LogitsDim == 0 {
		return encodeRecords(w, h, rows, func(r *Rows, i int) record {
			a := r.About[i]
			return record{
				r.IDs[i], r.Views[i], r.Labels[i], a.Class, a.Path, a.Content, a.Params, r.Embeddings[i*h.Dim : (i+1)*h.Dim],
			}
		})
	}
	return encodeRecords(w, h, rows, func(r *Rows, i int) recordLogits {
		a := r.About[i]
		return recordLogits{
			r.IDs[i], r.Views[i], r.Labels[i], a.Class, a.Path, a.Content, a.Params, r.Embeddings[i*h.Dim : (i+1)*h.Dim],
			r.Logits[i*h.LogitsDim : (i+1)*h.LogitsDim],
		}
	})
}

func encodeRecords[T any](w io.Writer, h shardHeader, rows blocks, record func(*Rows, int) T) error {
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
	for block, err := range rows {
		if err != nil {
			return err
		}
		for i := range block.IDs {
			if chunk = append(chunk, record(&block, i)); len(chunk) < chunkRows {
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
