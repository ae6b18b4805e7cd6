package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Writer fills a folder with the shards of a plan. Its methods may be called from several goroutines, and several
// writers, in one process or many, may fill one folder: each shard is committed by exactly one of them.
type Writer struct {
	dir    string
	plan   Plan // resolved
	header Header
	old    *Manifest // that the folder had, nil without
	create func(path string) (tempFile, error)
	link   func(from, to string) error

	mu     sync.Mutex
	done   []*finished // one a shard, nil while it is missing
	broken []error
}

// finished is a shard that is on disk under its final name and has been checked.
type finished struct {
	Shard
	skipped []int64 // ids of planned samples with an absent row, ascending
}

// Create begins a cache in dir, or resumes one. Shards that are there are kept if they are whole: every byte of them is
// compared with the manifest's SHA-256 or, without a manifest, with what writing their rows again gives. Broken ones
// count as missing, are named by Broken and stay until WriteShard replaces them. Other files in dir are left alone.
//
// It returns ErrPlan for a plan that contradicts itself, a *MismatchError when the manifest or a shard in dir belongs to
// another key or layout, and an error when dir is a file. Nothing in dir has changed then.
func Create(ctx context.Context, dir string, plan Plan) (*Writer, error) {
	plan, err := plan.resolved()
	if err != nil {
		return nil, err
	}
	if err := ensureDir(dir); err != nil {
		return nil, err
	}
	w := &Writer{
		dir: dir, plan: plan, header: plan.header(), done: make([]*finished, plan.shards()),
		create: createFile, link: os.Link,
	}
	if err := w.openManifest(); err != nil {
		return nil, err
	}
	present, err := w.refuseForeign()
	if err != nil {
		return nil, err
	}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, i := range present {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			shard, err := w.check(ctx, i)
			w.mu.Lock()
			defer w.mu.Unlock()
			if err != nil {
				w.broken = append(w.broken, err)
				return ctx.Err()
			}
			w.done[i] = shard
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("resuming cache %q: %w", dir, err)
	}
	if w.old != nil && !w.Done() {
		// A folder is a cache only while all of its shards are right.
		if err := os.Remove(filepath.Join(dir, ManifestName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("resuming cache %q: %w", dir, err)
		}
		w.old = nil
	}
	return w, nil
}

// openManifest reads the manifest of the folder, if there is one, and refuses one of another key. One that was cut
// short is as good as none: the shards carry the same facts.
func (w *Writer) openManifest() error {
	m, err := readManifest(w.dir)
	switch {
	case errors.Is(err, ErrNoCache):
		return nil
	case errors.Is(err, ErrCorrupt):
		path := filepath.Join(w.dir, ManifestName)
		data, readErr := os.ReadFile(path)
		if readErr != nil {
			return fmt.Errorf("reading manifest %q: %w", path, readErr)
		}
		if !ours(data) {
			return fmt.Errorf("%w, and it is not a manifest of %s that was cut short", err, createdBy)
		}
		w.broken = append(w.broken, err)
		return nil
	case err != nil:
		return err
	}
	if diffs := m.diff(w.header); len(diffs) > 0 {
		return &MismatchError{Dir: w.dir, Differences: diffs}
	}
	w.old = m
	return nil
}

// refuseForeign returns the indices of the planned shards whose files are there, unless a shard, planned or not, belongs
// to something else.
func (w *Writer) refuseForeign() (present []int, err error) {
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		return nil, fmt.Errorf("reading cache %q: %w", w.dir, err)
	}
	planned := make(map[string]int, len(w.done))
	for i := range w.done {
		planned[shardName(i, len(w.done))] = i
	}
	for _, e := range entries {
		if !shardPattern.MatchString(e.Name()) {
			continue
		}
		i, ok := planned[e.Name()]
		if ok {
			present = append(present, i)
		}
		path := filepath.Join(w.dir, e.Name())
		err := withFile(path, func(f *os.File, size int64) error {
			s, err := openShard(f, size)
			if err != nil {
				return err
			}
			if diffs := s.diff(w.header); len(diffs) > 0 {
				return &MismatchError{Dir: w.dir, Differences: diffs}
			}
			return nil
		})
		if mismatch, ok := errors.AsType[*MismatchError](err); ok {
			return nil, mismatch
		}
		if !ok {
			return nil, fmt.Errorf("%w: %q is none of the %d planned shards; move it away", ErrCorrupt, path, len(w.done))
		}
	}
	slices.Sort(present)
	return present, nil
}

// Broken returns what Create found under the name of a shard or of the manifest and could not use, and why.
func (w *Writer) Broken() []error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.broken)
}

// Missing returns the indices of the shards that are not written yet, ascending.
func (w *Writer) Missing() []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	var missing []int
	for i, s := range w.done {
		if s == nil {
			missing = append(missing, i)
		}
	}
	return missing
}

// Done tells whether every shard is written; Commit remains to be called.
func (w *Writer) Done() bool { return len(w.Missing()) == 0 }

// Shards returns the number of planned shards.
func (w *Writer) Shards() int { return len(w.done) }

