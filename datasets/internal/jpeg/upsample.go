package jpeg

// The triangle filter makes two samples of one, a quarter of a sample to its left and right: ¾ of it and ¼ of the
// neighbour on that side. Beyond the edge the outermost sample is its own neighbour. The two are rounded differently,
// so that ties do not all go up.

// widen upsamples a row of n samples to 2n. src also holds a neighbour at each end: the row begins at src[1].
func widenGo(dst, src []uint8, n int) {
	dst, src = dst[:2*n], src[:n+2]
	for i := range n {
		v := 3 * int(src[i+1])
		dst[2*i] = uint8((v + int(src[i]) + 1) >> 2)
		dst[2*i+1] = uint8((v + int(src[i+2]) + 2) >> 2)
	}
}

// blend interpolates a row between two: ¾ of the near one and ¼ of the far one; bias is added before the division by 4.
func blendGo(dst, near, far []uint8, n, bias int) {
	dst, near, far = dst[:n], near[:n], far[:n]
	for i := range dst {
		dst[i] = uint8((3*int(near[i]) + int(far[i]) + bias) >> 2)
	}
}

// widenBlend is blend, then widen, rounded once. Like widen's src, near and far begin one sample left of the row.
func widenBlendGo(dst, near, far []uint8, n int) {
	dst, near, far = dst[:2*n], near[:n+2], far[:n+2]
	last := 3*int(near[0]) + int(far[0])
	this := 3*int(near[1]) + int(far[1])
	for i := range n {
		next := 3*int(near[i+2]) + int(far[i+2])
		dst[2*i] = uint8((3*this + last + 8) >> 4)
		dst[2*i+1] = uint8((3*this + next + 7) >> 4)
		last, this = this, next
	}
}

// repeat writes each sample of src times times.
func repeat(dst, src []uint8, times int) {
	if times == 1 {
		copy(dst, src)
		return
	}
	for i := range dst {
		dst[i] = src[i/times]
	}
}

// emit writes the picture's rows that strip number strip completes. Those of its last group wait for the next one,
// whose first row they may need.
func (d *decoder) emit(strip int) {
	for i := range d.count {
		d.components[i].padEdges()
	}
	first, last := strip*d.minSize-1, (strip+1)*d.minSize-2 // groups
	if strip == d.mcusDown-1 {
		last++
	}
	for group := max(0, first); group <= last; group++ {
		for y := group * d.maxV; y < min((group+1)*d.maxV, d.outHeight); y++ {
			d.emitRow(y, group, (strip*d.minSize - 2))
		}
	}
	for i := range d.count {
		c := &d.components[i]
		n := 2 * c.groupRows * c.stride
		copy(c.samples[:n], c.samples[len(c.samples)-n:])
	}
}

// padEdges repeats the outer samples of the rows of a new strip beyond the picture's edges, for the triangle filter.
func (c *component) padEdges() {
	if c.upsample != upsampleH2V1 && c.upsample != upsampleH2V2 {
		return
	}
	for at := 2*c.groupRows*c.stride + margin; at < len(c.samples); at += c.stride {
		c.samples[at-1] = c.samples[at]
		c.samples[at+c.width] = c.samples[at+c.width-1]
	}
}

// emitRow writes row y of the picture, of a group; group origin is the first in memory.
func (d *decoder) emitRow(y, group, origin int) {
	var rows [maxComponents][]uint8
	for i := range d.count {
		c := &d.components[i]
		// row is row r of the component, counted over the whole picture; offset is where that row's first sample lies.
		row := func(r int) int {
			r = max(0, min(r, c.height-1))
			return (r-origin*c.groupRows)*c.stride + margin
		}
		at := group*c.groupRows + (y-group*d.maxV)*c.groupRows/d.maxV
		near, far := row(at), row(at+1)
		bias := 2
		if y&1 == 0 {
			far, bias = row(at-1), 1
		}
		switch c.upsample {
		case upsampleNone:
			rows[i] = c.samples[near:]
			continue
		case upsampleH2V1:
			widen(c.row, c.samples[near-1:], c.width)
		case upsampleH1V2:
			blend(c.row, c.samples[near:], c.samples[far:], c.width, bias)
		case upsampleH2V2:
			widenBlend(c.row, c.samples[near-1:], c.samples[far-1:], c.width)
		case upsampleRepeat:
			repeat(c.row[:d.outWidth], c.samples[near:], c.expandX)
		}
		rows[i] = c.row
	}
	stride := d.outWidth * d.channels()
	d.space.convert(d.out[y*stride:(y+1)*stride], &rows)
}
