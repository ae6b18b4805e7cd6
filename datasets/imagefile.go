package datasets

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"rkd/datasets/regular"
)

// ErrChanged reports a file whose content is another than when the data set was opened.
var ErrChanged = fmt.Errorf("%w: the file has changed", ErrFormat)

// blob is a run of bytes: a file, a part of one, a value of a table.
type blob interface {
	// open begins to read the bytes, of which there are so many.
	open() (io.ReadSeekCloser, int64, error)
}

// fileBlob is the whole file of a path.
type fileBlob string

func (f fileBlob) open() (io.ReadSeekCloser, int64, error) {
	file, err := regular.Open(string(f))
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

// imageFile is a picture in a file or in a part of one.
type imageFile struct {
	path   string // for messages
	bytes  blob
	sum    [sha256.Size]byte // contentSum of its bytes when the data set was fingerprinted
	budget *Budget
}

// Kind is "an image".
func (imageFile) Kind() string { return "an image" }

// Image reads and decodes the file.
func (f imageFile) Image(ctx context.Context, use func(Image) error) error {
	return f.image(ctx, decode, use)
}

func (f imageFile) image(ctx context.Context, decode func([]byte) (Image, error), use func(Image) error) error {
	file, size, err := f.bytes.open()
	if err != nil {
		return fmt.Errorf("reading image: %w", err)
	}
	defer file.Close()
	release, err := f.reserve(ctx, file, size)
	if err != nil {
		return err
	}
	defer release()
	data := make([]byte, size)
	_, err = io.ReadFull(file, data)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("reading image: %w", err)
	}
	if err != nil || contentSum(data) != f.sum {
		if was, now, ok := decoders(data, f.sum); ok && err == nil {
			return fmt.Errorf("%w in what it decodes to: %q was fingerprinted with decoder %s, and this is %s: use one version "+
				"of rkd, or begin anew", ErrChanged, f.path, was, now)
		}
		return fmt.Errorf("%w: %q is not what was fingerprinted when the data set was opened: leave the data alone while "+
			"they are read",
			ErrChanged, f.path)
	}
	img, err := decode(data)
	if err != nil {
		return fmt.Errorf("%w %q: %w", ErrDecode, f.path, err)
	}
	return use(img)
}

// reserve takes from the budget what decoding the file needs by its header, and leaves the file at its start. A file
// whose header says nothing gets all of the budget: its decoder tells what is wrong.
func (f imageFile) reserve(ctx context.Context, file io.ReadSeeker, bytes int64) (release func(), err error) {
	all := int64(f.budget.limits.DecodeMemory)
	if bytes > all {
		return nil, fmt.Errorf("%w %q: the file has %d bytes, expected at most %d (data.decode_memory)", ErrDecode,
			f.path, bytes, all)
	}
	size, decoder, headerErr := header(file)
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("reading image: %w", err)
	}
	if headerErr != nil {
		return f.budget.take(ctx, all)
	}
	release, err = f.budget.reserve(ctx, size.Height, size.Width, bytes, decoder)
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w %q: %w", ErrDecode, f.path, err)
	}
	return release, err
}

// sumBlob is contentSum of bytes, within the budget. Of those that are more than that, which do not decode, it is the
// plain SHA-256. path is for messages. channels are those of channelsOf.
func sumBlob(ctx context.Context, path string, of blob, b *Budget) (sum [sha256.Size]byte, channels int, err error) {
	f, size, err := of.open()
	if err != nil {
		return sum, 0, err
	}
	defer f.Close()
	if size > int64(b.limits.DecodeMemory) {
		h := sha256.New()
		if _, err := io.Copy(h, f); err != nil {
			return sum, 0, fmt.Errorf("reading %q: %w", path, err)
		}
		h.Sum(sum[:0])
		return sum, 0, nil
	}
	release, err := b.take(ctx, size)
	if err != nil {
		return sum, 0, err
	}
	defer release()
	data := make([]byte, size)
	if _, err := io.ReadFull(f, data); err != nil {
		return sum, 0, fmt.Errorf("reading %q: %w", path, err)
	}
	return contentSum(data), channelsOf(data), nil
}
