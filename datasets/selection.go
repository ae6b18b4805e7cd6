package datasets

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"rkd/datasets/fault"
)

// selection is the part of a Dataset that does not depend on how samples are stored.
type selection struct {
	source      Source
	name        string
	classes     []string
	total       int                 // samples of the source before any filter: ids are below it
	ids         []int64             // of the selected samples, ascending
	labels      []int32             // of the selected samples
	sums        [][sha256.Size]byte // of the contents of the selected samples
	fingerprint string
	ledger      Ledger
	// Some pictures are gray, some have colour; both where the data set is mixed.
	gray, color bool
}

func (s *selection) Name() string        { return s.name }
func (s *selection) Len() int            { return len(s.ids) }
func (s *selection) ID(i int) int64      { return s.ids[i] }
func (s *selection) Label(i int) int32   { return s.labels[i] }
func (s *selection) Classes() []string   { return s.classes }
func (s *selection) Fingerprint() string { return s.fingerprint }
func (s *selection) Mixed() bool         { return s.gray && s.color }

func (s *selection) Skips(_ int, err error) bool { return s.source.skips(err) }

func (s *selection) Sum(i int) [sha256.Size]byte { return s.sums[i] }

func (s *selection) Find(id int64) (int, bool) { return slices.BinarySearch(s.ids, id) }

// Ledger accounts for what the source has.
func (s *selection) Ledger() Ledger {
	l := s.ledger
	l.Taken = len(s.ids)
	return l
}

// all is the selection itself, for those who hold one in a Dataset.
func (s *selection) all() *selection { return s }

// sample is sample i of the given path and content.
func (s *selection) sample(i int, path string, c Content) Sample {
	draw := int64(binary.LittleEndian.Uint64(s.sums[i][:]))
	if picture, ok := c.(Picture); ok && s.Mixed() {
		c = amongColor{picture}
	}
	return Sample{
		ID: s.ids[i], Label: s.labels[i], Class: ClassName(s.classes, s.labels[i]), Path: path, Draw: draw, Content: c,
	}
}

// ClassName is the name of a label's class, empty for NoLabel.
func ClassName(classes []string, label int32) string {
	if label == NoLabel {
		return ""
	}
	return classes[label]
}

// finish sets the sums and the fingerprint that is made of them. content gives the SHA-256 of the content of the sample
// with an id, and the channels of a picture, 0 where that is unknown; it is called from several goroutines. kind says
// what it hashes, so that no two kinds of content can be taken for each other. Where r has sums, they are taken, and
// samples without one left out; rel names a sample there.
func (s *selection) finish(ctx context.Context, r Resources, kind string, rel func(id int64) string,
	content func(id int64) (sum [sha256.Size]byte, channels int, err error),
) error {
	if r.Sums != nil {
		s.gray, s.color = r.Mixed, r.Mixed
		kept := 0
		for i, id := range s.ids {
			if sum, ok := r.Sums[rel(id)]; ok {
				s.ids[kept], s.labels[kept], s.sums = id, s.labels[i], append(s.sums, sum)
				kept++
			}
		}
		s.ids, s.labels = s.ids[:kept], s.labels[:kept]
		return nil
	}
	const chunk = 256 // samples to a goroutine
	sums, channels := make([][sha256.Size]byte, len(s.ids)), make([]int8, len(s.ids))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for start := 0; start < len(sums); start += chunk {
		group.Go(fault.Guard(func() error {
			for i := start; i < min(start+chunk, len(sums)); i++ {
				if err := ctx.Err(); err != nil {
					return err
				}
				sum, of, err := content(s.ids[i])
				if err != nil {
					return err
				}
				sums[i], channels[i] = sum, int8(of)
			}
			return nil
		}))
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("fingerprinting %s: %w", s.name, err)
	}
	s.sums = sums
	s.gray, s.color = slices.Contains(channels, 1), slices.Contains(channels, 3)
	if s.source.OnDuplicate == onDuplicateDrop {
		s.dropDuplicates()
	}
	s.fingerprint = s.hash(kind)
	return nil
}

// dropDuplicates leaves out samples whose content and label an earlier one has.
func (s *selection) dropDuplicates() {
	type same struct {
		sum   [sha256.Size]byte
		label int32
	}
	seen, kept := map[same]bool{}, 0
	for i, sum := range s.sums {
		key := same{sum, s.labels[i]}
		if seen[key] {
			s.ledger.Duplicates++
			continue
		}
		seen[key] = true
		s.ids[kept], s.labels[kept], s.sums[kept] = s.ids[i], s.labels[i], sum
		kept++
	}
	s.ids, s.labels, s.sums = s.ids[:kept], s.labels[:kept], s.sums[:kept]
}

// hash is the fingerprint of the samples.
func (s *selection) hash(kind string) string {
	h := sha256.New()
	fmt.Fprintf(h, "rkd data set, version 1, %s\n", kind)
	var record []byte
	for i, sum := range s.sums {
		class := ClassName(s.classes, s.labels[i])
		record = binary.LittleEndian.AppendUint64(record[:0], uint64(s.ids[i]))
		record = binary.LittleEndian.AppendUint32(record, uint32(s.labels[i]))
		record = binary.LittleEndian.AppendUint32(record, uint32(len(class)))
		record = append(record, class...)
		record = append(record, sum[:]...)
		h.Write(record)
	}
	return hex.EncodeToString(h.Sum(nil))
}
