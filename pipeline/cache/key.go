package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// FormatVersion is the version of the files that this package writes. Caches of version 1, which have neither plan nor
// columns of paths and content, are read as they are. It is part of every key's hash.
const FormatVersion = 2

// Key is what decides a cache: two runs with equal keys make equal ones. It never holds a path or a date. Views and
// Dataset say which rows there are, the others what an embedding is: a folder belongs to the latter for good, while its
// rows may change.
type Key struct {
	Model      string `json:"model"`       // SHA-256 of the model's bytes, external data included
	Output     string `json:"output"`      // tensor tapped as the embedding
	Logits     string `json:"logits"`      // tensor tapped as the logits, empty without
	Preprocess string `json:"preprocess"`  // canonical description of what happens to a sample before the model
	Normalize  string `json:"normalize"`   // what happens to the embedding after the model: none or l2
	Views      int    `json:"views"`       // views of each sample
	ViewPolicy string `json:"view_policy"` // canonical description of the augmentation, empty without
	ViewSeed   uint64 `json:"view_seed"`   // seed of the augmentation
	DType      string `json:"dtype"`       // type of the stored values
	// PCA is the number of principal components that wider embeddings are reduced to, 0 for the embeddings as they are.
	PCA int `json:"pca,omitempty"`
	// Whiten is the power of its standard deviation by which each of them is divided.
	Whiten  float64 `json:"whiten,omitempty"`
	Dataset string  `json:"dataset"` // content fingerprint of the samples and their order
}

// Hash returns the hexadecimal SHA-256 of the key's canonical JSON: an object of the key's fields and format_version,
// names sorted, no spaces. What was added to the key since format version 2 is left out where it is zero.
func (k Key) Hash() string { return k.hash(FormatVersion) }

func (k Key) hash(version int) string {
	sum := sha256.Sum256(k.canonical(version))
	return hex.EncodeToString(sum[:])
}

func (k Key) canonical(version int) []byte {
	fields := map[string]any{"format_version": version} // a map, because its JSON is sorted by name
	v := reflect.ValueOf(k)
	for i, name := range keyFields() {
		if added := name == "pca" || name == "whiten"; !added || !v.Field(i).IsZero() {
			fields[name] = v.Field(i).Interface()
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(fields) // strings and integers always encode
	return bytes.TrimSpace(b.Bytes())
}

// Diff returns the fields in which k, what is there, differs from want, in the order of declaration. It is nil for
// equal keys.
func (k Key) Diff(want Key) []Difference {
	var diffs []Difference
	have, expected := reflect.ValueOf(k), reflect.ValueOf(want)
	for i, name := range keyFields() {
		if h, w := have.Field(i).Interface(), expected.Field(i).Interface(); h != w {
			diffs = append(diffs, Difference{Field: name, Have: fmt.Sprint(h), Want: fmt.Sprint(w)})
		}
	}
	return diffs
}

// Differ returns the fields in which the embeddings of k, what is there, are others than those of want: what keeps rows
// of one from serving as rows of the other. Which samples there are, and how many views, does not matter; how views are
// drawn does where both have some.
func (k Key) Differ(want Key) []Difference {
	k.Views, k.Dataset = want.Views, want.Dataset
	if k.ViewPolicy == "" || want.ViewPolicy == "" {
		k.ViewPolicy, k.ViewSeed = want.ViewPolicy, want.ViewSeed
	}
	return k.Diff(want)
}

// keyFields lists the JSON names of Key's fields in the order of declaration.
func keyFields() []string {
	t := reflect.TypeFor[Key]()
	names := make([]string, t.NumField())
	for i := range names {
		names[i], _, _ = strings.Cut(t.Field(i).Tag.Get("json"), ",")
	}
	return names
}

// Header says what a manifest or a shard belongs to: the key, and how the rows were laid out over shards. Every shard
// carries it, so that a shard can be judged without its manifest.
type Header struct {
	FormatVersion int    `json:"format_version"`
	KeyHash       string `json:"key"`
	Key           Key    `json:"key_fields"`
	Samples       string `json:"samples"` // SHA-256 of the plan's table of samples; in version 1 of ids and labels
	Dim           int    `json:"dim"`
	LogitsDim     int    `json:"logits_dim"` // 0 without logits
	RowsPerShard  int    `json:"rows_per_shard"`
	ShardCount    int    `json:"shard_count"`
	Plan          int    `json:"plan,omitempty"`  // number of the plan, from 1; 0 in version 1
	Basis         string `json:"basis,omitempty"` // SHA-256 of the principal components' file, empty without
}

// maxDim bounds the widths of rows.
const maxDim = 1 << 24

// validate tells whether the header agrees with itself.
func (h Header) validate() error {
	switch {
	case h.FormatVersion != 1 && h.FormatVersion != FormatVersion:
		return fmt.Errorf("format_version is %d, expected %d or lower", h.FormatVersion, FormatVersion)
	case h.KeyHash != h.Key.hash(h.FormatVersion):
		return fmt.Errorf("key is %s, but its fields hash to %s", brief(h.KeyHash), brief(h.Key.hash(h.FormatVersion)))
	case h.Key.Views < 1:
		return fmt.Errorf("views is %d, expected at least 1", h.Key.Views)
	case !isDigest(h.Samples):
		return fmt.Errorf("samples is %q, expected a SHA-256", h.Samples)
	case !slices.Contains(DTypes, h.Key.DType):
		return fmt.Errorf("dtype is %q, expected %s", h.Key.DType, strings.Join(DTypes, ", "))
	case h.Key.PCA < 0 || h.Key.PCA > 0 && h.Key.PCA < h.Dim || (h.Key.PCA > 0) != isDigest(h.Basis):
		return fmt.Errorf("pca is %d and its basis %q for %d dimensions", h.Key.PCA, h.Basis, h.Dim)
	case !(h.Key.Whiten >= 0 && h.Key.Whiten <= 1), h.Key.Whiten > 0 && h.Key.PCA == 0:
		return fmt.Errorf("whiten is %g for %d principal components", h.Key.Whiten, h.Key.PCA)
	case h.Dim > maxDim || h.LogitsDim > maxDim:
		return fmt.Errorf("dim is %d and logits_dim %d, expected at most %d", h.Dim, h.LogitsDim, maxDim)
	case h.Dim < 1 || h.LogitsDim < 0:
		return fmt.Errorf("dim is %d and logits_dim %d, expected at least 1 and 0", h.Dim, h.LogitsDim)
	case h.RowsPerShard < 1 || h.ShardCount < 0 || h.ShardCount == 0 && h.Plan <= 1:
		return fmt.Errorf("rows_per_shard is %d and shard_count %d, expected at least 1",
			h.RowsPerShard, h.ShardCount)
	case h.Plan < 0 || h.FormatVersion == 1 && h.Plan != 0 || h.FormatVersion > 1 && h.Plan == 0:
		return fmt.Errorf("plan is %d in format version %d", h.Plan, h.FormatVersion)
	}
	return nil
}

// formatDifference says that a file is of a format that this package does not read.
func formatDifference(version int) Difference {
	return Difference{
		"format_version", fmt.Sprint(version),
		fmt.Sprintf("%d or lower: it takes a newer rkd", FormatVersion),
	}
}
