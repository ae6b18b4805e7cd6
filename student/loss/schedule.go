package loss

import (
	"fmt"
	"math"
)

// Kinds of decay of a [Schedule].
const (
	DecayNone   = "none"
	DecayLinear = "linear" // along a line
	DecayCosine = "cosine" // along half a wave of the cosine
)

// Schedule is how the weight of a loss changes over training: a factor of the weight, as a function of the epochs
// passed.
//
//	f(e) = min(1, e/Warmup) · d(e)
//
//	d(e) = 1                                        for e < From, or without a decay
//	d(e) = Floor + (1 − Floor)·(1 − x)              for From ≤ e < To, linear, x = (e − From)/(To − From)
//	d(e) = Floor + (1 − Floor)·(1 + cos(π·x))/2     for From ≤ e < To, cosine
//	d(e) = Floor                                    for To ≤ e
//
// The zero value is the constant 1. A Warmup of 0 is none. From equal to To is a step at that epoch. Epochs need not be
// whole.
//
// Source: linear warm-up as in Goyal et al., Accurate, Large Minibatch SGD, 2017, section 2.2; the cosine is that of
// Loshchilov & Hutter, SGDR, ICLR 2017, eq. 5, without restarts. Both are stated there for a learning rate.
type Schedule struct {
	Warmup float64 `yaml:"warmup,omitempty"` // epochs from 0 to the whole weight; 0 or more
	Decay  string  `yaml:"decay,omitempty"`  // DecayNone, DecayLinear or DecayCosine; empty means DecayNone
	From   float64 `yaml:"from,omitempty"`   // epoch at which the decay begins; 0 or more
	To     float64 `yaml:"to,omitempty"`     // epoch from which on the factor is Floor; From or more, more than 0
	Floor  float64 `yaml:"floor,omitempty"`  // what is left of the weight after the decay, from 0 to 1
}

// Validate returns ErrOption for a setting out of range, and for one of a decay where there is none.
func (s Schedule) Validate() error {
	finite := func(v float64) bool { return v >= 0 && !math.IsInf(v, 1) }
	decays := false
	switch s.Decay {
	case "", DecayNone:
	case DecayLinear, DecayCosine:
		decays = true
	default:
		return fmt.Errorf("%w: decay is %q, expected one of %s, %s, %s", ErrOption, s.Decay, DecayNone,
			DecayLinear, DecayCosine)
	}
	switch {
	case !finite(s.Warmup):
		return fmt.Errorf("%w: warmup is %g, expected a number of epochs of 0 or more", ErrOption, s.Warmup)
	case !decays && (s.From != 0 || s.To != 0 || s.Floor != 0):
		return fmt.Errorf("%w: from is %g, to is %g and floor is %g without a decay, expected none of them", ErrOption,
			s.From, s.To, s.Floor)
	case !decays:
		return nil
	case !finite(s.From):
		return fmt.Errorf("%w: from is %g, expected an epoch of 0 or more", ErrOption, s.From)
	case !finite(s.To) || s.To < s.From || s.To == 0:
		return fmt.Errorf("%w: to is %g, expected an epoch after the first and not before from, which is %g", ErrOption,
			s.To, s.From)
	case !(s.Floor >= 0 && s.Floor <= 1):
		return fmt.Errorf("%w: floor is %g, expected a number from 0 to 1", ErrOption, s.Floor)
	}
	return nil
}

// At returns the factor after that many epochs, from 0 to 1. An epoch below 0 is the first one.
func (s Schedule) At(epoch float64) float64 {
	epoch = max(epoch, 0)
	factor := 1.0
	if epoch < s.Warmup {
		factor = epoch / s.Warmup
	}
	if s.Decay == "" || s.Decay == DecayNone || epoch < s.From {
		return factor
	}
	if epoch >= s.To {
		return factor * s.Floor
	}
	x := (epoch - s.From) / (s.To - s.From)
	left := 1 - x
	if s.Decay == DecayCosine {
		left = (1 + math.Cos(math.Pi*x)) / 2
	}
	return factor * (s.Floor + (1-s.Floor)*left)
}
