package ort

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	ort "github.com/yalue/onnxruntime_go"

	"rkd/models/onnx"
)

// Options say how a session computes.
type Options struct {
	Threads         int               // of one operator; 0: one per core
	Provider        string            // execution provider, such as cuda or coreml; "" and cpu: the processor
	ProviderOptions map[string]string // of the provider, by the runtime's names
}

// Session is a model that is ready to run. Several goroutines may run it at once; they share its threads.
type Session struct {
	s       *ort.DynamicAdvancedSession
	inputs  []onnx.Tensor
	outputs []onnx.Tensor
}

// ErrElement is wrapped by Run's error about an output that it was to make and that no Value can hold: elements of
// a type that Go has no slice for, such as float16, which a cast inside the graph helps, or no dimension at all.
var ErrElement = errors.New("an output is no tensor of float, integer or bool elements with at least one dimension")

// Entries of the runtime's session configuration, by its names.
const (
	entryExternalDir = "session.model_external_initializers_file_folder_path"
	entrySpinning    = "session.intra_op.allow_spinning"
)

// NewSession prepares a model. Its external data are read from m.Dir. The session runs its operators one after another,
// each with o.Threads threads, so that one batch gives the same bits every time.
//
// Errors wrap ErrProvider when the library lacks the provider, and ErrNotReady before Init.
func NewSession(m *onnx.Model, o Options) (*Session, error) {
	if !ort.IsInitialized() {
		return nil, ErrNotReady
	}
	s := &Session{inputs: m.Inputs(), outputs: m.Outputs()}
	if len(s.inputs) == 0 || len(s.outputs) == 0 {
		return nil, fmt.Errorf("preparing the session: the model has %d inputs and %d outputs, expected some of both",
			len(s.inputs), len(s.outputs))
	}
	options, err := sessionOptions(m, o)
	if err != nil {
		return nil, fmt.Errorf("preparing the session: %w", err)
	}
	data, err := m.Marshal()
	if err == nil {
		s.s, err = ort.NewDynamicAdvancedSessionWithONNXData(data, names(s.inputs), names(s.outputs), options)
	}
	if err := errors.Join(clean(err), clean(options.Destroy())); err != nil {
		return nil, fmt.Errorf("preparing the session: %w", err)
	}
	return s, nil
}

func sessionOptions(m *onnx.Model, o Options) (*ort.SessionOptions, error) {
	if o.Threads < 0 {
		return nil, fmt.Errorf("option threads is %d, expected 0 or more", o.Threads)
	}
	options, err := ort.NewSessionOptions()
	if err != nil {
		return nil, clean(err)
	}
	dir := m.Dir
	if dir == "" {
		dir = "."
	}
	err = errors.Join(
		options.SetIntraOpNumThreads(o.Threads),
		options.SetInterOpNumThreads(1),
		options.SetExecutionMode(ort.ExecutionModeSequential),
		options.SetLogSeverityLevel(ort.LoggingLevelFatal),
		options.AddSessionConfigEntry(entryExternalDir, dir),
		// Threads that wait in a loop take the cores from those who read the next batch.
		options.AddSessionConfigEntry(entrySpinning, "0"),
	)
	if err != nil {
		return nil, errors.Join(clean(err), options.Destroy())
	}
	if err := appendProvider(options, o); err != nil {
		return nil, errors.Join(err, options.Destroy())
	}
	return options, nil
}

func names(ts []onnx.Tensor) []string {
	var list []string
	for _, t := range ts {
		list = append(list, t.Name)
	}
	return list
}

// Outputs are the tensors that Run gives, in its order, as the model file describes them. What a file says about an
// output can be incomplete; the value that Run gives has its full type.
func (s *Session) Outputs() []onnx.Tensor { return slices.Clone(s.outputs) }

// Run computes outputs from inputs, both in the session's order. An output that is nil is made by the runtime and is
// the caller's to close; one that is a tensor of the right shape is written in place, without a copy or an allocation.
//
// When ctx ends, the runtime stops after the operator under way, which ends a model that loops for ever, and Run
// returns ctx's error.
func (s *Session) Run(ctx context.Context, inputs, outputs []Value) error {
	if len(inputs) != len(s.inputs) || len(outputs) != len(s.outputs) {
		return fmt.Errorf("running the model: %d inputs and %d outputs, expected %d and %d",
			len(inputs), len(outputs), len(s.inputs), len(s.outputs))
	}
	in, out := make([]ort.Value, len(inputs)), make([]ort.Value, len(outputs))
	for i, v := range inputs {
		if v == nil {
			return fmt.Errorf("running the model: no value for input %s", s.inputs[i])
		}
		in[i] = v.value()
	}
	for i, v := range outputs {
		if v != nil {
			out[i] = v.value()
		}
	}
	if err := s.runUntil(ctx, in, out); err != nil {
		for i, v := range out { // of those that the runtime made before it failed the last can be a nil pointer
			if v != nil && outputs[i] == nil && !reflect.ValueOf(v).IsNil() {
				err = errors.Join(err, v.Destroy())
			}
		}
		if ctx.Err() != nil {
			return fmt.Errorf("running the model: %w", ctx.Err())
		}
		err = clean(err)
		if why, ok := strings.CutPrefix(err.Error(), "Error creating tensor from ort: "); ok {
			err = fmt.Errorf("%w: %s", ErrElement, why)
		}
		return fmt.Errorf("running the model: %w", err)
	}
	for i, v := range out {
		if outputs[i] == nil {
			outputs[i] = wrap(v)
		}
	}
	return nil
}

// runUntil runs the model and stops the run when ctx ends.
func (s *Session) runUntil(ctx context.Context, in, out []ort.Value) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	options, err := ort.NewRunOptions()
	if err != nil {
		return err
	}
	terminated := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(terminated)
		_ = options.Terminate() // fails on options that are gone, and these are not
	})
	err = s.s.RunWithOptions(in, out, options)
	if !stop() {
		<-terminated // the options are in use until then
	}
	return errors.Join(err, options.Destroy())
}

// Close gives the session back.
func (s *Session) Close() error { return clean(s.s.Destroy()) }
