package onnx

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"rkd/datasets/regular"
)

// ErrExternal is wrapped by errors about the files in which a model keeps its tensors outside of itself; it is a kind
// of ErrFormat.
var ErrExternal = fmt.Errorf("%w: external data", ErrFormat)

// externalFiles lists the locations that tensors name, each once, in the order in which they are first named.
func (m *Model) externalFiles() []string {
	var files []string
	seen := make(map[string]bool)
	for t := range tensors(m.Proto.GetGraph()) {
		if t.GetDataLocation() != TensorProto_EXTERNAL {
			continue
		}
		if location := externalField(t, "location"); !seen[location] {
			seen[location] = true
			files = append(files, location)
		}
	}
	return files
}

// ExternalFiles returns the names of the files in which the model at path keeps tensors, relative to its folder. They
// need not be there.
func ExternalFiles(path string) ([]string, error) {
	data, err := regular.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading model %q: %w", path, err)
	}
	m, err := Parse(data, filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("reading model %q: %w", path, err)
	}
	return m.externalFiles(), nil
}

func externalField(t *TensorProto, key string) string {
	for _, e := range t.ExternalData {
		if e.GetKey() == key {
			return e.GetValue()
		}
	}
	return ""
}

// openExternal opens a data file. os.Root refuses what leaves the folder: "..", absolute paths, symbolic links out.
func openExternal(root *os.Root, location string) (*os.File, int64, error) {
	if location == "" {
		return nil, 0, fmt.Errorf("%w: field location is empty, expected a file name", ErrExternal)
	}
	f, err := regular.OpenIn(root, filepath.FromSlash(location))
	if err != nil {
		if pathErr, ok := errors.AsType[*os.PathError](err); ok {
			err = pathErr.Err // the path is named below, once
		}
		return nil, 0, fmt.Errorf("%w: file %q in folder %q: %w", ErrExternal, location, root.Name(), err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("%w: file %q in folder %q: %w", ErrExternal, location, root.Name(),
			errors.Join(err, f.Close()))
	}
	return f, info.Size(), nil
}

// eachExternal calls visit with every data file of the list, opened.
func (m *Model) eachExternal(files []string, visit func(location string, f *os.File, size int64) error) error {
	if len(files) == 0 {
		return nil
	}
	root, err := os.OpenRoot(m.Dir)
	if err != nil {
		return fmt.Errorf("%w: opening folder %q: %w", ErrExternal, m.Dir, err)
	}
	for _, location := range files {
		f, size, err := openExternal(root, location)
		if err != nil {
			return errors.Join(err, root.Close())
		}
		if err := errors.Join(visit(location, f, size), f.Close()); err != nil {
			return errors.Join(err, root.Close())
		}
	}
	return root.Close()
}

// checkExternal verifies that every data file is there and holds the range of bytes that each tensor says it does.
func (m *Model) checkExternal() error {
	sizes := make(map[string]int64)
	err := m.eachExternal(m.externalFiles(), func(location string, _ *os.File, size int64) error {
		sizes[location] = size
		return nil
	})
	if err != nil {
		return err
	}
	for t := range tensors(m.Proto.GetGraph()) {
		if t.GetDataLocation() != TensorProto_EXTERNAL {
			continue
		}
		location := externalField(t, "location")
		if err := checkRange(t, sizes[location]); err != nil {
			return fmt.Errorf("%w: file %q: %w", ErrExternal, location, err)
		}
	}
	return nil
}

func checkRange(t *TensorProto, size int64) error {
	_, _, err := externalRange(t, size)
	return err
}

// externalRange is where a tensor's bytes lie in its data file of the given size.
func externalRange(t *TensorProto, size int64) (offset, bytes int64, err error) {
	if err := checkTensor(t); err != nil {
		return 0, 0, err
	}
	n, err := elements(t.GetDims())
	if err != nil {
		return 0, 0, err
	}
	var number [2]int64
	for i, key := range []string{"offset", "length"} {
		text := externalField(t, key)
		if text == "" {
			continue
		}
		if number[i], err = strconv.ParseInt(text, 10, 64); err != nil || number[i] < 0 {
			return 0, 0, fmt.Errorf("tensor %q: field %s is %q, expected a number of bytes", t.GetName(), key, text)
		}
	}
	offset, length, need := number[0], number[1], ElemType(t.GetDataType()).bytes(n)
	if length != 0 && length != need {
		return 0, 0, fmt.Errorf("tensor %q: field length is %d, expected %d for dimensions %v", t.GetName(), length,
			need, t.GetDims())
	}
	if offset > size || need > size-offset {
		return 0, 0, fmt.Errorf("tensor %q: %d bytes at offset %d, but the file has %d: truncated", t.GetName(),
			need, offset, size)
	}
	return offset, need, nil
}

// Hash identifies the model by its content, in hexadecimal: the SHA-256 of the file's bytes or, when it has external
// data, of the SHA-256 sums of the file and of each data file in the order in which tensors first name them. No path
// enters it. A parsed model keeps the hash of the bytes it came from, whatever is done to its graph; that of a built
// one is of what Marshal returns.
//
// Errors wrap ErrExternal when a data file is missing or refused.
func (m *Model) Hash() (string, error) {
	s, err := m.identity()
	if err != nil {
		return "", err
	}
	if len(s.external) == 0 {
		return hex.EncodeToString(s.sum[:]), nil
	}
	sums := slices.Clone(s.sum[:])
	err = m.eachExternal(s.external, func(location string, f *os.File, _ int64) error {
		h := sha256.New()
		if _, err := io.Copy(h, f); err != nil {
			return fmt.Errorf("%w: reading %q: %w", ErrExternal, location, err)
		}
		sums = h.Sum(sums)
		return nil
	})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(sums)
	return hex.EncodeToString(sum[:]), nil
}

// Size is the number of bytes of the model file and its external data files, of the same bytes that Hash identifies.
func (m *Model) Size() (int64, error) {
	s, err := m.identity()
	if err != nil {
		return 0, err
	}
	total := s.size
	err = m.eachExternal(s.external, func(_ string, _ *os.File, size int64) error {
		total += size
		return nil
	})
	return total, err
}

func (m *Model) identity() (*source, error) {
	if m.source != nil {
		return m.source, nil
	}
	data, err := m.Marshal()
	if err != nil {
		return nil, err
	}
	return &source{sum: sha256.Sum256(data), size: int64(len(data)), external: m.externalFiles()}, nil
}
