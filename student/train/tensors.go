package train

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/nlpodyssey/safetensors"
	"gorgonia.org/tensor"

	"rkd/datasets/memory"
	"rkd/student/arch"
	"rkd/student/engine"
	"rkd/student/loss"
)

// momentPrefix starts the names of the optimiser's moments in a tensor file; weights go by their own names.
const momentPrefix = "optimizer."

type tensorView = safetensors.TensorView

// tensors is the content of a tensor file.
type tensors struct {
	path    string
	content safetensors.SafeTensors
}

// Learned gives the parameters of losses the form of a student's, sharing their memory.
func Learned(params []*loss.Param[float32]) []arch.Tensor {
	learned := make([]arch.Tensor, len(params))
	for i, p := range params {
		learned[i] = arch.Tensor{Name: p.Name, Value: tensor.New(tensor.WithShape(p.Shape...), tensor.WithBacking(p.Value))}
	}
	return learned
}

func parseTensors(path string, data []byte) (*tensors, error) {
	content, err := safetensors.Deserialize(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %q is no safetensors file: %w", ErrCheckpoint, path, err)
	}
	return &tensors{path: path, content: content}, nil
}

// values are the tensors' own memory.
func values(tensors []arch.Tensor) [][]float32 {
	v := make([][]float32, len(tensors))
	for i, t := range tensors {
		v[i] = t.Value.Data().([]float32)
	}
	return v
}

// collect gathers weights and moments by name.
func collect(s engine.State) map[string]tensorView {
	views := map[string]tensorView{}
	add := func(name string, t arch.Tensor, values []float32) {
		shape := make([]uint64, 0, t.Value.Dims())
		for _, d := range t.Value.Shape() {
			shape = append(shape, uint64(d))
		}
		data := memory.Make[byte](4 * len(values))[:0]
		for _, v := range values {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		// The only error is a data length that differs from the shape's.
		views[name], _ = safetensors.NewTensorView(safetensors.F32, shape, data)
	}
	weights := slices.Concat(s.Params, s.Buffers)
	for i, v := range values(weights) {
		add(weights[i].Name, weights[i], v)
	}
	for name, moments := range s.Moments {
		for i, t := range s.Params {
			add(momentPrefix+name+"."+t.Name, t, moments[i])
		}
	}
	return views
}

func serialize(views map[string]tensorView) ([]byte, error) {
	bytes := int64(0)
	for _, v := range views {
		bytes += int64(len(v.Data()))
	}
	if err := memory.Check("writing a checkpoint", bytes); err != nil {
		return nil, err
	}
	return safetensors.Serialize(views, map[string]string{"format": "pt"})
}

// fill copies tensors of the file, named prefix and the target's name, to values: one slice for each target, with its
// shape.
func (t *tensors) fill(prefix string, targets []arch.Tensor, values [][]float32) error {
	for i, target := range targets {
		view, ok := t.content.Tensor(prefix + target.Name)
		if !ok {
			return fmt.Errorf("%w: %q has no tensor %q: it belongs to another architecture", ErrCheckpoint, t.path,
				prefix+target.Name)
		}
		shape := make([]int, len(view.Shape()))
		for j, d := range view.Shape() {
			shape[j] = int(d)
		}
		if view.DType() != safetensors.F32 || !slices.Equal(shape, target.Value.Shape()) {
			return fmt.Errorf("%w: %q: tensor %q is %s %v, expected F32 %v", ErrCheckpoint, t.path,
				prefix+target.Name, view.DType(),
				shape, []int(target.Value.Shape()))
		}
		data := view.Data()
		for j := range values[i] {
			values[i][j] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*j:]))
		}
	}
	return nil
}
