package datasets

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/dustin/go-humanize"
	"go.yaml.in/yaml/v3"
	"golang.org/x/sync/semaphore"

	"rkd/datasets/memory"
)

// ErrLimits reports limits that are configured wrongly.
var ErrLimits = errors.New("limits")

// Limits bound the memory that reading data takes, whatever the headers of files claim. 0 stands for a field's default.
type Limits struct {
	// MaxPixels is the largest height × width of a picture that is decoded; a larger one is ErrDecode before memory is
	// asked for. The default, 89,478,485, is Pillow's Image.MAX_IMAGE_PIXELS, above which Pillow warns of a decompression
	// bomb. Deviation: Pillow refuses only twice as many.
	MaxPixels int `yaml:"max_pixels,omitempty" within:"[1,1099511627776]"`
	// DecodeMemory is the memory of all pictures that are being decoded and preprocessed at a time; default 2 GiB. A
	// decoder that would exceed it waits for the others, and a picture that alone exceeds it is ErrDecode.
	DecodeMemory Bytes `yaml:"decode_memory,omitempty" within:"[1,1125899906842624]"`
	// KeepMemory is the memory for preprocessed training samples, 8-bit; default 1 GiB. Those beyond it are kept in a
	// scratch file.
	KeepMemory Bytes `yaml:"keep_memory,omitempty" within:"[1,1125899906842624]"`
	// ScratchDir is the folder of that file; the run directory by default.
	ScratchDir string `yaml:"scratch_dir,omitempty" path:"true"`
}

const (
	defaultMaxPixels    = 89_478_485
	defaultDecodeMemory = 2 << 30
	defaultKeepMemory   = 1 << 30

	// preparedBytes is what preprocessing takes beside the decoded picture, for each of its pixels: a copy that is turned
	// upright, and one that is cropped or recoloured.
	preparedBytes = 6
)

// Validate checks every field. Its errors wrap ErrLimits.
func (l Limits) Validate() error {
	switch {
	case l.MaxPixels < 0 || l.MaxPixels > maxPixels:
		return fmt.Errorf("%w: max_pixels is %d, expected 1 to %d", ErrLimits, l.MaxPixels, maxPixels)
	case l.DecodeMemory < 0:
		return fmt.Errorf("%w: decode_memory is %d, expected a number of bytes", ErrLimits, l.DecodeMemory)
	case l.KeepMemory < 0:
		return fmt.Errorf("%w: keep_memory is %d, expected a number of bytes", ErrLimits, l.KeepMemory)
	}
	return nil
}

// Resolved returns l with its defaults written out.
func (l Limits) Resolved() Limits {
	if l.MaxPixels == 0 {
		l.MaxPixels = defaultMaxPixels
	}
	if l.DecodeMemory == 0 {
		l.DecodeMemory = defaultDecodeMemory
	}
	if l.KeepMemory == 0 {
		l.KeepMemory = defaultKeepMemory
	}
	return l
}

// Keep is where training samples are kept: in so much memory, of which used is taken, and in ScratchDir or else dir.
func (l Limits) Keep(used int64, dir string, warn func(error)) Keep {
	l = l.Resolved()
	if l.ScratchDir != "" {
		dir = l.ScratchDir
	}
	room := min(int64(l.KeepMemory), memory.Free()/4) // what is kept only saves time
	return Keep{Memory: max(0, room-used), Dir: dir, Warn: warn}
}

// Bytes is a number of bytes. In YAML it is a whole number, or a text with a unit: "512 MiB", "2GB".
type Bytes int64

// UnmarshalYAML reads a number or a text.
func (b *Bytes) UnmarshalYAML(node *yaml.Node) error {
	n, err := humanize.ParseBytes(node.Value)
	if node.Kind != yaml.ScalarNode || err != nil || n > math.MaxInt64 {
		return fmt.Errorf("line %d: size in bytes is %s, expected %s", node.Line, describe(node), b.Expects())
	}
	*b = Bytes(n)
	return nil
}

// Expects says in messages what UnmarshalYAML reads.
func (*Bytes) Expects() string { return `a number of bytes, or one with a unit such as "512 MiB"` }

// Budget shares out the memory of decoding among all data sets that are opened with it.
type Budget struct {
	limits Limits // filled in
	free   *semaphore.Weighted
}

// NewBudget returns the budget of a configuration.
func NewBudget(l Limits) *Budget {
	l = l.Resolved()
	return &Budget{limits: l, free: semaphore.NewWeighted(int64(l.DecodeMemory))}
}

// reserve waits until a picture of the given height and width, in a file of so many bytes, may be decoded by a decoder
// that takes so many; release ends that. Errors are of the picture, or of ctx.
func (b *Budget) reserve(ctx context.Context, height, width int, file, decoder int64) (release func(), err error) {
	limit := int64(b.limits.DecodeMemory)
	if height < 1 || width < 1 || height > b.limits.MaxPixels/width {
		return nil, fmt.Errorf("image of %d × %d pixels, expected 1 to %d (data.max_pixels)", height, width,
			b.limits.MaxPixels)
	}
	need := decoder + preparedBytes*int64(height)*int64(width)
	if need > limit {
		return nil, fmt.Errorf("image of %d × %d pixels takes up to %s to decode, expected at most %s (data.decode_memory)",
			height, width, humanize.IBytes(uint64(need)), humanize.IBytes(uint64(limit)))
	}
	return b.take(ctx, min(need+file, limit))
}

// take waits for so many bytes.
func (b *Budget) take(ctx context.Context, n int64) (release func(), err error) {
	if err := b.free.Acquire(ctx, n); err != nil {
		return nil, err
	}
	return func() { b.free.Release(n) }, nil
}
