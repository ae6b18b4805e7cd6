package cache

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"rkd/pipeline/storage"
)

// Manifest lists what a cache holds. Its JSON is indented and its bytes depend on the rows alone.
type Manifest struct {
	Header
	CreatedBy string  `json:"created_by"`
	Rows      int     `json:"rows"`
	Skipped   Skipped `json:"skipped"`
	Shards    []Shard `json:"shards"`
	// Index is there when shards of several plans hold the rows: it says where each one lies.
	Index *ContentFile `json:"index,omitempty"`
	// Table holds the shards where there are more than maxListed of them; the file's own list is empty then.
	Table    *ContentFile `json:"shard_table,omitempty"`
	Checksum string       `json:"checksum"` // SHA-256 of these bytes with an empty checksum
}

// ContentFile is a file that is named by what is in it.
type ContentFile struct {
	File   string `json:"file"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Skipped names the planned samples of which at least one row is absent, by ascending id.
type Skipped struct {
	Count int     `json:"count"`
	IDs   []int64 `json:"ids"`
}

// Shard is one file of a cache. FirstID and LastID are those of its first and last row, 0 without rows.
type Shard struct {
	File    string `json:"file"`
	Rows    int    `json:"rows"`
	FirstID int64  `json:"first_id"`
	LastID  int64  `json:"last_id"`
	Bytes   int64  `json:"bytes"`
	SHA256  string `json:"sha256"`
}

// encode returns the manifest's file, its checksum filled in.
func (m Manifest) encode() ([]byte, error) {
	m.Checksum = ""
	if m.Table != nil {
		m.Shards = []Shard{}
	}
	return withChecksum(&m, &m.Checksum)
}

// listed returns the shards by their files. A nil manifest has none.
func (m *Manifest) listed() map[string]*Shard {
	if m == nil {
		return nil
	}
	of := make(map[string]*Shard, len(m.Shards))
	for i := range m.Shards {
		of[m.Shards[i].File] = &m.Shards[i]
	}
	return of
}

// parseManifest reads a manifest's file and makes sure that it agrees with itself. A manifest of another format
// version is a MismatchError, anything else that is wrong says what.
func parseManifest(data []byte) (*Manifest, error) {
	if err := checkVersion(data); err != nil {
		return nil, err
	}
	m := new(Manifest)
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(m); err != nil {
		return nil, err
	}
	if err := m.validate(); err != nil {
		return nil, err
	}
	if m.Table == nil {
		if err := m.validateShards(); err != nil {
			return nil, err
		}
	}
	canonical, err := m.encode()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(canonical, data) {
		return nil, errors.New("its bytes changed since they were written: the checksum does not fit")
	}
	return m, nil
}

// validate looks at all but the shards.
func (m *Manifest) validate() error {
	if err := m.Header.validate(); err != nil {
		return err
	}
	if m.Skipped.Count != len(m.Skipped.IDs) {
		return fmt.Errorf("skipped.count is %d for %d ids", m.Skipped.Count, len(m.Skipped.IDs))
	}
	if x := m.Index; x != nil && (!isDigest(x.SHA256) || x.File != contentName(x.SHA256, indexSuffix)) {
		return fmt.Errorf("index is %q with sha256 %q", x.File, x.SHA256)
	}
	t := m.Table
	if t != nil && (!isDigest(t.SHA256) || t.File != contentName(t.SHA256, tableSuffix) || len(m.Shards) > 0) {
		return fmt.Errorf("shard_table is %q with sha256 %q beside %d shards", t.File, t.SHA256, len(m.Shards))
	}
	return nil
}

// validateShards tells whether the shards are those of the header, and have the rows that the manifest promises.
func (m *Manifest) validateShards() error {
	if m.Index == nil && len(m.Shards) != m.ShardCount {
		return fmt.Errorf("%d shards are listed, expected %d", len(m.Shards), m.ShardCount)
	}
	rows := 0
	for i, s := range m.Shards {
		if !shardPattern.MatchString(s.File) {
			return fmt.Errorf("shard %d is %q, expected a shard's name", i, s.File)
		}
		err := m.plausible(s)
		if m.Index == nil {
			err = m.fitting(s, i)
		}
		if err != nil {
			return err
		}
		rows += s.Rows
	}
	// An index leaves rows of the shards out, and takes some for several samples with the same content.
	if m.Rows < 1 || m.Index == nil && m.Rows != rows || m.Index != nil && int64(m.Rows) > m.Index.Bytes {
		return fmt.Errorf("rows is %d, but the shards have %d", m.Rows, rows)
	}
	return nil
}

// fitting tells whether facts of a shard can be those of the planned shard i.
func (h Header) fitting(s Shard, i int) error {
	if name := shardName(h.Plan, i, h.ShardCount); s.File != name {
		return fmt.Errorf("shard %d is %q, expected %q", i, s.File, name)
	}
	if s.Rows > h.RowsPerShard {
		return fmt.Errorf("%q has %d rows, expected at most %d", s.File, s.Rows, h.RowsPerShard)
	}
	return h.plausible(s)
}

// plausible tells whether facts of a shard agree with themselves.
func (h Header) plausible(s Shard) error {
	switch {
	case s.Rows < 0:
		return fmt.Errorf("%q has %d rows", s.File, s.Rows)
	case int64(s.Rows) > s.Bytes/h.leastBytes():
		return fmt.Errorf("%q has %d rows in %d bytes", s.File, s.Rows, s.Bytes)
	case !isDigest(s.SHA256):
		return fmt.Errorf("%q has sha256 %q, expected a SHA-256", s.File, s.SHA256)
	}
	return nil
}

// readManifest reads the manifest of a folder. It returns ErrNoCache where there is none, a MismatchError for
// another format version and ErrCorrupt for one that is cut short or changed.
func readManifest(ctx context.Context, store Store) (*Manifest, error) {
	path := store.Path(ManifestName)
	data, err := storage.ReadFile(ctx, store, ManifestName, maxJSON)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, noManifest(ctx, store)
		}
		return nil, fmt.Errorf("reading manifest %q: %w", path, err)
	}
	m, err := parseManifest(data)
	if mismatch, ok := errors.AsType[*MismatchError](err); ok {
		mismatch.Dir = store.Path("")
		return nil, mismatch
	}
	if err == nil && m.Table != nil {
		err = m.readTable(ctx, store)
	}
	if err != nil {
		return nil, corrupt(path, err)
	}
	return m, nil
}

// noManifest says what a folder without a manifest is instead.
func noManifest(ctx context.Context, store Store) error {
	dir := store.Path("")
	entries, err := store.List(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w in %q: the folder does not exist", ErrNoCache, dir)
	}
	if err != nil {
		return fmt.Errorf("%w in %q: %w", ErrNoCache, dir, err)
	}
	shards := 0
	for _, e := range entries {
		if shardPattern.MatchString(e.Name) {
			shards++
		}
	}
	if shards > 0 || newestPlan(entries) > 0 {
		return fmt.Errorf("%w in %q: it is unfinished, %d shards are there but no %s", ErrNoCache, dir, shards, ManifestName)
	}
	return fmt.Errorf("%w in %q: no %s", ErrNoCache, dir, ManifestName)
}

// ours tells whether data can be a manifest that was cut short, and not some other program's file of this name.
func ours(data []byte) bool {
	const start = "{\n  \"format_version\": "
	n := min(len(data), len(start))
	return string(data[:n]) == start[:n]
}
