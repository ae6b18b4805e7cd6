package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"rkd/pipeline/storage"
)

// Finalize writes the manifest of a folder's newest plan once all of its shards are there: the last step of a cache
// that is filled by tasks. It returns ErrIncomplete, naming what is missing, ErrNoPlan, and the errors of Create.
func Finalize(ctx context.Context, dir string) (*Manifest, error) {
	w, err := Resume(ctx, dir, -1)
	if err != nil {
		return nil, err
	}
	return w.Commit(ctx)
}

// Commit writes the manifest, last and atomically, and removes what interrupted writers left. Shards that other writers
// finished since this one was opened are checked first. It returns ErrIncomplete, naming them, while shards are
// missing. Calling it again changes nothing.
func (w *Writer) Commit(ctx context.Context) (*Manifest, error) {
	if err := w.checkMissing(ctx); err != nil {
		return nil, err
	}
	if err := w.reclaim(ctx); err != nil {
		return nil, err
	}
	entries, err := w.store.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading cache %q: %w", w.store.Path(""), err)
	}
	sizes := make(map[string]int64, len(entries))
	w.files = w.files[:0]
	for _, e := range entries {
		sizes[e.Name] = e.Bytes
		w.files = append(w.files, e.Name)
	}
	m := &Manifest{Header: w.plan.Header, CreatedBy: createdBy, Skipped: Skipped{IDs: []int64{}}}
	if w.plan.whole() {
		for _, s := range w.done {
			m.Shards = append(m.Shards, s.Shard)
			m.Rows += s.Rows
			m.Skipped.IDs = append(m.Skipped.IDs, s.skipped...)
		}
	} else if err := w.index(ctx, m); err != nil {
		return nil, err
	}
	for _, s := range m.Shards {
		if size, ok := sizes[s.File]; !ok || size != s.Bytes {
			return nil, fmt.Errorf("%w in %q: %q changed while the cache was written", ErrIncomplete, w.store.Path(""), s.File)
		}
	}
	if m.Rows == 0 {
		return nil, fmt.Errorf("%w in %q: every one of %d samples was skipped", ErrIncomplete, w.store.Path(""),
			w.plan.Samples)
	}
	m.Skipped.IDs = slices.Compact(m.Skipped.IDs) // the views of one sample may lie in two shards
	m.Skipped.Count = len(m.Skipped.IDs)
	if err := w.writeCard(ctx, m); err != nil {
		return nil, fmt.Errorf("writing %q: %w", w.store.Path(CardName), err)
	}
	if err := w.writeManifest(ctx, m); err != nil {
		return nil, fmt.Errorf("writing manifest %q: %w", w.store.Path(ManifestName), err)
	}
	if err := w.sweep(ctx); err != nil {
		return nil, fmt.Errorf("cleaning cache %q: %w", w.store.Path(""), err)
	}
	return m, nil
}

// reclaim makes sure that the plan is still there: the writer that created it may have failed and removed it.
func (w *Writer) reclaim(ctx context.Context) error {
	got, err := readPlan(ctx, w.store, w.plan.Plan)
	if errors.Is(err, fs.ErrNotExist) {
		plan := *w.plan.PlanFile
		basis := w.plan.basis
		if basis == nil && plan.Basis != "" {
			if basis, err = readBasis(ctx, w.store, plan.Basis); err != nil {
				return err
			}
		}
		got, _, err = claim(ctx, w.store, &plan, w.plan.table, basis)
	}
	if err == nil && got.Header != w.plan.Header {
		err = fmt.Errorf("%w: another plan has taken the place of that of %q", ErrMismatch, w.store.Path(""))
	}
	return err
}

// checkMissing looks at the shards of the plan that this writer did not make.
func (w *Writer) checkMissing(ctx context.Context) error {
	var missing []string
	for i, s := range w.done {
		if s != nil {
			continue
		}
		shard, err := w.check(ctx, i)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			missing = append(missing, w.name(i))
			continue
		}
		w.mu.Lock()
		w.done[i] = shard
		w.mu.Unlock()
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w in %q: %d of %d shards are missing: %s",
			ErrIncomplete, w.store.Path(""), len(missing), len(w.done), some(missing))
	}
	return nil
}

// some lists names, of many the first ones.
func some(names []string) string {
	const shown = 5
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}

func (w *Writer) writeManifest(ctx context.Context, m *Manifest) error {
	data, err := m.encode()
	if err != nil {
		return err
	}
	written, err := parseManifest(data)
	if err != nil {
		return err
	}
	*m = *written
	if there, err := storage.ReadFile(ctx, w.store, ManifestName, maxJSON); err == nil && bytes.Equal(there, data) {
		return nil
	}
	return w.store.Replace(ctx, ManifestName, func(out io.Writer) error {
		_, err := out.Write(data)
		return err
	})
}

// sweep removes parts of shards, which are finished now, tables and bases that no plan and no manifest names, and
// temporary files.
func (w *Writer) sweep(ctx context.Context) error {
	used := map[string]bool{}
	for _, name := range w.files {
		if number := planNumber(name); number > 0 {
			p, err := readPlan(ctx, w.store, number)
			if err != nil {
				return err
			}
			used[p.SamplesFile] = true
			if p.Basis != "" {
				used[contentName(p.Basis, basisSuffix)] = true
			}
		}
	}
	m, err := readManifest(ctx, w.store) // ours, or a faster writer's
	if err != nil {
		return err
	}
	if m.Index != nil {
		used[m.Index.File] = true
	}
	var errs []error
	for _, name := range w.files {
		if _, _, _, part := parsePart(name); part || contentPattern.MatchString(name) && !used[name] {
			errs = append(errs, w.store.Remove(ctx, name))
		}
	}
	err = w.store.Sweep(ctx, isOurs)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(append(errs, err)...)
}
