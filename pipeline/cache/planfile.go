package cache

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"rkd/pipeline/storage"
)

// maxJSON bounds what is read of a plan or a manifest.
const maxJSON = 1 << 30

// PlanFile is a plan as a cache folder holds it, in PLAN.json or, where the cache has grown, PLAN-2.json and so on. It
// is created exclusively and never changes. Shard i holds rows [i·RowsPerShard, (i+1)·RowsPerShard) of the plan's rows,
// which are those of its samples in order; task t makes shards [t·ShardCount/Tasks, (t+1)·ShardCount/Tasks).
type PlanFile struct {
	Header
	Samples     int    `json:"sample_count"` // that the cache is to hold
	SamplesFile string `json:"samples_file"`
	Rows        int    `json:"rows"`  // that this plan computes; the others are in shards of earlier plans
	Tasks       int    `json:"tasks"` // into which the shards are divided
	CreatedBy   string `json:"created_by"`
	Config      string `json:"config"`   // the resolved configuration, which tasks read
	Checksum    string `json:"checksum"` // SHA-256 of these bytes with an empty checksum
}

func (p *PlanFile) shardHeader(i int) shardHeader { return shardHeader{p.Header, i} }

// planned is the number of rows that shard i is planned to hold.
func (p *PlanFile) planned(i int) int { return min(p.RowsPerShard, p.Rows-i*p.RowsPerShard) }

// TaskShards returns the shards [from, to) that a task makes, or ErrTask.
func (p *PlanFile) TaskShards(task int) (from, to int, err error) {
	if task < 0 || task >= p.Tasks {
		return 0, 0, fmt.Errorf("%w: index %d, expected 0 to %d: the plan has %d tasks", ErrTask, task, p.Tasks-1, p.Tasks)
	}
	return task * p.ShardCount / p.Tasks, (task + 1) * p.ShardCount / p.Tasks, nil
}

// encode returns the plan's file, its checksum filled in.
func (p PlanFile) encode() ([]byte, error) {
	p.Checksum = ""
	return withChecksum(&p, &p.Checksum)
}

// withChecksum returns the indented JSON of v, one of whose fields is checksum, empty now: it becomes the SHA-256 of
// the JSON without it.
func withChecksum(v any, checksum *string) ([]byte, error) {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	*checksum = hex.EncodeToString(sum[:])
	data, err = json.MarshalIndent(v, "", "  ")
	return append(data, '\n'), err
}

