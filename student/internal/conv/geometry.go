package conv

// Options are the attributes of a convolution, rows before columns; all are set, none is a default.
type Options struct {
	Stride, Pad, Dilation [2]int
	// Extra is how much more padding there is after the image than before it, or, negative, less.
	Extra  [2]int
	Groups int
}

// Geometry is a convolution with all its sizes: y (N,O,OH,OW) from x (N,C,H,W) and w (O,C/G,KH,KW).
type Geometry struct {
	Options
	Samples                 int // N
	Channels, Height, Width int // of x; channels of all groups
	Filters                 int // O, of all groups
	KH, KW                  int
	OH, OW                  int
	taps                    []tap // one for each weight of a channel
}

// tap is the part of a channel that one weight of the kernel reads.
type tap struct {
	row         int // the input row for output row 0
	column      int // the input column for output column first
	first, last int // output columns [first,last) read the input, the others padding
	// whole is set if output and input have the same size and the stride is 1: the tap reads the plane shifted by shift
	// elements, where elements that wrap around the end of a row are padding.
	whole bool
	shift int
}

// NewGeometry returns the convolution with these shapes, which must fit each other: x (N,C,H,W), w (O,C/G,KH,KW) and
// y (N,O,OH,OW).
func NewGeometry(o Options, x, w, y []int) Geometry {
	g := Geometry{
		Options: o, Samples: x[0], Channels: x[1], Height: x[2], Width: x[3],
		Filters: w[0], KH: w[2], KW: w[3], OH: y[2], OW: y[3],
	}
	whole := o.Stride == [2]int{1, 1} && g.OH == g.Height && g.OW == g.Width
	for u := range g.KH {
		for v := range g.KW {
			row, column := u*o.Dilation[0]-o.Pad[0], v*o.Dilation[1]-o.Pad[1]
			t := tap{row: row, whole: whole, shift: row*g.Width + column}
			t.first, t.last = inside(g.OW, g.Width, o.Stride[1], column)
			t.column = t.first*o.Stride[1] + column
			g.taps = append(g.taps, t)
		}
	}
	return g
}

// GroupChannels is C/G.
func (g Geometry) GroupChannels() int { return g.Channels / g.Groups }

// GroupFilters is O/G.
func (g Geometry) GroupFilters() int { return g.Filters / g.Groups }

// patch is the number of weights of a filter, C/G·KH·KW: the rows of a column matrix.
func (g Geometry) patch() int { return g.GroupChannels() * g.KH * g.KW }

// area is OH·OW: the columns of a sample's column matrix.
func (g Geometry) area() int { return g.OH * g.OW }

// depthwise reports whether each filter has one channel. The matrix product would then have one row, and direct loops
// are faster.
func (g Geometry) depthwise() bool { return g.GroupChannels() == 1 && g.GroupFilters() == 1 }

// pointwise reports whether the column matrix is the input itself.
func (g Geometry) pointwise() bool {
	return g.KH == 1 && g.KW == 1 && g.Stride == [2]int{1, 1} && g.Pad == [2]int{} && g.Extra == [2]int{}
}

// input is one group of sample n of x (N,C,H,W).
func (g Geometry) input(x []float32, n, group int) []float32 {
	size := g.GroupChannels() * g.Height * g.Width
	return x[(n*g.Groups+group)*size:][:size]
}

// output is one group of sample n of y (N,O,OH,OW).
func (g Geometry) output(y []float32, n, group int) []float32 {
	size := g.GroupFilters() * g.area()
	return y[(n*g.Groups+group)*size:][:size]
}

// Reversed returns the convolution of gy with the reversed kernel that gives gx, and whether there is one: the stride
// must be 1. Its padding can be negative, which crops rows and columns of gy that only padding of x contributed to.
func (g Geometry) Reversed() (Options, bool) {
	o := g.Options
	o.Pad = [2]int{o.Dilation[0]*(g.KH-1) - o.Pad[0], o.Dilation[1]*(g.KW-1) - o.Pad[1]}
	o.Extra = [2]int{-o.Extra[0], -o.Extra[1]}
	return o, o.Stride == [2]int{1, 1}
}

// inside is the range of output positions j in [0,n) whose input position j·stride + offset lies in [0,width).
func inside(n, width, stride, offset int) (first, last int) {
	first = min(n, max(0, (-offset+stride-1)/stride))
	last = max(first, min(n, (width-1-offset)/stride+1))
	if offset >= width {
		last = first
	}
	return first, last
}
