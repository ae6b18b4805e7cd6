package datasets

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
)

// ErrViews reports views that are configured wrongly.
var ErrViews = errors.New("views")

// Views is augmentation that can be replayed: view v of a sample is a pure function of a seed, the sample's id and v.
// View 0 is the image itself.
type Views struct {
	// Flip mirrors a view left to right with probability ½.
	Flip bool `yaml:"flip,omitempty"`
	// Shift moves a view by up to so many pixels in each direction, both axes on their own, uniformly; what moves in from
	// outside is 0.
	Shift int `yaml:"shift,omitempty"`
}

// Validate returns an error that wraps ErrViews where Shift is negative or absurd.
func (v Views) Validate() error {
	if v.Shift < 0 || v.Shift > maxSide {
		return fmt.Errorf("%w: shift is %d, expected 0 to %d pixels", ErrViews, v.Shift, maxSide)
	}
	return nil
}

// Canonical writes the policy in one fixed form, for a cache key.
func (v Views) Canonical() string { return fmt.Sprintf("flip=%t shift=%d", v.Flip, v.Shift) }

// Apply returns the given view of img, which is the sample with the given id. View 0, and every view where there is
// nothing to change, shares the memory of img.
//
// The generator is a PCG whose two words of state are the first 16 bytes, little-endian, of the SHA-256 of seed (8 bytes),
// id (8) and view (4), all little-endian. It draws dx and dy from [−Shift, Shift] and then a coin; the image is moved
// right by dx and down by dy, and then mirrored if Flip is set and the coin is 1. The coin is drawn last, so that Flip
// does not change the shifts.
func (v Views) Apply(img Image, seed uint64, id int64, view int32) Image {
	if view == 0 || v == (Views{}) {
		return img
	}
	dx, dy, mirror := v.draw(seed, id, view)
	if dx == 0 && dy == 0 && !mirror {
		return img
	}
	out := img
	out.Pixels = make([]uint8, len(img.Pixels))
	stride := img.Width * img.Channels
	// Columns of the moved image that come from img, empty where it moved out altogether.
	from, to := max(0, dx), min(img.Width, img.Width+dx)
	for y := max(0, dy); y < min(img.Height, img.Height+dy) && from < to; y++ {
		row := out.Pixels[y*stride : (y+1)*stride]
		start := (y-dy)*stride - dx*img.Channels
		copy(row[from*img.Channels:to*img.Channels], img.Pixels[start+from*img.Channels:])
		if mirror {
			mirrorRow(row, img.Channels)
		}
	}
	return out
}

func (v Views) draw(seed uint64, id int64, view int32) (dx, dy int, mirror bool) {
	key := binary.LittleEndian.AppendUint64(make([]byte, 0, 20), seed)
	key = binary.LittleEndian.AppendUint64(key, uint64(id))
	key = binary.LittleEndian.AppendUint32(key, uint32(view))
	sum := sha256.Sum256(key)
	rng := rand.New(rand.NewPCG(binary.LittleEndian.Uint64(sum[:]), binary.LittleEndian.Uint64(sum[8:])))
	shift := max(v.Shift, 0)
	dx = rng.IntN(2*shift+1) - shift
	dy = rng.IntN(2*shift+1) - shift
	coin := rng.Uint64()&1 == 1
	return dx, dy, v.Flip && coin
}

// mirrorRow reverses the pixels of a row, not the channels of a pixel.
func mirrorRow(row []uint8, channels int) {
	for a, b := 0, len(row)-channels; a < b; a, b = a+channels, b-channels {
		for k := range channels {
			row[a+k], row[b+k] = row[b+k], row[a+k]
		}
	}
}
