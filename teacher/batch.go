package teacher

import (
	"rkd/datasets"
	"rkd/models/ort"
)

// Transform makes the model's input of a sample.
func (m *Model) Transform() datasets.Transform { return m.input.transform }

// capacity is the number of rows that the model is given for a batch: more than those of the batch where its batch
// dimension is fixed.
func (m *Model) capacity(b *datasets.Batch) int {
	if m.fixed {
		return m.batch
	}
	return b.Len()
}

// inputValue is the batch as the runtime's tensor, over the same memory.
func (m *Model) inputValue(b *datasets.Batch) (ort.Value, error) {
	rows := m.capacity(b)
	b.Pad(rows)
	shape, n := append([]int{rows}, m.input.shape...), rows*m.input.size
	if m.input.transform.Elem() == datasets.Uint8 {
		return ort.NewTensor(shape, b.Values.Uint8[:n])
	}
	return ort.NewTensor(shape, b.Values.Float32[:n])
}
