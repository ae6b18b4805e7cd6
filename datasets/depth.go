package datasets

import (
	"fmt"
	"sync"
)

// depth watches which values 16-bit images use. Safe for concurrent use.
type depth struct {
	sync.Mutex
	images    int
	low, high uint16
}

// see takes an image in.
func (d *depth) see(img Image) {
	if img.Deep == nil {
		return
	}
	low, high := img.Deep[0], img.Deep[0]
	for _, v := range img.Deep {
		low, high = min(low, v), max(high, v)
	}
	d.Lock()
	defer d.Unlock()
	if d.images == 0 {
		d.low, d.high = low, high
	}
	d.images++
	d.low, d.high = min(d.low, low), max(d.high, high)
}

// narrowDepth is the number of levels out of 256 below which the upper 8 bits of 16 lose most of what there is.
const narrowDepth = 64

// Warning says what to set where the 16-bit images that the transform has read use a small part of their range and
// Preprocess.Range does not say so. It is empty otherwise.
func (t *Pictures) Warning() string {
	t.depth.Lock()
	defer t.depth.Unlock()
	levels := int(t.depth.high>>8) - int(t.depth.low>>8) + 1
	if t.depth.images == 0 || len(t.preprocess.Range) > 0 || levels >= narrowDepth {
		return ""
	}
	return fmt.Sprintf("the %d images of 16 bits use %d to %d of 0 to 65535, of which 8 bits keep %d levels: "+
		"preprocess.range: [%d, %d] spreads them over all 256", t.depth.images, t.depth.low, t.depth.high, levels,
		t.depth.low, t.depth.high)
}
