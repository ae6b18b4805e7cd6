package pipeline

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"rkd/datasets/regular"
	"rkd/models/onnx"
	"rkd/pipeline/config"
	"rkd/student/train/record"
)

// An exported student carries the SHA-256 of its own file in its metadata, computed with zeros in that place, so that a
// file with damaged bytes is not taken for a finished export.
const sealEntry = metadataPrefix + "file_sha256"

var unsealed = strings.Repeat("0", 2*sha256.Size)

// unverifiedSuffix ends the name of an export until it has been verified.
const unverifiedSuffix = ".unverified"

// sealModel writes a model, whose metadata have sealEntry as unsealed, with its checksum.
func sealModel(m *onnx.Model, path string) error {
	data, err := m.Marshal()
	if err != nil {
		return err
	}
	at := bytes.LastIndex(data, []byte(unsealed))
	if at < 0 {
		return fmt.Errorf("saving model %q: its metadata have no %s", path, sealEntry)
	}
	sum := sha256.Sum256(data)
	hex.Encode(data[at:], sum[:])
	return record.WriteFile(path, data)
}

// seal says whether a model file is the one that was written, byte for byte; unknown is true for one without a seal, of
// an earlier version.
func seal(path string, m *onnx.Model) (intact, unknown bool, err error) {
	written := m.Metadata()[sealEntry]
	if written == "" {
		return false, true, nil
	}
	data, err := regular.ReadFile(path)
	if err != nil {
		return false, false, fmt.Errorf("reading %q: %w", path, err)
	}
	at := bytes.LastIndex(data, []byte(written))
	if at < 0 {
		return false, false, nil
	}
	copy(data[at:], unsealed)
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]) == written, false, nil
}

// exported says whether the file at path is the export of s with that key: whole and of the same weights and options.
func (s *student) exported(path, key string, o config.Export) (bool, error) {
	m, err := onnx.Load(path)
	if err != nil {
		return false, nil // there is none, or none that is of use
	}
	intact, unknown, err := seal(path, m)
	if err != nil {
		return false, err
	}
	switch made := m.Metadata()[metadataPrefix+"export_key"]; {
	case unknown:
		return made == s.exportKeyV1(o), nil
	case made != key:
		earlier, err := s.exportKeyV4(o)
		return intact && made == earlier, err
	default:
		return intact, nil
	}
}

// trained reads the finished student of a task and compares it with the task's configuration.
func (t Task) trained() (*student, error) {
	s, err := readStudent(t.Dir())
	if err != nil {
		return nil, err
	}
	return s, s.holdAgainst(t)
}

// exportedModel is the path of the task's exported student, which is whole and of the weights that its training ended
// with.
func (t Task) exportedModel() (string, error) {
	s, err := t.trained()
	if err != nil {
		return "", err
	}
	path := t.Model()
	m, err := onnx.Load(path)
	if err != nil {
		return "", err
	}
	intact, unknown, err := seal(path, m)
	switch {
	case err != nil:
		return "", err
	case !intact && !unknown:
		return "", fmt.Errorf("%w: %q has other bytes than were exported; 'rkd export' makes it again", onnx.ErrFormat, path)
	case m.Metadata()[metadataPrefix+"weights_sha256"] != s.file.SHA256:
		return "", fmt.Errorf("%q was exported from a student of %w than %q holds now; 'rkd export' makes it again", path,
			ErrMismatch, s.dir)
	}
	return path, nil
}

// sweepExports removes what killed exports left in a task's folder.
func sweepExports(dir string) error {
	err := record.Sweep(dir, `\.student(_images|_int8|_float16)?\.onnx`+regexp.QuoteMeta(unverifiedSuffix),
		`student_(int8|float16)\.json`)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, form := range []string{"", "_images", "_" + config.QuantizeInt8, "_" + config.QuantizeFloat16} {
		name := filepath.Join(dir, ".student"+form+".onnx"+unverifiedSuffix)
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("sweeping %q: %w", dir, err)
		}
	}
	return nil
}
