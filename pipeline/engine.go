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
	return opened, engineError(err)
}

// checkEngine refuses an execution provider that is not there, before anything is trained.
func (r *Runner) checkEngine(e config.Engine) error {
	o := ort.Options{Provider: e.Provider, ProviderOptions: e.ProviderOptions}
	if e.Kind == config.EngineGorgonia || o.OnProcessor() && len(o.ProviderOptions) == 0 {
		return nil
	}
	if err := r.runtime(); err != nil {
		return err
	}
	return engineError(ort.CheckProvider(o))
}

func engineError(err error) error {
	if errors.Is(err, ort.ErrProvider) {
		return fmt.Errorf("%w: engine: %w", config.ErrConfig, err)
	}
	return err
}
