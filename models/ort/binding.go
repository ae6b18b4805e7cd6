package ort

import (
	"errors"
	"fmt"

	ort "github.com/yalue/onnxruntime_go"
)

// Binding is a session whose inputs and outputs are tied to tensors once, so that a run allocates and copies nothing on
// this side. A binding is not safe for concurrent use; several bindings of one session are.
type Binding struct {
	session *Session
	b       *ort.IoBinding
	values  []Value // kept alive: the runtime works on their memory
}

// Bind ties inputs and outputs, both in the session's order, to the session. Every value is given and has the shape
// that the model reads or writes; the values are the caller's to close, after the binding.
func (s *Session) Bind(inputs, outputs []Value) (*Binding, error) {
	if len(inputs) != len(s.inputs) || len(outputs) != len(s.outputs) {
		return nil, fmt.Errorf("binding the model: %d inputs and %d outputs, expected %d and %d",
			len(inputs), len(outputs), len(s.inputs), len(s.outputs))
	}
	io, err := s.s.CreateIoBinding()
	if err != nil {
		return nil, fmt.Errorf("binding the model: %w", clean(err))
	}
	b := &Binding{session: s, b: io}
	for i, v := range inputs {
		if v == nil {
			err = fmt.Errorf("no value for input %s", s.inputs[i])
		} else {
			err = clean(io.BindInput(s.inputs[i].Name, v.value()))
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("binding the model: %w", err), b.Close())
		}
		b.values = append(b.values, v)
	}
	for i, v := range outputs {
		if v == nil {
			err = fmt.Errorf("no value for output %s", s.outputs[i])
		} else {
			err = clean(io.BindOutput(s.outputs[i].Name, v.value()))
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("binding the model: %w", err), b.Close())
		}
		b.values = append(b.values, v)
	}
	return b, nil
}

// Run computes the bound outputs from what the bound inputs hold now.
func (b *Binding) Run() error {
	if err := b.session.s.RunWithBinding(b.b); err != nil {
		return fmt.Errorf("running the model: %w", clean(err))
	}
	return nil
}

// Close gives the runtime's part of the binding back; values and session stay the caller's.
func (b *Binding) Close() error { return clean(b.b.Destroy()) }
