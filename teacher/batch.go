package teacher

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"rkd/datasets"
	"rkd/models/ort"
)

// Batch is a number of samples that are ready to run. It is made by Prepare and used up by Run.
type Batch struct {
	rows     int // samples
	capacity int // rows that the model is given: more than samples when its batch dimension is fixed
	*buffer
}

// buffer is room for the largest batch; one of its slices is nil.
type buffer struct {
	numbers []float32 // (Batch,size)
	pixels  []uint8   // (Batch,size)
}

// Prepare preprocesses 1 to Batch images, several at a time. It is the first half of Embed: with Run in another
// goroutine, the next batch is prepared while one is computed.
//
// Errors wrap ErrShape when an image comes out in another shape than the sample that the model was opened with.
func (m *Model) Prepare(images []datasets.Image) (Batch, error) {
	if len(images) < 1 || len(images) > m.batch {
		return Batch{}, fmt.Errorf("preparing a batch: %d images, expected 1 to %d", len(images), m.batch)
	}
	b := m.take(len(images))
	workers := min(runtime.GOMAXPROCS(0), len(images))
	failed := make([]error, len(images))
	var next atomic.Int64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(images); i = int(next.Add(1)) - 1 {
				failed[i] = m.prepare(images[i], b, i)
			}
		})
	}
	group.Wait()
	for i, err := range failed {
		if err != nil {
			m.release(b)
			return Batch{}, fmt.Errorf("preparing image %d of the batch: %w", i, err)
		}
	}
	// Rows that only fill the fixed batch repeat the last sample: numbers that the model is used to.
	for i := b.rows; i < b.capacity; i++ {
		fillRow(b.numbers, b.rows-1, i, m.input.size)
		fillRow(b.pixels, b.rows-1, i, m.input.size)
	}
	return b, nil
}

func fillRow[T any](data []T, from, to, size int) {
	if data != nil {
		copy(data[to*size:(to+1)*size], data[from*size:(from+1)*size])
	}
}

// take finds room for a batch, that of an earlier one where possible.
func (m *Model) take(rows int) Batch {
	b, ok := m.buffers.Get().(*buffer)
	switch {
	case ok:
	case m.input.pixels:
		b = &buffer{pixels: make([]uint8, m.batch*m.input.size)}
	default:
		b = &buffer{numbers: make([]float32, m.batch*m.input.size)}
	}
	if m.fixed {
		return Batch{rows, m.batch, b}
	}
	return Batch{rows, rows, b}
}

func (m *Model) release(b Batch) { m.buffers.Put(b.buffer) }

func (m *Model) prepare(img datasets.Image, b Batch, row int) error {
	l := m.input
	shape, err := l.preprocess.Shape(img)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrShape, err)
	}
	if !slices.Equal(shape, l.sample) {
		return fmt.Errorf("%w: its shape is %s, that of the first sample %s: set preprocess.resize or preprocess.crop",
			ErrShape, batchShape(shape), batchShape(l.sample))
	}
	if !l.pixels {
		return l.preprocess.Apply(img, b.numbers[row*l.size:(row+1)*l.size])
	}
	img, err = l.preprocess.Pixels(img)
	if err != nil {
		return err
	}
	dst := b.pixels[row*l.size : (row+1)*l.size]
	if l.preprocess.Layout == layoutNHWC {
		copy(dst, img.Pixels)
		return nil
	}
	plane := img.Height * img.Width
	for i := range plane {
		for c := range img.Channels {
			dst[c*plane+i] = img.Pixels[i*img.Channels+c]
		}
	}
	return nil
}

// inputValue is the batch as the runtime's tensor, over the same memory.
func (m *Model) inputValue(b Batch) (ort.Value, error) {
	shape := append([]int{b.capacity}, m.input.shape...)
	if m.input.pixels {
		return ort.NewTensor(shape, b.pixels[:b.capacity*m.input.size])
	}
	return ort.NewTensor(shape, b.numbers[:b.capacity*m.input.size])
}
