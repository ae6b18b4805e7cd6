package pipeline

import (
	"errors"
	"fmt"

	"rkd/models/ort"
	"rkd/pipeline/config"
	"rkd/student/arch"
	"rkd/student/engine"
)

// openEngine compiles a network for training on the memory of weights.
func (r *Runner) openEngine(e config.Engine, network *arch.Network, weights *arch.Weights,
	batch int,
) (engine.Engine, error) {
	if e.Kind == config.EngineGorgonia {
		return engine.NewGorgonia(network, weights, batch)
	}
	if err := r.runtime(); err != nil {
		return nil, err
	}
	opened, err := engine.NewONNXRuntime(network, weights, batch, engine.Options{
		Threads: e.Threads, Provider: e.Provider, ProviderOptions: e.ProviderOptions,
	})
	if errors.Is(err, ort.ErrProvider) {
		return nil, fmt.Errorf("%w: engine: %w", config.ErrConfig, err)
	}
	return opened, err
}
