package datasets

import (
	"context"
	"crypto/sha256"
	"errors"
)

// ErrFormat reports files whose content is not what a reader expects: no IDX, cut short, or no image at all.
var ErrFormat = errors.New("unusable data")

// ErrUnknownSample reports the id of a sample that a data set does not have.
var ErrUnknownSample = errors.New("unknown sample")

// NoLabel is the label of a sample that has none.
const NoLabel int32 = -1

// Dataset is an ordered selection of samples, with labels or without. It is immutable, and safe for concurrent use.
type Dataset interface {
	// Name says in messages which data these are: "mnist/train", or the folder.
	Name() string
	// Len is the number of samples, at least 1.
	Len() int
	// ID is the identity of sample i: its position in the source before any filter, or in all sources together. IDs ascend
	// with i.
	ID(i int) int64
	// Label is the class of sample i, an index into Classes, or NoLabel.
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
	// Skips reports whether on_error says that sample i, which fails with err, is left out.
	Skips(i int, err error) bool
	// Classes is the full list of the source's classes; filters do not renumber it.
	Classes() []string
	// Mixed says that some pictures are gray and others have colour, by their files. The gray ones of such a data set
	// become colour before anything else is done to them.
	Mixed() bool
	// Ledger accounts for all that the source has.
	Ledger() Ledger
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
	// Sums are the SHA-256 of samples by their Rel, if known from a plan. Opening the data set then reads no file, its
	// Fingerprint is empty, and samples that are not in Sums are left out. A file that has changed since fails when it is
	// read.
	Sums map[string][sha256.Size]byte
	// Mixed is what Dataset.Mixed says, if Sums are known: from a plan, too.
	Mixed bool
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
	case kindFiles:
		return openFiles(ctx, src, r)
	case kindCSV:
		return openCSV(ctx, src, r)
	case kindParquet:
		return openParquet(ctx, src, r)
	case kindWebDataset:
		return openWebDataset(ctx, src, r)
	case kindVectors:
		return openVectors(ctx, src)
	default:
		return openFolder(ctx, src, r)
	}
}
