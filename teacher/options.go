package teacher

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"rkd/datasets"
)

// Sentinels of the package's errors.
var (
	ErrOptions = errors.New("teacher options")                 // a configuration that cannot work
	ErrShape   = errors.New("the model does not fit the data") // shapes of the model and of the samples, or its outputs
)

// Values of Options.Normalize.
const (
	NormalizeNone = "none"
	NormalizeL2   = "l2"
)

// DefaultBatch is the number of samples per batch when Options.Batch is 0.
const DefaultBatch = 32

// Options are the `teacher:` section of a configuration.
type Options struct {
	Model string `yaml:"model,omitempty" path:"true"` // ONNX file
	// name of a teacher that is not here, in place of Model: its embeddings come by `rkd cache import`
	Declared string `yaml:"declared,omitempty"`
	Input    string `yaml:"input,omitempty"` // may be left out when the model has one
	// tensor that is the embedding, may be left out when the model has one; several become one by concatenation
	Output Names  `yaml:"output,omitempty"`
	Pool   string `yaml:"pool,omitempty"`   // how an output of tokens or places becomes a vector, see PoolMean
	Logits Logits `yaml:"logits,omitempty"` // tensor with class scores, kept beside the embedding; none when empty

	Inputs Constants `yaml:"inputs,omitempty"` // values of the model's other inputs

	Preprocess datasets.Preprocess `yaml:"preprocess,omitempty"`
	Normalize  string              `yaml:"normalize,omitempty"` // none (default) or l2: rows of the embedding to length 1

	// samples per run; default 32; a fixed batch dimension wins
	Batch           int               `yaml:"batch,omitempty" within:"[1,65536]"`
	Threads         int               `yaml:"threads,omitempty" within:"[0,1024]"` // per operator; 0: one per core
	Provider        string            `yaml:"provider,omitempty"`                  // execution provider; cpu when empty
	ProviderOptions map[string]string `yaml:"provider_options,omitempty"`

	// Normalizes says that a model of pixels has the scale, mean and std of Preprocess in its graph, as exported students
	// have. Without it they are refused for such a model, as nothing would apply them.
	Normalizes bool `yaml:"-"`
}

// NoModel is Model where there is no teacher; `teacher: none` in a configuration.
const NoModel = "none"

// Shorthand names the key that a bare value sets.
func (*Options) Shorthand() string { return "model" }

// Validate checks the fields on their own, without touching a file. Errors wrap ErrOptions.
func (o Options) Validate() error {
	switch {
	case o.Model == "" && o.Declared == "":
		return fmt.Errorf("%w: model is empty, expected an ONNX file", ErrOptions)
	case o.Model != "" && o.Declared != "":
		return fmt.Errorf("%w: model is %q and declared %q, expected one of them", ErrOptions, o.Model, o.Declared)
	case o.Declared != "" && (len(o.Output) > 0 || o.Logits.Tensor != "" || o.Input != "" || o.Pool != "" ||
		len(o.Inputs) > 0):
		return fmt.Errorf("%w: a declared teacher has vectors, and neither input, inputs, output, pool nor logits",
			ErrOptions)
	case o.Logits.Tensor != "" && slices.Contains(o.Output, o.Logits.Tensor):
		return fmt.Errorf("%w: logits and output are both %q, expected two tensors", ErrOptions, o.Logits.Tensor)
	case o.Logits.Tensor == "" && o.Logits.Top != 0:
		return fmt.Errorf("%w: logits.tensor is empty, expected the name of a tensor", ErrOptions)
	case o.Pool != "" && !slices.Contains(pools, o.Pool):
		return fmt.Errorf("%w: pool is %q, expected %s", ErrOptions, o.Pool, strings.Join(pools, ", "))
	case o.Normalize != "" && o.Normalize != NormalizeNone && o.Normalize != NormalizeL2:
		return fmt.Errorf("%w: normalize is %q, expected %s or %s", ErrOptions, o.Normalize, NormalizeNone, NormalizeL2)
	case o.Batch < 0:
		return fmt.Errorf("%w: batch is %d, expected 1 or more", ErrOptions, o.Batch)
	case o.Threads < 0:
		return fmt.Errorf("%w: threads is %d, expected 0 or more", ErrOptions, o.Threads)
	}
	for i, name := range o.Output {
		if name == "" || slices.Contains(o.Output[:i], name) {
			return fmt.Errorf("%w: output is %q, expected different tensors, each by its name", ErrOptions, o.Output)
		}
	}
	if _, both := o.Inputs[o.Input]; both {
		return fmt.Errorf("%w: input %q is given a constant in inputs, expected samples or a constant", ErrOptions, o.Input)
	}
	if err := o.Preprocess.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrOptions, err)
	}
	return nil
}
