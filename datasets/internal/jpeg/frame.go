package jpeg

// planeLayout says how a component lies in memory, at the scale of decoding.
type planeLayout struct {
	size          int // of a decoded block, 1, 2, 4 or 8
	width, height int // of the component in samples, without what fills its last blocks
	across, down  int // blocks that hold samples

	// Coefficients of the whole picture, padded to whole MCUs: down·v rows of stride blocks.
	blockStride, blockRows int
	coefs                  [][blockLen]int16
	nonzero                []uint64 // of a progressive picture: which of a block's coefficients are not 0, by place

	// A strip of samples: two groups of rows of the strip above, then one row of MCUs. A group is the rows that belong
	// to one row of the coarsest component.
	groupRows int
	stride    int
	samples   []uint8
	upsample  upsampling
	expandX   int // of upsampling by repetition
	expandY   int
	row       []uint8 // one row at the picture's width
}

// maxBlocks is how many blocks an MCU has at most (T.81, B.2.3).
const maxBlocks = 10

// margin is the number of bytes before the first and behind the last sample of a row: the triangle filter reads one
// sample beyond either end, and vector code whole vectors.
const margin = 64

// upsampling is how a component gets the picture's size.
type upsampling int

const (
	upsampleNone   upsampling = iota
	upsampleH2V1              // triangle filter in x
	upsampleH1V2              // in y
	upsampleH2V2              // in both
	upsampleRepeat            // every sample expandX × expandY times
)

// frame is how the picture is decoded.
type frame struct {
	outWidth, outHeight int
	maxH, maxV          int
	minSize             int // of the smallest decoded block: 8 at full scale
	mcusAcross          int // of an interleaved scan of all components
	mcusDown            int
	space               colourSpace
	coefStore           [maxComponents][][blockLen]int16
	nonzeroStore        [maxComponents][]uint64
	sampleStore         [maxComponents][]uint8
	rowStore            [maxComponents][]uint8
	block               [blockLen]int16
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// plan computes the layout for a scale.
func (d *decoder) plan(scale int) error {
	d.minSize = blockSize / scale
	d.outWidth, d.outHeight = ceilDiv(d.width, scale), ceilDiv(d.height, scale)
	d.maxH, d.maxV = 1, 1
	for _, c := range d.components[:d.count] {
		d.maxH, d.maxV = max(d.maxH, c.h), max(d.maxV, c.v)
	}
	d.mcusAcross, d.mcusDown = ceilDiv(d.width, blockSize*d.maxH), ceilDiv(d.height, blockSize*d.maxV)
	d.space = d.colourSpace()
	for i := range d.count {
		if err := d.planComponent(i); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) planComponent(i int) error {
	c := &d.components[i]
	// A coarser component is decoded at a larger scale rather than upsampled, where it can be.
	c.size = d.minSize
	for c.size < blockSize && d.maxH*d.minSize%(c.h*c.size*2) == 0 && d.maxV*d.minSize%(c.v*c.size*2) == 0 {
		c.size *= 2
	}
	c.width = ceilDiv(d.width*c.h*c.size, d.maxH*blockSize)
	c.height = ceilDiv(d.height*c.v*c.size, d.maxV*blockSize)
	c.across, c.down = ceilDiv(d.width*c.h, d.maxH*blockSize), ceilDiv(d.height*c.v, d.maxV*blockSize)
	c.blockStride, c.blockRows = d.mcusAcross*c.h, d.mcusDown*c.v

	groupCols := c.h * c.size / d.minSize
	c.groupRows = c.v * c.size / d.minSize
	fancy := d.minSize > 1
	double := groupCols*2 == d.maxH
	switch {
	case groupCols == d.maxH && c.groupRows == d.maxV:
		c.upsample = upsampleNone
	case double && c.groupRows == d.maxV && fancy && c.width > 2:
		c.upsample = upsampleH2V1
	case groupCols == d.maxH && c.groupRows*2 == d.maxV && fancy:
		c.upsample = upsampleH1V2
	case double && c.groupRows*2 == d.maxV && fancy && c.width > 2:
		c.upsample = upsampleH2V2
	case d.maxH%groupCols == 0 && d.maxV%c.groupRows == 0:
		c.upsample, c.expandX, c.expandY = upsampleRepeat, d.maxH/groupCols, d.maxV/c.groupRows
	default:
		return unsupported("component %d has sampling factors %d × %d where the largest are %d × %d, expected divisors",
			i, c.h, c.v, d.maxH, d.maxV)
	}
	c.stride = margin + c.blockStride*c.size + margin
	return nil
}

// allocate makes room for strips, rows and, where they are kept, coefficients.
func (d *decoder) allocate() {
	for i := range d.count {
		c := &d.components[i]
		c.samples = grow(&d.sampleStore[i], d.stripLen(c))
		c.row = grow(&d.rowStore[i], d.rowLen(c))
		if d.wholePicture() {
			c.coefs = grow(&d.coefStore[i], c.blockStride*c.blockRows)
			clear(c.coefs)
			c.nonzero = grow(&d.nonzeroStore[i], len(c.coefs))
			clear(c.nonzero)
		}
	}
}

func (d *decoder) stripLen(c *component) int { return (2 + d.minSize) * c.groupRows * c.stride }

func (d *decoder) rowLen(c *component) int { return max(2*c.width, d.outWidth) + d.maxH + margin }

// memory is how many bytes decoding takes: the pixels, what allocate makes, and the entropy-coded data without
// stuffing.
func (d *decoder) memory() int64 {
	n := int64(d.outWidth)*int64(d.outHeight)*int64(d.channels()) + int64(len(d.src.data))
	for i := range d.count {
		c := &d.components[i]
		n += int64(d.stripLen(c) + d.rowLen(c))
		if d.wholePicture() {
			n += int64(c.blockStride) * int64(c.blockRows) * (2*blockLen + 8)
		}
	}
	return n
}

// latch fixes the quantisation table of a component: the one that counts is that of its first scan.
func (d *decoder) latch(c *component) error {
	if c.latched {
		return nil
	}
	if c.table > 3 || !d.quantSeen[c.table] {
		return damaged("quantisation table %d is missing", c.table)
	}
	for i, q := range d.quant[c.table] {
		c.quant[i] = int16(q)
	}
	c.latched = true
	return nil
}

// grow is n elements of *store, made anew where it is too small. What is in them is left over from before.
func grow[T any](store *[]T, n int) []T {
	if cap(*store) < n {
		*store = make([]T, n)
	}
	*store = (*store)[:n]
	return *store
}

// keep is how many bytes of a component's coefficients a decoder keeps for the next picture.
const keep = 8 << 20

// trim frees the memory beyond what pictures of common size need.
func (f *frame) trim() {
	for i := range f.coefStore {
		if 2*blockLen*cap(f.coefStore[i]) > keep {
			f.coefStore[i], f.nonzeroStore[i] = nil, nil
		}
	}
}

// strip decodes a block into its place: column and row count blocks from the left of the picture and the top of the
// strip.
func (c *component) strip(minSize, column, row int) []uint8 {
	return c.samples[(2*c.groupRows+row*c.size)*c.stride+margin+column*c.size:]
}
