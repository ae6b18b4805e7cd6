package config

import "fmt"

// Kinds of engine.
const (
	EngineONNXRuntime = "onnxruntime"
	EngineGorgonia    = "gorgonia"
)

// Engine is the `engine` section: what runs students while they train.
type Engine struct {
	// Kind is onnxruntime (default) or gorgonia, the reference.
	Kind string `yaml:"kind,omitempty"`
	// Threads of onnxruntime; default all cores.
	Threads int `yaml:"threads,omitempty" within:"[0,1024]"`
	// Provider of onnxruntime is its execution provider; default cpu.
	Provider        string            `yaml:"provider,omitempty"`
	ProviderOptions map[string]string `yaml:"provider_options,omitempty"`
}

func (e Engine) validate() error {
	switch {
	case e.Kind != EngineONNXRuntime && e.Kind != EngineGorgonia:
		return fmt.Errorf("kind is %q, expected %s or %s", e.Kind, EngineONNXRuntime, EngineGorgonia)
	case e.Threads < 0:
		return fmt.Errorf("threads is %d, expected 0 or more", e.Threads)
	case e.Kind == EngineGorgonia && (e.Threads != 0 || e.Provider != "" && e.Provider != "cpu" ||
		len(e.ProviderOptions) > 0):
		return fmt.Errorf("threads, provider and provider_options belong to kind %s, but kind is %s",
			EngineONNXRuntime, e.Kind)
	}
	return nil
}
