package cache

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/parquet-go/parquet-go"
)

// maxListed is the largest number of shards that a manifest lists itself; more are in a Parquet file beside it, half as
// large and read in a tenth of the time.
var maxListed = 10_000

// shardRecord is a row of that file: a shard of the manifest, in its order.
type shardRecord struct {
	File    string   `parquet:"file,zstd"`
	Rows    int64    `parquet:"rows,plain"`
	FirstID int64    `parquet:"first_id,plain"`
	LastID  int64    `parquet:"last_id,plain"`
	Bytes   int64    `parquet:"bytes,plain"`
	SHA256  [32]byte `parquet:"sha256,plain"`
}

// writeTable writes the shards of a manifest into a file of their own where they are too many for it.
func (m *Manifest) writeTable(ctx context.Context, store Store) error {
	m.Table = nil
	if len(m.Shards) <= maxListed {
		return nil
	}
	d := newDigest()
	if err := encodeShardTable(d, m.Shards); err != nil {
		return err
	}
	m.Table = &ContentFile{File: contentName(d.hex(), tableSuffix), Bytes: d.bytes, SHA256: d.hex()}
	write := func(out io.Writer) error { return encodeShardTable(out, m.Shards) }
	if err := store.Create(ctx, m.Table.File, write); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("writing %q: %w", store.Path(m.Table.File), err)
	}
	return nil
}

func encodeShardTable(w io.Writer, shards []Shard) error {
	config, err := writerConfig("", samplesPerGroup)
	if err != nil {
		return err
	}
	out := parquet.NewGenericWriter[shardRecord](w, config)
	records := make([]shardRecord, 0, samplesPerChunk)
	for chunk := range slices.Chunk(shards, samplesPerChunk) {
		records = records[:0]
		for _, s := range chunk {
			r := shardRecord{s.File, int64(s.Rows), s.FirstID, s.LastID, s.Bytes, [32]byte{}}
			if _, err := hex.Decode(r.SHA256[:], []byte(s.SHA256)); err != nil {
				return err
			}
			records = append(records, r)
		}
		if _, err := out.Write(records); err != nil {
			return err
		}
	}
	return out.Close()
}

// readTable reads the shards of a manifest that does not list them itself. The file's bytes are held against their
// SHA-256 first.
func (m *Manifest) readTable(ctx context.Context, store Store) error {
	return withFile(ctx, store, m.Table.File, func(f File) error {
		want := Shard{Bytes: m.Table.Bytes, SHA256: m.Table.SHA256}
		if err := want.checkBytes(ctx, f, newDigest()); err != nil {
			return err
		}
		var err error
		if m.Shards, err = parseShardTable(ctx, f, f.Size()); err != nil {
			return err
		}
		return m.validateShards()
	})
}

// parseShardTable reads a table of shards of size bytes. It may panic on hostile bytes; see parquetfile.Guard.
func parseShardTable(ctx context.Context, r io.ReaderAt, size int64) (shards []Shard, err error) {
	file, err := openParquet(r, size)
	if err != nil {
		return nil, err
	}
	rows := file.NumRows()
	if !parquet.EqualNodes(file.Schema(), parquet.SchemaOf(shardRecord{})) || rows < 0 || rows > size/32 {
		return nil, fmt.Errorf("it is no table of %d shards", rows)
	}
	reader := parquet.NewGenericReader[shardRecord](file)
	defer func() { err = errors.Join(err, reader.Close()) }()
	shards = make([]Shard, 0, rows)
	records := make([]shardRecord, samplesPerChunk)
	for int64(len(shards)) < rows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, err := reader.Read(records)
		for _, r := range records[:n] {
			shards = append(shards, Shard{r.File, int(r.Rows), r.FirstID, r.LastID, r.Bytes, hex.EncodeToString(r.SHA256[:])})
		}
		if err != nil && int64(len(shards)) < rows {
			return nil, err
		}
	}
	return shards, nil
}
