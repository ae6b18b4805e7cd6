package train

import (
	"cmp"
	"errors"
	"fmt"

	"rkd/student/optim"
	"rkd/student/sampler"
)

// ErrOptions reports a training option that is out of range.
var ErrOptions = errors.New("train")

// Options is the `train` section of a configuration.
type Options struct {
	Batch sampler.Shape `yaml:"batch,omitempty"`
	// Epochs and StepsPerEpoch; steps default to as many as visit every training row once on average.
	Epochs        int `yaml:"epochs,omitempty" within:"[1,1000000]"`
	StepsPerEpoch int `yaml:"steps_per_epoch,omitempty" within:"[1,1000000000]"`
	// Optimizer is adam (default), adamw or sgd; LR its learning rate.
	Optimizer   string         `yaml:"optimizer,omitempty"`
	LR          float64        `yaml:"lr,omitempty" within:"(0,1e38]"`
	Betas       []float64      `yaml:"betas,flow,omitempty" within:"[0,1)"`
	Epsilon     float64        `yaml:"epsilon,omitempty" within:"(0,1]"`
	Momentum    float64        `yaml:"momentum,omitempty" within:"[0,1)"`
	WeightDecay float64        `yaml:"weight_decay,omitempty" within:"[0,1000000]"`
	Schedule    optim.Schedule `yaml:"schedule,omitempty"`
	// ClipNorm is the largest L2 norm of all gradients together; 0 clips nothing.
	ClipNorm float64 `yaml:"clip_norm,omitempty" within:"[0,1000000000]"`
	// Selection is the share of every training class that is held out to choose the best checkpoint; default 0.1. 0 trains
	// on everything and keeps the last checkpoint.
	Selection *float64 `yaml:"selection,omitempty" within:"[0,1)"`
	// CheckpointSteps is the number of steps between checkpoints within an epoch; 0 writes them at the end of epochs only.
	CheckpointSteps int `yaml:"checkpoint_steps,omitempty" within:"[0,1000000000]"`
	// TensorBoard writes the figures of epochs as an event file, too.
	TensorBoard bool `yaml:"tensorboard,omitempty"`
}

// WithDefaults fills in what the configuration leaves out; rows is the number of training rows.
func (o Options) WithDefaults(rows int) Options {
	o.Batch = o.Batch.WithDefaults()
	if o.Epochs == 0 {
		o.Epochs = 10
	}
	if o.StepsPerEpoch == 0 {
		o.StepsPerEpoch = max((rows+o.Batch.Rows()-1)/o.Batch.Rows(), 1)
	}
	if o.LR == 0 {
		o.LR = 1e-3
	}
	if o.Selection == nil {
		share := 0.1
		o.Selection = &share
	}
	return o
}

// Resolved is WithDefaults with those of the optimiser and the schedule written out, too.
func (o Options) Resolved() Options {
	o = o.WithDefaults(1)
	o.Optimizer = cmp.Or(o.Optimizer, optim.Adam)
	if o.Optimizer != optim.SGD {
		o.Epsilon = cmp.Or(o.Epsilon, optim.DefaultEpsilon)
		if o.Betas == nil {
			o.Betas = optim.DefaultBetas()
		}
	}
	o.Schedule = o.Schedule.Resolved()
	return o
}

// Validate returns ErrOptions, or ErrOptions of package optim, for a value that is out of range.
func (o Options) Validate() error {
	switch {
	case o.Epochs < 0:
		return fmt.Errorf("%w: epochs is %d, expected 1 or more", ErrOptions, o.Epochs)
	case o.StepsPerEpoch < 0:
		return fmt.Errorf("%w: steps_per_epoch is %d, expected 1 or more", ErrOptions, o.StepsPerEpoch)
	case o.LR < 0:
		return fmt.Errorf("%w: lr is %g, expected above 0", ErrOptions, o.LR)
	case o.ClipNorm < 0:
		return fmt.Errorf("%w: clip_norm is %g, expected 0 or more", ErrOptions, o.ClipNorm)
	case o.CheckpointSteps < 0:
		return fmt.Errorf("%w: checkpoint_steps is %d, expected 0 or more", ErrOptions, o.CheckpointSteps)
	case o.Betas != nil && len(o.Betas) != 2:
		return fmt.Errorf("%w: betas has %d values, expected 2", ErrOptions, len(o.Betas))
	case o.Selection != nil && (*o.Selection < 0 || *o.Selection >= 1):
		return fmt.Errorf("%w: selection is %g, expected 0 to below 1", ErrOptions, *o.Selection)
	}
	if err := o.Batch.WithDefaults().Validate(); err != nil {
		return err
	}
	if _, err := optim.New[float32](o.optimizer(), nil); err != nil {
		return err
	}
	return o.Schedule.Validate()
}

func (o Options) optimizer() optim.Options {
	return optim.Options{
		Kind: o.Optimizer, WeightDecay: o.WeightDecay, Momentum: o.Momentum, Betas: o.Betas,
		Epsilon: o.Epsilon,
	}
}