// checkVersion reads the format version of a plan or a manifest before the rest, which later versions may change.
func checkVersion(data []byte) error {
	var version struct {
		FormatVersion *int `json:"format_version"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return fmt.Errorf("%d bytes are not its JSON: %w", len(data), err)
	}
	switch {
	case version.FormatVersion == nil:
		return errors.New("it has no format_version")
	case *version.FormatVersion < 1 || *version.FormatVersion > FormatVersion:
		return &MismatchError{Differences: []Difference{formatDifference(*version.FormatVersion)}}
	}
	return nil
}

// parsePlan reads a plan's file and makes sure that it agrees with itself.
func parsePlan(data []byte) (*PlanFile, error) {
	if err := checkVersion(data); err != nil {
		return nil, err
	}
	p := new(PlanFile)
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(p); err != nil {
		return nil, err
	}
	if err := p.validate(); err != nil {
		return nil, err
	}
	shards := 0
	if p.Rows > 0 {
		shards = (p.Rows-1)/p.RowsPerShard + 1
	}
	switch {
	case p.FormatVersion < 2:
		return nil, fmt.Errorf("format_version is %d, which has no plans", p.FormatVersion)
	case p.Samples < 1 || p.Rows < 0 || p.Rows/p.Key.Views > p.Samples:
		return nil, fmt.Errorf("%d rows of %d samples in %d views", p.Rows, p.Samples, p.Key.Views)
	case p.ShardCount != shards:
		return nil, fmt.Errorf("shard_count is %d, expected %d for %d rows", p.ShardCount, shards, p.Rows)
	case p.Tasks < 1 || p.Tasks > max(1, shards):
		return nil, fmt.Errorf("tasks is %d, expected 1 to %d", p.Tasks, max(1, shards))
	case p.SamplesFile != contentName(p.Header.Samples, samplesSuffix):
		return nil, fmt.Errorf("samples_file is %q", p.SamplesFile)
	}
	canonical, err := p.encode()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(canonical, data) {
		return nil, errors.New("its bytes changed since they were written: the checksum does not fit")
	}
	return p, nil
}

// readPlan reads a plan of a folder.
func readPlan(ctx context.Context, store Store, number int) (*PlanFile, error) {
	name := planName(number)
	data, err := storage.ReadFile(ctx, store, name, maxJSON)
	if err != nil {
		return nil, fmt.Errorf("reading plan %q: %w", store.Path(name), err)
	}
	p, err := parsePlan(data)
	if mismatch, ok := errors.AsType[*MismatchError](err); ok {
		mismatch.Dir = store.Path("")
		return nil, mismatch
	}
	if err == nil && p.Plan != number {
		err = fmt.Errorf("it says it is plan %d, expected the number in its name", p.Plan)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: reading plan %q: %w", ErrCorrupt, store.Path(name), err)
	}
	return p, nil
}

// ReadPlan reads the newest plan of a cache. It returns ErrNoPlan where there is none, and ErrCorrupt for one whose
// bytes have changed.
func ReadPlan(ctx context.Context, dir string) (*PlanFile, error) {
	store := openStore(dir)
	entries, err := store.List(ctx)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading cache %q: %w", dir, err)
	}
	newest := newestPlan(entries)
	if newest == 0 {
		return nil, fmt.Errorf("%w in %q: \"rkd precompute CONFIG --plan\" writes one", ErrNoPlan, dir)
	}
	return readPlan(ctx, store, newest)
}

// PlanDir returns the cache of the plan in a file, and whether its name is a plan's.
func PlanDir(file string) (dir string, ok bool) {
	dir, name := storage.Split(file)
	if planNumber(name) == 0 {
		return "", false
	}
	return dir, true
}

// newestPlan returns the highest number of a plan among files, 0 without.
func newestPlan(entries []Entry) int {
	newest := 0
	for _, e := range entries {
		newest = max(newest, planNumber(e.Name))
	}
	return newest
}

// claim creates a plan's file, after its table of samples, and returns the plan of that number: ours, or that of a
// writer that was faster. The file is complete from the moment it has its name.
func claim(ctx context.Context, store Store, p *PlanFile, t *sampleTable, basis *Basis) (got *PlanFile, created bool,
	err error,
) {
	d := newDigest()
	if err := t.encode(d); err != nil {
		return nil, false, fmt.Errorf("describing the samples of a cache: %w", err)
	}
	p.Header.Samples = d.hex()
	p.SamplesFile = contentName(p.Header.Samples, samplesSuffix)
	data, err := p.encode()
	if err != nil {
		return nil, false, err
	}
	if _, err := parsePlan(data); err != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrPlan, err)
	}
	writeSamples := func() error {
		if err := store.Create(ctx, p.SamplesFile, t.encode); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("writing samples %q: %w", store.Path(p.SamplesFile), err)
		}
		if p.Basis == "" || basis == nil || basis.sum() != p.Basis {
			return nil
		}
		name := contentName(p.Basis, basisSuffix)
		if err := store.Create(ctx, name, basis.encode); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("writing principal components %q: %w", store.Path(name), err)
		}
		return nil
	}
	if err := writeSamples(); err != nil {
		return nil, false, err
	}
	name := planName(p.Plan)
	err = store.Create(ctx, name, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, false, fmt.Errorf("writing plan %q: %w", store.Path(name),
			errors.Join(err, store.Remove(ctx, p.SamplesFile)))
	}
	created = err == nil
	if got, err = readPlan(ctx, store, p.Plan); err != nil {
		return nil, created, err
	}
	if got.SamplesFile == p.SamplesFile && got.Basis == p.Basis {
		// A writer that finished an earlier plan in between has removed the table as a leftover.
		return got, created, writeSamples()
	}
	return got, created, nil
}