// Rows returns the ids, views and labels that a shard is planned to hold, without embeddings and logits. It is empty for
// a shard that the plan does not have.
func (w *Writer) Rows(shard int) Rows {
	if shard < 0 || shard >= len(w.done) {
		return Rows{}
	}
	return w.plan.rows(shard)
}

// WriteShard writes a shard and gives it its name in one step. rows are those of Rows(shard), in that order, without
// those of samples that were skipped. When another writer was faster its shard stays, if it is whole.
//
// It returns ErrRows for rows that do not fit the plan or hold a NaN or an infinity; the error names the sample. When
// writing fails, with a full disk for example, the error names the file and nothing is left behind.
func (w *Writer) WriteShard(ctx context.Context, shard int, rows Rows) error {
	if shard < 0 || shard >= len(w.done) {
		return fmt.Errorf("%w: shard %d, expected less than %d", ErrRows, shard, len(w.done))
	}
	skipped, err := w.plan.fit(shard, rows)
	if err != nil {
		return fmt.Errorf("%w for shard %d: %w", ErrRows, shard, err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	path := w.path(shard)
	digest := newDigest()
	temp, err := writeTemp(path, w.create, func(out io.Writer) error {
		return encodeShard(io.MultiWriter(out, digest), shardHeader{w.header, shard}, rows)
	})
	if err != nil {
		return fmt.Errorf("writing shard %q: %w", path, err)
	}
	own := &finished{describe(path, rows, digest), skipped}
	err = publish(temp, path, w.link)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) { // taken, or swept up by who committed the cache
		if winner, checkErr := w.check(ctx, shard); checkErr == nil {
			own, err = winner, removeTemp(temp)
		} else if errors.Is(err, fs.ErrExist) {
			err = replace(temp, path)
		}
	}
	if err != nil {
		return fmt.Errorf("writing shard %q: %w", path, errors.Join(err, removeTemp(temp)))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done[shard] = own
	return nil
}

func (w *Writer) path(shard int) string { return filepath.Join(w.dir, shardName(shard, len(w.done))) }

// Commit writes the manifest, last and atomically, and removes temporary files that interrupted writers left. Shards
// that other writers finished since Create are checked first. It returns ErrIncomplete, naming them, while shards are
// missing. Calling it again changes nothing.
func (w *Writer) Commit(ctx context.Context) (*Manifest, error) {
	for _, i := range w.Missing() {
		shard, err := w.check(ctx, i)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			missing := w.Missing()
			return nil, fmt.Errorf("%w in %q: %d of %d shards are missing, the first is %q",
				ErrIncomplete, w.dir, len(missing), len(w.done), shardName(missing[0], len(w.done)))
		}
		w.mu.Lock()
		w.done[i] = shard
		w.mu.Unlock()
	}
	w.mu.Lock()
	done := slices.Clone(w.done)
	w.mu.Unlock()
	m := &Manifest{Header: w.header, CreatedBy: createdBy, Skipped: Skipped{IDs: []int64{}}}
	for i, s := range done {
		if info, err := os.Stat(w.path(i)); err != nil || info.Size() != s.Bytes {
			return nil, fmt.Errorf("%w in %q: %q changed while the cache was written", ErrIncomplete, w.dir, s.File)
		}
		m.Shards = append(m.Shards, s.Shard)
		m.Rows += s.Rows
		m.Skipped.IDs = append(m.Skipped.IDs, s.skipped...)
	}
	if m.Rows == 0 {
		return nil, fmt.Errorf("%w in %q: every one of %d samples was skipped", ErrIncomplete, w.dir, len(w.plan.Samples))
	}
	m.Skipped.IDs = slices.Compact(m.Skipped.IDs) // the views of one sample may lie in two shards
	m.Skipped.Count = len(m.Skipped.IDs)
	if err := w.writeManifest(m); err != nil {
		return nil, fmt.Errorf("writing manifest %q: %w", filepath.Join(w.dir, ManifestName), err)
	}
	if err := sweep(w.dir); err != nil {
		return nil, fmt.Errorf("cleaning cache %q: %w", w.dir, err)
	}
	return m, nil
}

func (w *Writer) writeManifest(m *Manifest) error {
	data, err := m.encode()
	if err != nil {
		return err
	}
	written, err := parseManifest(data)
	if err != nil {
		return err
	}
	*m = *written
	path := filepath.Join(w.dir, ManifestName)
	if there, err := os.ReadFile(path); err == nil && bytes.Equal(there, data) {
		return nil
	}
	temp, err := writeTemp(path, w.create, func(out io.Writer) error {
		_, err := out.Write(data)
		return err
	})
	if err != nil {
		return err
	}
	err = replace(temp, path)
	if errors.Is(err, fs.ErrNotExist) { // swept up by another writer that committed the same cache
		if there, readErr := os.ReadFile(path); readErr == nil && bytes.Equal(there, data) {
			return nil
		}
	}
	if err != nil {
		return errors.Join(err, removeTemp(temp))
	}
	return nil
}
