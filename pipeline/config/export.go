package config

import (
	"fmt"
	"maps"
	"slices"

	"rkd/pipeline/eval"
)

// Values of Export.Quantize.
const (
	QuantizeInt8    = "int8"
	QuantizeFloat16 = "float16"
)

// Export is the `export` section.
type Export struct {
	// Preprocess bakes the preprocessing in: the model takes pixels, uint8 (N,H,W,C).
	Preprocess bool `yaml:"preprocess,omitempty"`
	// FoldBatchNorm folds batch normalisation into the layer before it; default true.
	FoldBatchNorm *bool `yaml:"fold_batch_norm,omitempty"`
	// Quantize also writes a smaller form: int8 or float16.
	Quantize string `yaml:"quantize,omitempty"`
	// Calibrate is the number of training samples that the ranges of int8 are of; default 512.
	Calibrate int `yaml:"calibrate,omitempty" within:"[1,1000000]"`
	// MaxDrop is by how much each of its metrics may be lower than in float; default 0.01 of the first of eval.metrics.
	MaxDrop map[string]float64 `yaml:"max_drop,omitempty"`
}

// Plain is the section without what belongs to quantised forms alone.
func (e Export) Plain() Export {
	return Export{Preprocess: e.Preprocess, FoldBatchNorm: e.FoldBatchNorm}
}

func (e *Export) fillIn(metrics []string) {
	if e.FoldBatchNorm == nil {
		fold := true
		e.FoldBatchNorm = &fold
	}
	if e.Quantize == "" {
		return
	}
	if e.Calibrate == 0 && e.Quantize == QuantizeInt8 {
		e.Calibrate = 512
	}
	if len(e.MaxDrop) == 0 && len(metrics) > 0 {
		e.MaxDrop = map[string]float64{metrics[0]: 0.01}
	}
}

func (e Export) validate() error {
	if e.Quantize == "" {
		switch {
		case e.Calibrate != 0:
			return fmt.Errorf("calibrate is %d, but quantize is not given: expected quantize: int8", e.Calibrate)
		case len(e.MaxDrop) > 0:
			return fmt.Errorf("max_drop is %v, but quantize is not given: expected quantize: int8 or float16", e.MaxDrop)
		}
		return nil
	}
	if e.Quantize != QuantizeInt8 && e.Quantize != QuantizeFloat16 {
		return fmt.Errorf("quantize is %q, expected %s or %s", e.Quantize, QuantizeInt8, QuantizeFloat16)
	}
	names := slices.Sorted(maps.Keys(e.MaxDrop))
	if _, err := eval.ParseMetrics(names); err != nil {
		return fmt.Errorf("max_drop: %w", err)
	}
	for _, name := range names {
		if drop := e.MaxDrop[name]; !(drop >= 0 && drop <= 1) {
			return fmt.Errorf("max_drop of %s is %v, expected 0 to 1", name, drop)
		}
	}
	return nil
}
