package onnx

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"google.golang.org/protobuf/proto"

	"rkd/datasets/regular"
)

// ErrFormat is wrapped by every error about bytes that are no usable ONNX model.
var ErrFormat = errors.New("not a usable ONNX model")

// Model is an ONNX file in memory.
type Model struct {
	Proto *ModelProto
	Dir   string // the folder that locations of external data are relative to

	source *source // what Parse read; nil for a model that was built
}

// source remembers the identity of the bytes that a model was parsed from, which surgery does not change.
type source struct {
	sum      [sha256.Size]byte
	size     int64
	external []string
}

// Load reads the model file at path and checks that the external data files it names are there, lie inside its folder
// and are long enough.
//
// Errors wrap ErrFormat when the bytes are no model (empty, text, truncated, no graph), ErrExternal when a data file is
// missing or refused, and fs errors when the file cannot be read.
func Load(path string) (*Model, error) {
	data, err := regular.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading model %q: %w", path, err)
	}
	m, err := Parse(data, filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("reading model %q: %w", path, err)
	}
	if err := m.checkExternal(); err != nil {
		return nil, fmt.Errorf("reading model %q: %w", path, err)
	}
	return m, nil
}

// lfsPointer begins the small text that Git LFS leaves in place of a file.
const lfsPointer = "version https://git-lfs.github.com/spec/"

// Parse decodes a model from data; dir is the folder of its external data, which Parse does not touch.
// Errors wrap ErrFormat.
func Parse(data []byte, dir string) (*Model, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("%w: the file is empty", ErrFormat)
	}
	if bytes.HasPrefix(data, []byte(lfsPointer)) {
		return nil, fmt.Errorf("%w: the file is a Git LFS pointer, not the model itself: fetch that with \"git lfs pull\"",
			ErrFormat)
	}
	p := new(ModelProto)
	if err := proto.Unmarshal(data, p); err != nil {
		return nil, fmt.Errorf("%w: %d bytes are no complete protobuf message: truncated, or another kind of file",
			ErrFormat, len(data))
	}
	switch {
	case p.Graph == nil:
		return nil, fmt.Errorf("%w: %d bytes without a graph: truncated, or another kind of file", ErrFormat, len(data))
	case p.GetIrVersion() < 1:
		return nil, fmt.Errorf("%w: field ir_version is %d, expected 1 or more", ErrFormat, p.GetIrVersion())
	case p.GetIrVersion() >= 3 && len(p.OpsetImport) == 0:
		return nil, fmt.Errorf("%w: field opset_import is missing: truncated, or another kind of file", ErrFormat)
	}
	m := &Model{Proto: p, Dir: dir}
	m.source = &source{sum: sha256.Sum256(data), size: int64(len(data)), external: m.externalFiles()}
	return m, nil
}

// Marshal encodes the model; equal models give equal bytes. Fields that this package does not know are kept.
func (m *Model) Marshal() ([]byte, error) {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(m.Proto)
	if err != nil {
		return nil, fmt.Errorf("encoding model: %w", err)
	}
	return data, nil
}

// Save writes the model to path at once: a reader sees the old file or the whole new one. External data stay where they
// are, so a model that has some can only be saved into its own folder.
func (m *Model) Save(path string) (err error) {
	dir := filepath.Dir(path)
	if len(m.externalFiles()) > 0 && filepath.Clean(m.Dir) != dir {
		return fmt.Errorf("saving model %q: its external data lie in folder %q, expected the same folder", path, m.Dir)
	}
	data, err := m.Marshal()
	if err != nil {
		return fmt.Errorf("saving model %q: %w", path, err)
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("saving model %q: %w", path, err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("saving model %q: %w", path, errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// Metadata is a copy of the model's metadata_props. Of a repeated key the last value holds.
func (m *Model) Metadata() map[string]string {
	meta := make(map[string]string, len(m.Proto.MetadataProps))
	for _, p := range m.Proto.MetadataProps {
		meta[p.GetKey()] = p.GetValue()
	}
	return meta
}

// SetMetadata replaces the model's metadata_props, in the order of the keys.
func (m *Model) SetMetadata(meta map[string]string) {
	m.Proto.MetadataProps = nil
	for _, key := range slices.Sorted(maps.Keys(meta)) {
		m.Proto.MetadataProps = append(m.Proto.MetadataProps,
			&StringStringEntryProto{Key: proto.String(key), Value: proto.String(meta[key])})
	}
}

// Parameters is the number of elements of the model's weights: initializers and constants inside nodes, subgraphs
// included. Floating-point tensors count, and 8-bit and 4-bit integers, which are the weights of quantised models;
// constants inside nodes only when they have more than one element. Wider integers are shapes and indices and do not
// count. Running statistics of a batch normalisation that was not folded do.
func (m *Model) Parameters() int64 {
	var total int64
	for t, initializer := range tensors(m.Proto.GetGraph()) {
		e := ElemType(t.GetDataType())
		if !e.IsFloat() && e != Int8 && e != Uint8 && e != Int4 && e != Uint4 {
			continue
		}
		n, err := elements(t.Dims)
		if err == nil && (initializer || n > 1) && (e.IsFloat() || n > 1) {
			total += n
		}
	}
	return total
}
