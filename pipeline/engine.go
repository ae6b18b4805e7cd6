package pipeline

import (
	"errors"
	"fmt"

	"rkd/models/ort"
	"rkd/student/arch"
	"rkd/student/engine"
	"rkd/student/train"
)

// Kinds of engine.
const (
	engineONNXRuntime = "onnxruntime"
	engineGorgonia    = "gorgonia"
)

// Engine is the `engine` section: what runs students while they train.
type Engine struct {
	// Kind is onnxruntime (default) or gorgonia, the reference.
	Kind string `yaml:"kind,omitempty"`
	// Threads of onnxruntime; default all cores.
	Threads int `yaml:"threads,omitempty"`
	// Provider of onnxruntime is its execution provider; default cpu.
	Provider        string            `yaml:"provider,omitempty"`
	ProviderOptions map[string]string `yaml:"provider_options,omitempty"`
}

func (e Engine) validate() error {
	switch {
	case e.Kind != engineONNXRuntime && e.Kind != engineGorgonia:
		return fmt.Errorf("kind is %q, expected %s or %s", e.Kind, engineONNXRuntime, engineGorgonia)
	case e.Threads < 0:
		return fmt.Errorf("threads is %d, expected 0 or more", e.Threads)
	case e.Kind == engineGorgonia && (e.Threads != 0 || e.Provider != "" && e.Provider != "cpu" || len(e.ProviderOptions) > 0):
		return fmt.Errorf("threads, provider and provider_options belong to kind %s, but kind is %s", engineONNXRuntime, e.Kind)
	}
	return nil
}

// studentEngine trains and infers until it is closed.
type studentEngine interface {
	train.Engine
	Close() error
}

// openEngine compiles a network for training on the memory of weights.
func (r *Runner) openEngine(e Engine, network *arch.Network, weights *arch.Weights, batch int) (studentEngine, error) {
	if e.Kind == engineGorgonia {
		return engine.NewGorgonia(network, weights, batch)
	}
	if err := r.runtime(); err != nil {
		return nil, err
	}
	opened, err := engine.NewONNXRuntime(network, weights, batch, engine.Options{
		Threads: e.Threads, Provider: e.Provider, ProviderOptions: e.ProviderOptions,
	})
	if errors.Is(err, ort.ErrProvider) {
		return nil, fmt.Errorf("%w: engine: %w", ErrConfig, err)
	}
	return opened, err
}
