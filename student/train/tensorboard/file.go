package tensorboard

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"google.golang.org/protobuf/proto"
)

// FileName is the name of an event file. TensorBoard looks for files with tfevents in their names.
const FileName = "events.out.tfevents.0.rkd"

// Scalar is one value of a curve.
type Scalar struct {
	Tag   string // its curve; what stands before a slash groups curves
	Value float64
}

// Point are the scalars of one step.
type Point struct {
	Step    int64
	Seconds float64 // that the training has taken so far: TensorBoard's wall time, counted from 0
	Scalars []Scalar
}

// fileVersion is the first event of every file.
const fileVersion = "brain.Event:2"

// Marshal returns the bytes of an event file. They depend on points alone, and those of more points begin with those of
// fewer: a file can be added to.
func Marshal(points []Point) ([]byte, error) {
	var b bytes.Buffer
	events := []*Event{{What: &Event_FileVersion{FileVersion: fileVersion}}}
	for _, p := range points {
		summary := &Summary{}
		for _, s := range p.Scalars {
			summary.Value = append(summary.Value, &Summary_Value{Tag: s.Tag, SimpleValue: float32(s.Value)})
		}
		events = append(events, &Event{WallTime: p.Seconds, Step: p.Step, What: &Event_Summary{Summary: summary}})
	}
	for _, e := range events {
		data, err := proto.MarshalOptions{Deterministic: true}.Marshal(e)
		if err != nil {
			return nil, fmt.Errorf("writing an event of step %d: %w", e.Step, err)
		}
		writeRecord(&b, data)
	}
	return b.Bytes(), nil
}

// writeRecord writes a TFRecord: the length and its checksum, the data and theirs, all little-endian.
func writeRecord(b *bytes.Buffer, data []byte) {
	length := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	b.Write(length)
	b.Write(binary.LittleEndian.AppendUint32(nil, masked(length)))
	b.Write(data)
	b.Write(binary.LittleEndian.AppendUint32(nil, masked(data)))
}

// ErrRecord reports an event file that is cut short or damaged.
var ErrRecord = errors.New("event file")

// Unmarshal reads an event file. Its error wraps ErrRecord and names the record.
func Unmarshal(data []byte) ([]Point, error) {
	r := bytes.NewReader(data)
	var points []Point
	for n := 0; r.Len() > 0; n++ {
		record, err := readRecord(r)
		if err != nil {
			return nil, fmt.Errorf("%w: record %d: %w", ErrRecord, n, err)
		}
		e := new(Event)
		if err := proto.Unmarshal(record, e); err != nil {
			return nil, fmt.Errorf("%w: record %d: %w", ErrRecord, n, err)
		}
		if n == 0 && e.GetFileVersion() != fileVersion {
			return nil, fmt.Errorf("%w: the first record is %q, expected %q", ErrRecord, e.GetFileVersion(), fileVersion)
		}
		if e.GetSummary() == nil {
			continue
		}
		p := Point{Step: e.Step, Seconds: e.WallTime}
		for _, v := range e.GetSummary().Value {
			p.Scalars = append(p.Scalars, Scalar{v.Tag, float64(v.SimpleValue)})
		}
		points = append(points, p)
	}
	return points, nil
}

func readRecord(r *bytes.Reader) ([]byte, error) {
	var head [12]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	if got := binary.LittleEndian.Uint32(head[8:]); got != masked(head[:8]) {
		return nil, fmt.Errorf("the length has checksum %08x, expected %08x", got, masked(head[:8]))
	}
	length := binary.LittleEndian.Uint64(head[:8])
	if length > uint64(r.Len()) {
		return nil, io.ErrUnexpectedEOF
	}
	body := make([]byte, length+4)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	data := body[:length]
	if got := binary.LittleEndian.Uint32(body[length:]); got != masked(data) {
		return nil, fmt.Errorf("the data have checksum %08x, expected %08x", got, masked(data))
	}
	return data, nil
}

// masked is the CRC-32C of data as TFRecords store it: turned by 15 bits, plus a constant.
//
// Source: tensorflow/core/lib/hash/crc32c.h.
func masked(data []byte) uint32 {
	sum := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
	return (sum>>15 | sum<<17) + 0xa282ead8
}
