package teacher

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Values of Options.Pool. Tokens are the rows of an output (N,T,D); the places of a feature map (N,C,H,W), or (N,H,W,C)
// where the model's input is NHWC, are its H·W vectors of C channels.
const (
	PoolCLS  = "cls"  // the first token
	PoolLast = "last" // the last token
	PoolMean = "mean" // the mean over tokens or places
	PoolMax  = "max"  // the largest of each element over tokens or places
	PoolGeM  = "gem"  // the generalised mean over tokens or places, (1/n · Σ max(x, 1e-6)³)^(1/3)
	PoolNone = "none" // all numbers in a row
)

// The power and the smallest value of generalised-mean pooling (Radenović et al., arXiv:1711.02512).
const (
	gemPower = 3
	gemFloor = 1e-6
)

var pools = []string{PoolCLS, PoolMean, PoolMax, PoolGeM, PoolLast, PoolNone}

// pooling makes one vector of an output's row: what is at place p of element d lies at p·stride + d·step.
type pooling struct {
	kind         string // empty: the row is the vector
	places       int
	width        int // elements of the vector
	stride, step int
}

// newPooling says how an output of the given shape, without its batch, becomes a vector. channelsLast says which
// dimension of a feature map the channels are. A shape with at most one dimension other than 1 is a vector.
func newPooling(kind string, shape []int, channelsLast bool) (pooling, error) {
	size := 1
	for _, d := range shape {
		size *= d
	}
	whole := pooling{places: 1, width: size, step: 1}
	wide := len(slices.DeleteFunc(slices.Clone(shape), func(d int) bool { return d == 1 }))
	if wide < 2 || kind == PoolNone {
		return whole, nil
	}
	offered := pools
	p := pooling{kind: kind}
	switch {
	case len(shape) == 2 || len(shape) == 3 && channelsLast:
		p.width = shape[len(shape)-1]
		p.places = size / p.width
		p.stride, p.step = p.width, 1
	case len(shape) == 3:
		p.width = shape[0]
		p.places = size / p.width
		p.stride, p.step = 1, p.places
	}
	switch len(shape) {
	case 2:
	case 3:
		offered = []string{PoolMean, PoolMax, PoolGeM, PoolNone}
	default:
		offered = []string{PoolNone}
	}
	if !slices.Contains(offered, kind) {
		say := "pool is not given"
		if kind != "" {
			say = fmt.Sprintf("pool is %s", kind)
		}
		return p, fmt.Errorf("more than one vector for each sample and %s, expected pool: %s; none takes all %d numbers in "+
			"a row", say, strings.Join(offered, ", "), size)
	}
	return p, nil
}

// into writes the vector of a row. Sums are taken in float64, in order.
func (p pooling) into(vector, row []float32) {
	switch p.kind {
	case PoolCLS:
		copy(vector, row[:p.width])
	case PoolLast:
		copy(vector, row[(p.places-1)*p.width:])
	case PoolMax:
		for d := range vector {
			most := row[d*p.step]
			for at := range p.places {
				most = max(most, row[at*p.stride+d*p.step])
			}
			vector[d] = most
		}
	case PoolMean:
		for d := range vector {
			var sum float64
			for at := range p.places {
				sum += float64(row[at*p.stride+d*p.step])
			}
			vector[d] = float32(sum / float64(p.places))
		}
	case PoolGeM:
		for d := range vector {
			var sum float64
			for at := range p.places {
				v := max(float64(row[at*p.stride+d*p.step]), gemFloor)
				sum += v * v * v
			}
			vector[d] = float32(math.Pow(sum/float64(p.places), 1.0/gemPower))
		}
	default:
		copy(vector, row)
	}
}
