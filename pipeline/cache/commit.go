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
	sizes, err := w.list(ctx)
	if err != nil {
		return nil, err
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
	return m, w.publish(ctx, m, sizes)
}

// list lists the files of the folder with their sizes.
func (w *Writer) list(ctx context.Context) (sizes map[string]int64, err error) {
	entries, err := w.store.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading cache %q: %w", w.store.Path(""), err)
	}
	sizes = make(map[string]int64, len(entries))
	w.files = w.files[:0]
	for _, e := range entries {
		sizes[e.Name] = e.Bytes
		w.files = append(w.files, e.Name)
	}
	return sizes, nil
}

// publish writes a manifest whose shards have to have their sizes, and removes what interrupted writers left.
func (w *Writer) publish(ctx context.Context, m *Manifest, sizes map[string]int64) error {
	for _, s := range m.Shards {
		if size, ok := sizes[s.File]; !ok || size != s.Bytes {
			return fmt.Errorf("%w in %q: %q changed while the cache was written", ErrIncomplete, w.store.Path(""), s.File)
		}
	}
	if m.Rows == 0 {
		return fmt.Errorf("%w in %q: every one of %d samples was skipped", ErrIncomplete, w.store.Path(""), w.plan.Samples)
	}
	m.Skipped.IDs = slices.Compact(m.Skipped.IDs) // the views of one sample may lie in two shards
	m.Skipped.Count = len(m.Skipped.IDs)
	if err := w.writeCard(ctx, m); err != nil {
		return fmt.Errorf("writing %q: %w", w.store.Path(CardName), err)
	}
	if err := w.writeManifest(ctx, m); err != nil {
		return fmt.Errorf("writing manifest %q: %w", w.store.Path(ManifestName), err)
	}
	if err := w.sweep(ctx); err != nil {
		return fmt.Errorf("cleaning cache %q: %w", w.store.Path(""), err)
	}
	return nil
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
	if err := m.writeTable(ctx, w.store); err != nil {
		return err
	}
	data, err := m.encode()
	if err != nil {
		return err
	}
	written, err := parseManifest(data)
	if err != nil {
		return err
	}
	if m.Table != nil {
		written.Shards = m.Shards
		if err := written.validateShards(); err != nil {
			return err
		}
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

// sweep removes parts of shards, which are finished now, records of tasks, tables and bases that no plan and no
// manifest names, and temporary files.
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
	for _, f := range []*ContentFile{m.Index, m.Table} {
		if f != nil {
			used[f.File] = true
		}
	}
	var errs []error
	for _, name := range w.files {
		_, _, _, part := parsePart(name)
		if part || contentPattern.MatchString(name) && !used[name] || recordPattern.MatchString(name) {
			errs = append(errs, w.store.Remove(ctx, name))
		}
	}
	err = w.store.Sweep(ctx, isOurs)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(append(errs, err)...)
}
