package conv

// axis is a one-dimensional convolution, along rows or along columns, laid out so that each weight reads a contiguous
// run. The input is split into sources, one for each phase of the stride, each in a zero-padded line; a weight reads a
// source at an offset. Lines are length elements apart: the padding after one overlaps with that before the next where
// possible.
type axis struct {
	length  int // of a line, without the padding that it shares with the next
	shared  int // elements of padding
	sources []strip
	targets []target
}

// strip is the elements first, first+step, … of an array, n of them, at the positions of a line from at on.
type strip struct{ first, step, at, n int }

// target is a strip of the results, from position 0 on, and the weights that contribute to it.
type target struct {
	strip
	weights []shifted
}

// shifted is a weight: it is multiplied with element i+by of a source for result i.
type shifted struct{ weight, source, by int }

// forwardAxis computes y from x: each phase of the padded x is a source, y is the target.
func forwardAxis(size, out, kernel, stride, dilation, pad int) axis {
	a := axis{targets: []target{{strip: strip{step: 1, n: out}}}}
	length := out + (kernel-1)*dilation/stride
	sources := make(map[int]int) // of phases
	for u := range kernel {
		phase := u * dilation % stride
		s, ok := sources[phase]
		if !ok {
			s = len(a.sources)
			sources[phase] = s
			a.sources = append(a.sources, phaseOf(size, stride, pad, phase))
		}
		a.targets[0].weights = append(a.targets[0].weights, shifted{u, s, u * dilation / stride})
	}
	a.share(length)
	return a
}

// backwardAxis computes gx from gy: gy is the source, each phase of the padded x a target.
func backwardAxis(size, out, kernel, stride, dilation, pad int) axis {
	var a axis
	lead, end := 0, 0
	for phase := range stride {
		to := target{strip: phaseOf(size, stride, pad, phase)}
		if to.n == 0 {
			continue
		}
		for u := range kernel {
			if u*dilation%stride != phase {
				continue
			}
			by := to.at - u*dilation/stride
			to.weights = append(to.weights, shifted{weight: u, by: by})
			lead, end = max(lead, -by), max(end, by+to.n)
		}
		to.at = 0
		a.targets = append(a.targets, to)
	}
	for _, t := range a.targets {
		for i := range t.weights {
			t.weights[i].by += lead
		}
	}
	a.sources = []strip{{step: 1, at: lead, n: out}}
	a.share(lead + end)
	return a
}

// phaseOf is the elements i of [0,size) with (i + pad) mod stride = phase; at is (i + pad) / stride of the first.
func phaseOf(size, stride, pad, phase int) strip {
	first := (phase - pad) % stride
	if first < 0 {
		first += stride
	}
	return strip{first: first, step: stride, at: (first + pad) / stride, n: over(max(0, size-first), stride)}
}

// share crops sources to the positions that weights read, and lets lines overlap in padding that holds no results.
func (a *axis) share(length int) {
	a.shared = length
	for _, t := range a.targets {
		if len(t.weights) > 0 {
			a.shared = min(a.shared, length-t.n)
		}
	}
	for i := range a.sources {
		s := &a.sources[i]
		s.n = max(0, min(s.n, length-s.at))
		if s.n > 0 {
			a.shared = min(a.shared, s.at, length-s.at-s.n)
		}
	}
	a.length = length - a.shared
}

// plain reports whether a line is the size elements of the input in order, without padding.
func (a axis) plain(size int) bool {
	return a.length == size && len(a.sources) == 1 && a.sources[0] == strip{step: 1, n: size}
}

// spread is the same axis with a source for each weight, already shifted: lines need no padding between them.
func (a axis) spread() axis {
	to := a.targets[0]
	b := axis{length: to.n, targets: []target{{strip: to.strip}}}
	for i, w := range to.weights {
		s := a.sources[w.source]
		s.at -= w.by
		if before := max(0, -s.at); before > 0 {
			s.first, s.at, s.n = s.first+before*s.step, 0, s.n-before
		}
		s.n = max(0, min(s.n, to.n-s.at))
		b.sources = append(b.sources, s)
		b.targets[0].weights = append(b.targets[0].weights, shifted{weight: w.weight, source: i})
	}
	return b
}
