// Package record reads and writes JSON documents that carry their own checksum, so that a flipped byte or an edited
// number is found when the document is read. The content of a document is the caller's.
package record

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/google/renameio/v2"
)

// ErrChecksum reports a document whose bytes are not those that were written.
var ErrChecksum = errors.New("the checksum does not match: the file was damaged or edited")

// Documents end with this field: the SHA-256 of the document's bytes with 64 zeros in the place of it.
var checksum = regexp.MustCompile(`,\s*"checksum": "sha256:([0-9a-f]{64})"\s*\}\s*$`)

// zeros stand for the checksum while it is computed.
var zeros = strings.Repeat("0", 64)

// Marshal encodes document, a struct or map with at least one field, as indented JSON that ends with its checksum.
func Marshal(document any) ([]byte, error) {
	data, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return nil, err
	}
	body, ok := bytes.CutSuffix(data, []byte("\n}"))
	if !ok {
		return nil, fmt.Errorf("a %T has no fields, expected an object with some", document)
	}
	open := string(body) + ",\n  \"checksum\": \"sha256:" + zeros + "\"\n}\n"
	sum := sha256.Sum256([]byte(open))
	at := strings.LastIndex(open, zeros)
	return []byte(open[:at] + hex.EncodeToString(sum[:]) + open[at+len(zeros):]), nil
}

// Unmarshal decodes a document into v. It returns ErrChecksum where the checksum is of other bytes. A document without
// one is of an earlier version of rkd: it is decoded, and sealed is false.
func Unmarshal(data []byte, v any) (sealed bool, err error) {
	if err := json.Unmarshal(data, v); err != nil {
		return false, fmt.Errorf("no complete JSON document: %w", err)
	}
	place := checksum.FindSubmatchIndex(data)
	if place == nil {
		return false, nil
	}
	written := string(data[place[2]:place[3]])
	open := append(append(bytes.Clone(data[:place[2]]), zeros...), data[place[3]:]...)
	if sum := sha256.Sum256(open); hex.EncodeToString(sum[:]) != written {
		return false, ErrChecksum
	}
	return true, nil
}

// WriteFile writes a file at once: a reader sees the old one or the whole new one.
func WriteFile(path string, data []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("writing %q: %w", path, err)
	}
	if err := renameio.WriteFile(path, data, 0o644, renameio.WithTempDir(dir)); err != nil {
		return fmt.Errorf("writing %q: %w", path, err)
	}
	return nil
}

// Sweep removes the temporary files that a killed WriteFile left in dir for files whose names match one of patterns,
// regular expressions of whole names. The caller holds the folder, because temporary files of
// other processes are removed, too.
func Sweep(dir string, patterns ...string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("sweeping %q: %w", dir, err)
	}
	left := regexp.MustCompile(`^\.(?:` + strings.Join(patterns, "|") + `)\d+$`)
	for _, e := range entries {
		if e.Type().IsRegular() && left.MatchString(e.Name()) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("sweeping %q: %w", dir, err)
			}
		}
	}
	return nil
}
