package jpeg

// A progressive picture that ends before its last scans lacks bits of its coefficients. libjpeg estimates the first
// nine of a block, as far as they are zero, from the DC coefficients of the 5 × 5 blocks around it: K.8 of T.81,
// widened.

// estimated is the number of coefficients, by place, that can be estimated; the DC coefficient is the first.
const estimated = 10

// precision is what the scans so far have said of each of a component's first coefficients: −1 for nothing, or how many
// of the lower bits are missing.
type precision [estimated]int8

// progress is what is known of a progressive picture.
type progress struct {
	known  [maxComponents]precision
	before [maxComponents]precision // of before the last scan of the component
	scans  int
	good   int // the last row of MCUs of the last scan for which there were data
}

// forget resets to the state before the first scan.
func (p *progress) forget() {
	*p = progress{}
	for i := range p.known {
		for k := range p.known[i] {
			p.known[i][k] = -1
		}
	}
}

// noteScan records which bits of which coefficients a scan brings.
func (p *progress) noteScan(members []int, first, last, low int) {
	p.scans++
	for _, m := range members {
		known, before := &p.known[m], &p.before[m]
		if *before = (precision{}); p.scans > 1 {
			*before = *known
		}
		for k := first; k <= min(last, estimated-1); k++ {
			known[k] = int8(low)
		}
	}
}

// kernel5 weighs 5 × 5 blocks by rows, in 256ths of a level.
type kernel5 [25]int32

func (k kernel5) transposed() (t kernel5) {
	for i, w := range k {
		t[i%5*5+i/5] = w
	}
	return t
}

var (
	// fromDC are the estimates, by place, where no AC coefficient is known. The DC coefficient, too, is smoothed then.
	fromDC = [estimated]kernel5{
		{
			-2, -6, -8, -6, -2,
			-6, 6, 42, 6, -6,
			-8, 42, 152, 42, -8,
			-6, 6, 42, 6, -6,
			-2, -6, -8, -6, -2,
		},
		slope, slope.transposed(), bend.transposed(),
		{0: -1, 4: 1, 6: 9, 8: -9, 16: -9, 18: 9, 20: 1, 24: -1},
		bend,
		{6: 1, 8: -1, 11: 2, 13: -2, 16: 1, 18: -1},
		kernel5{6: 1, 8: -1, 11: -3, 13: 3, 16: 1, 18: -1}.transposed(),
		{6: 1, 8: -1, 11: -3, 13: 3, 16: 1, 18: -1},
		kernel5{6: 1, 8: -1, 11: 2, 13: -2, 16: 1, 18: -1}.transposed(),
	}
	slope = kernel5{
		-1, -1, 0, 1, 1,
		-3, 13, 0, -13, 3,
		-3, 38, 0, -38, 3,
		-3, 13, 0, -13, 3,
		-1, -1, 0, 1, 1,
	}
	bend = kernel5{
		0, 0, 0, 0, 0,
		0, 2, -5, 2, 0,
		1, 7, -14, 7, 1,
		0, 2, -5, 2, 0,
		0, 0, 0, 0, 0,
	}

	// fromKnown are those where some are known, of the places from 1 to 5.
	fromKnown = [6]kernel5{
		1: {10: -7, 11: 50, 13: -50, 14: 7},
		2: kernel5{10: -7, 11: 50, 13: -50, 14: 7}.transposed(),
		3: kernel5{10: -1, 11: 13, 12: -24, 13: 13, 14: -1}.transposed(),
		4: {1: -1, 3: 1, 5: -1, 6: 10, 8: -10, 9: 1, 15: 1, 16: -10, 18: 10, 19: -1, 21: 1, 23: -1},
		5: {10: -1, 11: 13, 12: -24, 13: 13, 14: -1},
	}
)

// smooths reports whether coefficients are to be estimated: some are not fully known, and those that it takes are.
func (d *decoder) smooths() bool {
	if !d.progressive {
		return false
	}
	useful := false
	for i := range d.count {
		c := &d.components[i]
		if !c.latched || d.known[i][0] < 0 {
			return false
		}
		for k := range estimated {
			if c.quant[zigzag[k]] == 0 {
				return false
			}
			useful = useful || k > 0 && d.known[i][k] != 0
		}
	}
	return useful
}

// smoother estimates the coefficients of the blocks in a row of a component.
type smoother struct {
	c       *component
	known   precision
	flat    bool                 // no AC coefficient is known
	rows    [5][][blockLen]int16 // of blocks, around the current one
	quant   *[blockLen]int16
	scratch [blockLen]int16
}

// smoothRow prepares for row y of the blocks of component i in a row of MCUs. Beyond the picture's edges the outermost
// blocks are repeated. What counts as the edge is libjpeg's choice: in the last row of MCUs it counts block rows as if
// all rows of MCUs had as few as that one.
func (d *decoder) smoothRow(s *smoother, i, mcuRow, y int) {
	c := &d.components[i]
	s.c, s.quant, s.known = c, &c.quant, d.known[i]
	if mcuRow > d.good {
		s.known = d.before[i]
		if d.scans == 1 {
			s.known = precision{s.known[0], -1, -1, -1, -1, -1, -1, -1, -1, -1}
		}
	}
	s.flat = true
	for _, bits := range s.known[1:] {
		s.flat = s.flat && bits == -1
	}
	rows := c.v
	if mcuRow == d.mcusDown-1 {
		rows = (c.down-1)%c.v + 1
	}
	at, end := mcuRow*rows+y, rows*d.mcusDown
	for j := range s.rows {
		off := max(j-2, -at)
		if off > 0 {
			off = min(off, end-1-at)
		}
		s.rows[j] = c.coefs[(mcuRow*c.v+y+off)*c.blockStride:][:c.across]
	}
}

// block is block x of the row with its estimates.
func (s *smoother) block(x int) *[blockLen]int16 {
	s.scratch = s.rows[2][x]
	var dc kernel5
	for j, row := range s.rows {
		for i := range 5 {
			dc[5*j+i] = int32(row[max(0, min(x+i-2, len(row)-1))][0])
		}
	}
	kernels := fromKnown[:]
	if s.flat {
		kernels = fromDC[:]
	}
	for k := 1; k < len(kernels); k++ {
		if p := &s.scratch[zigzag[k]]; s.known[k] != 0 && *p == 0 {
			*p = int16(s.estimate(&kernels[k], &dc, zigzag[k], s.known[k]))
		}
	}
	if s.flat {
		s.scratch[0] = int16(s.estimate(&kernels[0], &dc, 0, 0))
	}
	return &s.scratch
}

// estimate is the weighted sum of DC coefficients in steps of the coefficient at a position, rounded; of a coefficient
// of which only the lower bits are missing it is what these can hold.
func (s *smoother) estimate(kernel, dc *kernel5, position uint8, bits int8) int {
	sum := 0
	for i, w := range kernel {
		sum += int(w) * int(dc[i])
	}
	step := int(uint16(s.quant[position]))
	sum *= int(uint16(s.quant[0]))
	size := (step<<7 + max(sum, -sum)) / (step << 8)
	if bits > 0 {
		size = min(size, 1<<bits-1)
	}
	if sum < 0 {
		return -size
	}
	return size
}
