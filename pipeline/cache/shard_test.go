package cache

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"rkd/datasets/parquetfile"
)

// TestShardIsOrdinaryParquet reads a shard without this package's reader, and holds its footer against the rules of the
// format for lists.
func TestShardIsOrdinaryParquet(t *testing.T) {
	plan := testPlan(700, 1, 700, 512, 3)
	dir := build(t, plan)
	path := filepath.Join(dir, shardName(1, 0, 1))
	rows, err := parquet.ReadFile[recordLogits](path)
	must(t, err)
	want := expected(plan)
	for i, r := range rows {
		if r.ID != want.IDs[i] || r.View != want.Views[i] || r.Label != want.Labels[i] ||
			!slices.Equal(r.Embedding, want.Embeddings[i*512:(i+1)*512]) ||
			!slices.Equal(r.Logits, want.Logits[i*3:(i+1)*3]) {
			t.Fatalf("row %d differs", i)
		}
	}
	if len(rows) != 700 {
		t.Fatalf("%d rows, want 700", len(rows))
	}

	data, err := os.ReadFile(path)
	must(t, err)
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	must(t, err)
	const schema = `message recordLogits {
	required int64 id (INT(64,true));
	required int32 view (INT(32,true));
	required int32 label (INT(32,true));
	required binary class (STRING);
	required binary path (STRING);
	required fixed_len_byte_array(32) content;
	required binary view_params (STRING);
	required group embedding (LIST) {
		repeated group list {
			required float element;
		}
	}
	required group logits (LIST) {
		repeated group list {
			required float element;
		}
	}
}`
	if diff := cmp.Diff(schema, f.Schema().String()); diff != "" {
		t.Errorf("schema (-want +got):\n%s", diff)
	}
	meta := f.Metadata()
	if meta.CreatedBy != "rkd" || len(meta.RowGroups) != 1 || meta.NumRows != 700 {
		t.Errorf("created by %q, %d row groups, %d rows", meta.CreatedBy, len(meta.RowGroups), meta.NumRows)
	}
	for i, c := range meta.RowGroups[0].Columns {
		if c.MetaData.Codec != format.Uncompressed || !slices.Contains(c.MetaData.Encoding, format.Plain) {
			t.Errorf("column %d: codec %v, encodings %v", i, c.MetaData.Codec, c.MetaData.Encoding)
		}
		for _, p := range f.OffsetIndexes()[i].PageLocations {
			if p.CompressedPageSize > 2*shardPageSize {
				t.Errorf("column %d: a page of %d bytes, want about %d", i, p.CompressedPageSize, shardPageSize)
			}
		}
	}
	if pages := len(f.OffsetIndexes()[7].PageLocations); pages < 2 {
		t.Errorf("%d pages of embeddings, want several", pages)
	}
}

// TestShardReaderRefuses hands the reader Parquet files that are sound, but not as this package writes them.
func TestShardReaderRefuses(t *testing.T) {
	type ragged struct {
		ID        int64     `parquet:"id,plain"`
		View      int32     `parquet:"view,plain"`
		Label     int32     `parquet:"label,plain"`
		Class     string    `parquet:"class,dict"`
		Path      string    `parquet:"path,plain"`
		Content   [32]byte  `parquet:"content,plain"`
		Params    string    `parquet:"view_params,dict"`
		Embedding []float32 `parquet:"embedding,list"`
	}
	header := shardHeader{Header: mustResolve(t, testPlan(2, 1, 2, 3, 0)).header()}
	var sound bytes.Buffer
	rows := embed(mustResolve(t, testPlan(2, 1, 2, 3, 0)).all(), 3, 0)
	must(t, encodeShard(&sound, header, oneBlock(rows)))
	meta := func() string {
		f, err := parquet.OpenFile(bytes.NewReader(sound.Bytes()), int64(sound.Len()))
		must(t, err)
		v, _ := f.Lookup(metadataKey)
		return v
	}()
	write := func(options []parquet.WriterOption, lists ...[]float32) []byte {
		var b bytes.Buffer
		w := parquet.NewGenericWriter[ragged](&b, options...)
		for i, list := range lists {
			_, err := w.Write([]ragged{{ID: int64(i), Embedding: list}})
			must(t, err)
		}
		must(t, w.Close())
		return b.Bytes()
	}
	kv := parquet.KeyValueMetadata(metadataKey, meta)
	for _, tt := range []struct {
		name string
		data []byte
		text string
	}{
		{
			"rows of different widths", write([]parquet.WriterOption{kv}, []float32{1, 2}, []float32{1, 2, 3, 4}),
			"not a list of 3",
		},
		{"an empty list", write([]parquet.WriterOption{kv}, []float32{1, 2, 3}, nil), "rows of 3"},
		{"no header", write(nil, []float32{1, 2, 3}), `no "rkd" metadata`},
		{
			"a header of no JSON", write([]parquet.WriterOption{parquet.KeyValueMetadata(metadataKey, "?")}),
			"invalid character",
		},
		{"compression", write([]parquet.WriterOption{kv, parquet.Compression(&parquet.Snappy)},
			[]float32{1, 2, 3}), "compressed"},
		{"nothing", nil, "12 or more"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := readAll(t, tt.data)
			if err == nil || !bytes.Contains([]byte(err.Error()), []byte(tt.text)) {
				t.Errorf("error %v, want one about %q", err, tt.text)
			}
		})
	}
	if err := readAll(t, sound.Bytes()); err != nil {
		t.Errorf("a sound shard: %v", err)
	}
}

func mustResolve(t testing.TB, p Plan) Plan {
	t.Helper()
	p, err := p.resolved()
	must(t, err)
	return p
}

// readAll reads a shard as Load does, but from memory and without a manifest.
func readAll(t testing.TB, data []byte) error {
	return parquetfile.Guard(func() error {
		r := bytes.NewReader(data)
		s, err := openShard(r, r.Size())
		if err != nil {
			return err
		}
		return s.read(t.Context(), s.rows, newRows(s.rows, s.Dim, s.LogitsDim))
	})
}

func FuzzShard(f *testing.F) {
	for _, plan := range []Plan{testPlan(3, 1, 9, 2, 0), testPlan(3, 2, 9, 1, 2)} {
		plan = mustResolve(f, plan)
		var b bytes.Buffer
		must(f, encodeShard(&b, shardHeader{Header: plan.header()}, oneBlock(embed(plan.all(), plan.Dim, plan.LogitsDim))))
		f.Add(b.Bytes())
		f.Add(b.Bytes()[:b.Len()/2])
	}
	f.Add([]byte("PAR1PAR1PAR1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = readAll(t, data) // any error will do; a panic or memory without bounds will not
	})
}

func FuzzManifest(f *testing.F) {
	golden, err := os.ReadFile(filepath.Join("testdata", "manifest.golden"))
	must(f, err)
	f.Add(golden)
	f.Add(golden[:len(golden)/2])
	f.Add([]byte(`{"format_version": 2}`))
	f.Add([]byte(`{"format_version": 1, "shards": []}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseManifest(data)
		if err != nil {
			return
		}
		again, err := m.encode()
		if err != nil || !bytes.Equal(again, data) {
			t.Errorf("accepted bytes that it does not write: %v", err)
		}
	})
}
