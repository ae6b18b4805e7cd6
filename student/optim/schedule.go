package optim

import (
	"cmp"
	"fmt"
	"math"
)

// Schedule is the `train.schedule` section of a configuration: how the learning rate moves over a training.
type Schedule struct {
	// Kind is constant (default), step or cosine.
	Kind string `yaml:"kind,omitempty"`
	// Every and Gamma of kind step: after every so many epochs the rate is multiplied by Gamma (default 0.1).
	Every int     `yaml:"every,omitempty" within:"[0,1000000]"`
	Gamma float64 `yaml:"gamma,omitempty" within:"(0,1]"`
	// Floor of kind cosine: the rate at the end, as a share of the first. Default 0.
	Floor float64 `yaml:"floor,omitempty" within:"[0,1]"`
	// Warmup is a number of steps over which the rate rises linearly from 0, whatever the kind.
	Warmup int `yaml:"warmup,omitempty" within:"[0,1000000000]"`
}

// Validate returns ErrOptions for an unknown kind or a value out of range.
func (s Schedule) Validate() error {
	switch {
	case s.Kind != "" && s.Kind != "constant" && s.Kind != "step" && s.Kind != "cosine":
		return fmt.Errorf("%w: schedule.kind is %q, expected constant, step or cosine", ErrOptions, s.Kind)
	case s.Kind == "step" && s.Every < 1:
		return fmt.Errorf("%w: schedule.every is %d, expected a number of epochs above 0", ErrOptions, s.Every)
	case s.Gamma < 0 || s.Gamma > 1:
		return fmt.Errorf("%w: schedule.gamma is %g, expected 0 to 1", ErrOptions, s.Gamma)
	case s.Floor < 0 || s.Floor > 1:
		return fmt.Errorf("%w: schedule.floor is %g, expected 0 to 1", ErrOptions, s.Floor)
	case s.Warmup < 0:
		return fmt.Errorf("%w: schedule.warmup is %d, expected a number of steps", ErrOptions, s.Warmup)
	}
	return nil
}

// Rate is the learning rate of step (from 0) in a training of total steps, perEpoch of them an epoch:
//
//	constant  base
//	step      base · gamma^⌊epoch/every⌋
//	cosine    base · (floor + (1−floor)·(1 + cos(π·step/total))/2)
//
// times (step+1)/warmup while step < warmup. Source of cosine: Loshchilov & Hutter 2017, eq. 5, without restarts.
func (s Schedule) Rate(base float64, step, perEpoch, total int) float64 {
	switch s.Kind {
	case "step":
		base *= math.Pow(s.Resolved().Gamma, float64(step/perEpoch/s.Every))
	case "cosine":
		base *= s.Floor + (1-s.Floor)*(1+math.Cos(math.Pi*float64(step)/float64(total)))/2
	}
	if step < s.Warmup {
		base *= float64(step+1) / float64(s.Warmup)
	}
	return base
}

// Resolved returns the section with its defaults written out.
func (s Schedule) Resolved() Schedule {
	s.Kind = cmp.Or(s.Kind, "constant")
	if s.Kind == "step" {
		s.Gamma = cmp.Or(s.Gamma, 0.1)
	}
	return s
}

// Defaults are the keys that belong to the schedule's kind and may be left out, with what they then stand for.
func (s Schedule) Defaults() map[string]any {
	switch s.Kind {
	case "step":
		return map[string]any{"gamma": 0.1, "warmup": 0}
	case "cosine":
		return map[string]any{"floor": 0, "warmup": 0}
	}
	return map[string]any{"warmup": 0}
}

// SpreadsOverAll says whether the rate of a step depends on the number of steps of the whole training.
func (s Schedule) SpreadsOverAll() bool { return s.Kind == "cosine" }
