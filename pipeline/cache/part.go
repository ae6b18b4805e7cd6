package cache

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"rkd/datasets/memory"
	"rkd/pipeline/storage"
)

// A part holds rows [from, to) of a shard while that is unfinished, so that an interruption costs a minute and not a
// shard. It is
//
//	magic, plan's SHA-256 of samples, plan, shard, from, to, D, C    8 + 32 + 6·4 bytes
//	a bit for each row, 1 where it is present
//	embeddings (n,D) and logits (n,C) of the n present rows, float32
//	SHA-256 of all of this
//
// in little-endian order. Its bytes are a function of plan, shard, from and to.
const partMagic = "RKDPART2"

const partHead = len(partMagic) + sha256.Size + 6*4

// part is rows [from, to) of a shard: which of those that are planned are present, and what a model said of them.
type part struct {
	from, to   int
	present    []bool    // (to−from)
	embeddings []float32 // (n,D)
	logits     []float32 // (n,C)
	scales     []float32 // (n), of rows that were int8 before; never on disk
}

func (h shardHeader) partHead(from, to int) []byte {
	head := []byte(partMagic)
	samples, _ := hex.DecodeString(h.Samples) // checked by validate
	head = append(head, samples...)
	for _, v := range []int{h.Plan, h.Shard, from, to, h.Dim, h.LogitsDim} {
		head = binary.LittleEndian.AppendUint32(head, uint32(v))
	}
	return head
}

// writePart writes a part.
func writePart(ctx context.Context, store Store, h shardHeader, p part) error {
	name := partName(shardName(h.Plan, h.Shard, h.ShardCount), p.from, p.to)
	err := store.Replace(ctx, name, func(w io.Writer) error {
		d := newDigest()
		out := io.MultiWriter(w, d)
		bits := make([]byte, (len(p.present)+7)/8)
		for i, ok := range p.present {
			if ok {
				bits[i/8] |= 1 << (i % 8)
			}
		}
		if _, err := out.Write(append(h.partHead(p.from, p.to), bits...)); err != nil {
			return err
		}
		buf := make([]byte, 0, 1<<16)
		for _, values := range [][]float32{p.embeddings, p.logits} {
			for run := range slices.Chunk(values, cap(buf)/4) {
				buf = buf[:0]
				for _, v := range run {
					buf, _ = binary.Append(buf, binary.LittleEndian, v)
				}
				if _, err := out.Write(buf); err != nil {
					return err
				}
			}
		}
		_, err := w.Write(d.Sum(nil))
		return err
	})
	if err != nil {
		return fmt.Errorf("keeping rows in %q: %w", store.Path(name), err)
	}
	return nil
}

// readPart reads rows [from, to) of a shard, or says why the file is not what it should be.
func readPart(ctx context.Context, store Store, h shardHeader, from, to int) (part, error) {
	p := part{from: from, to: to, present: make([]bool, to-from)}
	bits := (to - from + 7) / 8
	largest := partHead + bits + 4*(to-from)*(h.Dim+h.LogitsDim) + sha256.Size
	data, err := storage.ReadFile(ctx, store, partName(shardName(h.Plan, h.Shard, h.ShardCount), from, to), int64(largest))
	if err != nil {
		return p, err
	}
	if len(data) < partHead+bits+sha256.Size || !bytes.Equal(data[:partHead], h.partHead(from, to)) {
		return p, errors.New("it is not a part of this shard")
	}
	body := data[:len(data)-sha256.Size]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], data[len(body):]) {
		return p, errors.New("its SHA-256 does not fit")
	}
	n := 0
	for i := range p.present {
		p.present[i] = body[partHead+i/8]>>(i%8)&1 == 1
		if p.present[i] {
			n++
		}
	}
	values := body[partHead+bits:]
	if len(values) != 4*n*(h.Dim+h.LogitsDim) {
		return p, fmt.Errorf("%d bytes of values for %d rows", len(values), n)
	}
	p.embeddings, p.logits = memory.Make[float32](n*h.Dim), memory.Make[float32](n*h.LogitsDim)
	for _, dst := range [][]float32{p.embeddings, p.logits} {
		used, err := binary.Decode(values, binary.LittleEndian, dst)
		if err != nil {
			return p, err
		}
		values = values[used:]
	}
	return p, nil
}

// partSpans returns the spans of the parts among names, by their shards' names.
func partSpans(names []string) map[string][][2]int {
	spans := map[string][][2]int{}
	for _, name := range names {
		if shard, from, to, ok := parsePart(name); ok {
			spans[shard] = append(spans[shard], [2]int{from, to})
		}
	}
	return spans
}

// chain returns those spans that cover rows from the first on without a gap.
func chain(spans [][2]int) [][2]int {
	// Of two that begin at one row the longer one comes first.
	slices.SortFunc(spans, func(a, b [2]int) int {
		if a[0] != b[0] {
			return a[0] - b[0]
		}
		return b[1] - a[1]
	})
	var chain [][2]int
	next := 0
	for _, p := range spans {
		if p[0] == next {
			chain = append(chain, p)
			next = p[1]
		}
	}
	return chain
}
