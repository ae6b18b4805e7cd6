package cache

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"rkd/pipeline/storage"
)

// Basis reduces embeddings to their principal components,
//
//	y = A (x − m)
//
// with the mean m of the embeddings that it was fitted to and the rows of A, orthogonal, in the order of the variance
// along them, and of length 1 but for whitening. Its file is a matrix in NumPy's format, (1+D,W) of float32: m, then A.
type Basis struct {
	Mean []float32 // (W), W is the width of the teacher's embedding
	Axes []float32 // (D,W)
}

// Width is the width of the embeddings that the basis reduces.
func (b *Basis) Width() int { return len(b.Mean) }

// Dim is what it reduces them to.
func (b *Basis) Dim() int { return len(b.Axes) / max(1, len(b.Mean)) }

func (b *Basis) validate() error {
	switch {
	case b == nil || len(b.Mean) == 0 || len(b.Axes) == 0 || len(b.Axes)%len(b.Mean) != 0 || b.Dim() > b.Width():
		return errors.New("no principal components")
	case slices.ContainsFunc(append(slices.Clone(b.Mean), b.Axes...), func(v float32) bool {
		return math.IsNaN(float64(v)) || math.IsInf(float64(v), 0)
	}):
		return errors.New("principal components that are not finite")
	}
	return nil
}

// Reduce returns the components of embeddings (R,W), (R,D). Sums are of float64 and in a fixed order.
func (b *Basis) Reduce(embeddings []float32) []float32 {
	width, dim := b.Width(), b.Dim()
	n := len(embeddings) / width
	out := make([]float32, n*dim)
	centred := make([]float64, width)
	for i := range n {
		for j, m := range b.Mean {
			centred[j] = float64(embeddings[i*width+j]) - float64(m)
		}
		for d := range dim {
			axis, sum := b.Axes[d*width:(d+1)*width], 0.0
			for j, v := range centred {
				sum += v * float64(axis[j])
			}
			out[i*dim+d] = float32(sum)
		}
	}
	return out
}

func (b *Basis) head() string {
	head := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", b.Dim()+1, b.Width())
	const fixed = 10 // magic, version and length
	return head + string(bytes.Repeat([]byte{' '}, 63-(fixed+len(head))%64)) + "\n"
}

// encode writes the basis in NumPy's format.
func (b *Basis) encode(w io.Writer) error {
	out := bufio.NewWriter(w)
	head := b.head()
	_, _ = out.WriteString("\x93NUMPY\x01\x00") // Flush tells what went wrong
	_ = binary.Write(out, binary.LittleEndian, uint16(len(head)))
	_, _ = out.WriteString(head)
	_ = binary.Write(out, binary.LittleEndian, b.Mean)
	_ = binary.Write(out, binary.LittleEndian, b.Axes)
	return out.Flush()
}

// sum is the SHA-256 of the basis's file.
func (b *Basis) sum() string {
	d := newDigest()
	_ = b.encode(d) // a hash never fails
	return d.hex()
}

// readBasis reads the principal components of a plan, by their file's SHA-256.
func readBasis(ctx context.Context, store Store, sum string) (*Basis, error) {
	name := contentName(sum, basisSuffix)
	data, err := storage.ReadFile(ctx, store, name, maxJSON)
	if err != nil {
		return nil, corrupt(store.Path(name), err)
	}
	d := newDigest()
	_, _ = d.Write(data)
	if d.hex() != sum {
		return nil, corrupt(store.Path(name), errors.New("its SHA-256 is not that of the plan"))
	}
	// Whose bytes these are is settled: what encode wrote.
	length := int(binary.LittleEndian.Uint16(data[8:]))
	var rows, width int
	head := string(data[10 : 10+length])
	const shape = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }"
	if _, err := fmt.Sscanf(head, shape, &rows, &width); err != nil {
		return nil, corrupt(store.Path(name), err)
	}
	values := make([]float32, rows*width)
	if _, err := binary.Decode(data[10+length:], binary.LittleEndian, values); err != nil {
		return nil, corrupt(store.Path(name), err)
	}
	return &Basis{Mean: values[:width:width], Axes: values[width:]}, nil
}

// ReadBasis reads the principal components of the folder's plans. It returns nil where there is no plan, or one of
// whole embeddings.
func ReadBasis(ctx context.Context, dir string) (*Basis, error) {
	p, err := ReadPlan(ctx, dir)
	if errors.Is(err, ErrNoPlan) {
		return nil, nil
	}
	if err != nil || p.Basis == "" {
		return nil, err
	}
	return readBasis(ctx, openStore(dir), p.Basis)
}

// Basis reads what reduces the embeddings that the writer is given, nil where they are stored whole.
func (w *Writer) Basis(ctx context.Context) (*Basis, error) {
	if w.plan.Basis == "" || w.plan.basis != nil {
		return w.plan.basis, nil
	}
	var err error
	w.plan.basis, err = readBasis(ctx, w.store, w.plan.Basis)
	return w.plan.basis, err
}
