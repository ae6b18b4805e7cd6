package datasets

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"rkd/datasets/fault"
)

// ErrFormat reports files whose content is not what a reader expects: no IDX, cut short, or no image at all.
var ErrFormat = errors.New("unusable data")

// ErrUnknownSample reports the id of a sample that a data set does not have.
var ErrUnknownSample = errors.New("unknown sample")

// Dataset is an ordered selection of labelled samples. It is immutable, and safe for concurrent use.
type Dataset interface {
	// Name says in messages which data these are: "mnist/train", or the folder.
	Name() string
	// Len is the number of samples, at least 1.
	Len() int
	// ID is the identity of sample i: its position in the source before any filter. IDs ascend with i.
	ID(i int) int64
	// Label is the class of sample i, an index into Classes.
	Label(i int) int32
	// Path names sample i for messages: a file, followed by "#" and the position for an IDX file.
	Path(i int) string
	// Rel names sample i whatever machine the data are on: the file's path relative to the source, separated by slashes,
	// followed by "#" and the position for an IDX file.
	Rel(i int) string
	// Sum is the SHA-256 of the content of sample i, see Fingerprint.
	Sum(i int) [sha256.Size]byte
	// Sample is sample i. Nothing is read yet.
	Sample(i int) Sample
	// Find is the position of the sample with the given id.
	Find(id int64) (i int, ok bool)
	// Skips reports whether on_error says that a sample which fails with err is left out.
	Skips(err error) bool
	// Classes is the full list of the source's classes; filters do not renumber it.
	Classes() []string
	// Fingerprint is a hexadecimal SHA-256 of what is in the selected samples: id, label, name of the class and content
	// (pixels of an IDX file before compression, bytes of an image file). Paths, dates and compression are not in it.
	Fingerprint() string
}

// Resources are what opening a data set takes from its surroundings.
type Resources struct {
	// CacheDir is the project's cache folder, whose sub-folder mnist holds the four files of MNIST.
	CacheDir string
	// Budget bounds the memory of decoding; nil is a budget of its own with the default limits.
	Budget *Budget
	// Sums are the SHA-256 of a folder's files by their Rel, if known from a plan. Opening the data set then reads no
	// file, its Fingerprint is empty, and files that are not in Sums are left out. A file that has changed since fails
	// when it is read.
	Sums map[string][sha256.Size]byte
}

// Open opens src.
//
// A folder's files are read once to fingerprint them. Errors wrap ErrSource where the configuration is wrong, ErrFormat
// where the content of a file is, and the file system's error (fs.ErrNotExist, for one) where a file cannot be read.
func Open(ctx context.Context, src Source, r Resources) (Dataset, error) {
	if err := src.Validate(); err != nil {
		return nil, err
	}
	if r.Budget == nil {
		r.Budget = NewBudget(Limits{})
	}
	switch src.Kind {
	case kindMNIST:
		return openMNIST(ctx, src, r.CacheDir)
	case kindSample:
		return openSample(ctx, src)
	case kindIDX:
		return openIDX(ctx, src)
	default:
		return openFolder(ctx, src, r)
	}
}

// selection is the part of a Dataset that does not depend on how samples are stored.
type selection struct {
	source      Source
	name        string
	classes     []string
	ids         []int64             // of the selected samples, ascending
	labels      []int32             // of the selected samples
	sums        [][sha256.Size]byte // of the contents of the selected samples
	fingerprint string
}

func (s *selection) Name() string         { return s.name }
func (s *selection) Len() int             { return len(s.ids) }
func (s *selection) ID(i int) int64       { return s.ids[i] }
func (s *selection) Label(i int) int32    { return s.labels[i] }
func (s *selection) Classes() []string    { return s.classes }
func (s *selection) Fingerprint() string  { return s.fingerprint }
func (s *selection) Skips(err error) bool { return s.source.skips(err) }

func (s *selection) Sum(i int) [sha256.Size]byte { return s.sums[i] }

func (s *selection) Find(id int64) (int, bool) { return slices.BinarySearch(s.ids, id) }

// sample is sample i of the given path and content.
func (s *selection) sample(i int, path string, c Content) Sample {
	label := s.labels[i]
	draw := int64(binary.LittleEndian.Uint64(s.sums[i][:]))
	return Sample{ID: s.ids[i], Label: label, Class: s.classes[label], Path: path, Draw: draw, Content: c}
}

// hash sets the fingerprint and the sums that it is made of. content gives the SHA-256 of the content of the i-th
// selected sample and is called from several goroutines; kind says what it hashes, so that no two kinds of content can
// be taken for each other.
func (s *selection) hash(ctx context.Context, kind string, content func(i int) ([sha256.Size]byte, error)) error {
	const chunk = 256 // samples to a goroutine
	sums := make([][sha256.Size]byte, len(s.ids))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for start := 0; start < len(sums); start += chunk {
		group.Go(fault.Guard(func() error {
			for i := start; i < min(start+chunk, len(sums)); i++ {
				if err := ctx.Err(); err != nil {
					return err
				}
				var err error
				if sums[i], err = content(i); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("fingerprinting %s: %w", s.name, err)
	}
	h := sha256.New()
	fmt.Fprintf(h, "rkd data set, version 1, %s\n", kind)
	var record []byte
	for i, sum := range sums {
		class := s.classes[s.labels[i]]
		record = binary.LittleEndian.AppendUint64(record[:0], uint64(s.ids[i]))
		record = binary.LittleEndian.AppendUint32(record, uint32(s.labels[i]))
		record = binary.LittleEndian.AppendUint32(record, uint32(len(class)))
		record = append(record, class...)
		record = append(record, sum[:]...)
		h.Write(record)
	}
	s.fingerprint, s.sums = hex.EncodeToString(h.Sum(nil)), sums
	return nil
}
