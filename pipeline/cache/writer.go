package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"rkd/datasets/fault"
	"rkd/pipeline/storage"
)

// Writer fills a folder with the shards of its newest plan. Its methods may be called from several goroutines, and
// several writers, in one process or many, may fill one folder: each shard is committed by exactly one of them.
type Writer struct {
	store     Store
	plan      *planned
	from, to  int               // shards that this writer is to make
	created   bool              // the plan is this writer's own
	old       *Manifest         // that the folder had, nil without
	known     map[string]*Shard // that it lists
	keepEvery time.Duration
	leaveOut  map[string]int64 // shards of earlier plans whose rows do not count, by name

	mu     sync.Mutex
	done   []*finished // one a shard, nil while it is missing or was not looked at
	broken []error
	files  []string            // names in the folder when it was opened
	parts  map[string][][2]int // of unfinished shards, by their names
}

// Create begins a cache in dir, resumes one, or lets one grow. A folder belongs to one key from its first byte on, that
// of the plan which is created before anything else; what differs from it but in its samples and views is refused.
// Where these have changed since the newest plan, another one follows, of the rows that no shard holds.
//
// Shards that are there are kept if they are whole: every byte of them is compared with the manifest's SHA-256 or,
// without a manifest, with what writing their rows again gives. Broken ones count as missing, are named by Broken and
// stay until they are written again. Other files in dir are left alone.
//
// It returns ErrPlan for a plan that contradicts itself, a *MismatchError when the plan, the manifest or a shard in dir
// belongs to another key, and an error when dir is a file. Nothing in dir has changed then.
func Create(ctx context.Context, dir string, plan Plan) (*Writer, error) {
	plan, err := plan.resolved()
	if err != nil {
		return nil, err
	}
	w := &Writer{store: openStore(dir), keepEvery: keepEvery}
	plans, err := w.open(ctx, plan.Key)
	if err != nil {
		return nil, err
	}
	for {
		if n := len(plans); n > 0 {
			if err := plans[n-1].fits(w.store, plan); err != nil {
				return nil, err
			}
			if plans[n-1].Key == plan.Key {
				ok, err := w.supported(ctx, plans)
				if err != nil {
					return nil, err
				}
				if ok {
					return w, w.resume(ctx, plans[n-1], 0, plans[n-1].ShardCount)
				}
			}
		}
		first, err := w.firstViews(ctx, plans, plan)
		if err != nil {
			return nil, err
		}
		t := newSampleTable(plan.Samples, plan.Views, first)
		next := plan.file(len(plans)+1, t)
		if len(plans) > 0 {
			next.Basis = plans[0].Basis
		}
		got, created, err := claim(ctx, w.store, next, t, plan.Basis)
		if err != nil {
			return nil, err
		}
		w.created = created
		plans = append(plans, got)
	}
}

// Admits returns nil if a cache of a key can be made in dir, or grow there, and the error of Create otherwise.
// It reads plans and manifest only, and the headers of shards that belong to no plan.
func Admits(ctx context.Context, dir string, key Key) error {
	w := &Writer{store: openStore(dir)}
	_, err := w.open(ctx, key)
	return err
}

// Resume opens the newest plan of a folder to make the shards of a task, or of all tasks when task is negative. It
// reads the samples of these shards only.
//
// It returns ErrNoPlan, ErrTask, and the errors of Create.
func Resume(ctx context.Context, dir string, task int) (*Writer, error) {
	p, err := ReadPlan(ctx, dir)
	if err != nil {
		return nil, err
	}
	from, to := 0, p.ShardCount
	if task >= 0 {
		if from, to, err = p.TaskShards(task); err != nil {
			return nil, err
		}
	}
	w := &Writer{store: openStore(dir), keepEvery: keepEvery}
	if _, err := w.open(ctx, p.Key); err != nil {
		return nil, err
	}
	return w, w.resume(ctx, p, from, to)
}

// open lists the folder, reads its manifest and its plans and refuses them if they are of another key.
func (w *Writer) open(ctx context.Context, key Key) ([]*PlanFile, error) {
	entries, err := w.store.List(ctx)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("making cache %q: %w", w.store.Path(""), err)
	}
	for _, e := range entries {
		w.files = append(w.files, e.Name)
	}
	w.parts = partSpans(w.files)
	if err := w.openManifest(ctx, key); err != nil {
		return nil, err
	}
	var plans []*PlanFile
	for number := range newestPlan(entries) {
		p, err := readPlan(ctx, w.store, number+1)
		if err != nil {
			return nil, err
		}
		if diffs := p.Key.Differ(key); len(diffs) > 0 {
			return nil, &MismatchError{Dir: w.store.Path(""), Differences: diffs}
		}
		plans = append(plans, p)
	}
	return plans, w.refuseForeign(ctx, plans, key)
}

// fits refuses a plan that makes rows of other widths.
func (p *PlanFile) fits(store Store, plan Plan) error {
	diffs := p.Key.Differ(plan.Key)
	if p.Dim != plan.Dim {
		diffs = append(diffs, Difference{"dim", fmt.Sprint(p.Dim), fmt.Sprint(plan.Dim)})
	}
	if p.LogitsDim != plan.LogitsDim {
		diffs = append(diffs, Difference{"logits_dim", fmt.Sprint(p.LogitsDim), fmt.Sprint(plan.LogitsDim)})
	}
	if len(diffs) > 0 {
		return &MismatchError{Dir: store.Path(""), Differences: diffs}
	}
	return nil
}

// openManifest reads the manifest of the folder, if there is one, and refuses one of another key. One that was cut
// short counts as missing: the shards carry the same facts.
func (w *Writer) openManifest(ctx context.Context, key Key) error {
	m, err := readManifest(ctx, w.store)
	switch {
	case errors.Is(err, ErrNoCache):
		return nil
	case errors.Is(err, ErrCorrupt):
		data, readErr := storage.ReadFile(ctx, w.store, ManifestName, maxJSON)
		if readErr != nil {
			return fmt.Errorf("reading manifest %q: %w", w.store.Path(ManifestName), readErr)
		}
		if !ours(data) {
			return fmt.Errorf("%w, and it is not a manifest of %s that was cut short", err, createdBy)
		}
		w.broken = append(w.broken, err)
		return nil
	case err != nil:
		return err
	}
	diffs := m.Key.Differ(key)
	if m.FormatVersion == 1 {
		diffs = append(diffs, oldFormat)
	}
	if len(diffs) > 0 {
		return &MismatchError{Dir: w.store.Path(""), Differences: diffs}
	}
	w.old = m
	return nil
}

// oldFormat says that a cache of version 1 is read, and neither repaired nor grown.
var oldFormat = Difference{"format_version", "1", fmt.Sprintf("%d to add to it or to repair it", FormatVersion)}

// refuseForeign refuses a folder with a shard that belongs to another key, or to no plan.
func (w *Writer) refuseForeign(ctx context.Context, plans []*PlanFile, key Key) error {
	for _, name := range w.files {
		number, i, count, ok := parseShard(name)
		if !ok || number >= 1 && number <= len(plans) && count == plans[number-1].ShardCount && i < count {
			continue
		}
		err := withFile(ctx, w.store, name, func(f File) error {
			s, err := openShard(f, f.Size())
			if err != nil {
				return err
			}
			diffs := s.Key.Differ(key)
			if s.FormatVersion == 1 {
				diffs = append(diffs, oldFormat)
			}
			if len(diffs) > 0 {
				return &MismatchError{Dir: w.store.Path(""), Differences: diffs}
			}
			return nil
		})
		if errors.Is(err, ErrMismatch) {
			return err
		}
		if len(plans) > 0 {
			return fmt.Errorf("%w: %q is none of the planned shards; move it away", ErrCorrupt, w.store.Path(name))
		}
	}
	return nil
}

// resume checks which of a plan's shards [from, to) are finished.
func (w *Writer) resume(ctx context.Context, p *PlanFile, from, to int) (err error) {
	if w.plan, err = openPlanned(ctx, w.store, p, from, to); err != nil {
		return err
	}
	w.from, w.to = from, to
	w.done = make([]*finished, p.ShardCount)
	w.known = w.old.listed()
	present := map[string]bool{}
	for _, name := range w.files {
		present[name] = true
	}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := from; i < to; i++ {
		if !present[w.name(i)] {
			continue
		}
		group.Go(fault.Guard(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			shard, err := w.check(ctx, i)
			if errors.Is(err, ErrMismatch) {
				return err
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			if err != nil {
				w.broken = append(w.broken, err)
				return ctx.Err()
			}
			w.done[i] = shard
			return nil
		}))
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("resuming cache %q: %w", w.store.Path(""), err)
	}
	if w.old != nil && w.old.Plan == p.Plan && len(w.broken) > 0 {
		// A folder is a cache only while all of its shards are right.
		if err := w.store.Remove(ctx, ManifestName); err != nil {
			return fmt.Errorf("resuming cache %q: %w", w.store.Path(""), err)
		}
	}
	return w.dropRecords(ctx)
}

// Describe makes the writer tell of each row how its view was drawn, as JSON.
func (w *Writer) Describe(params func(s Sample, view int32) string) { w.plan.params = params }

// Abandon removes the plan if this writer created it and no shard of it has been begun. A run that fails at its first
// row, because of a wrong setting for example, then leaves no plan behind that the next one would have to match.
func (w *Writer) Abandon(ctx context.Context) error {
	if !w.created {
		return nil
	}
	entries, err := w.store.List(ctx)
	if err != nil {
		return fmt.Errorf("removing the plan of %q: %w", w.store.Path(""), err)
	}
	for _, e := range entries {
		shard, _, _, part := parsePart(e.Name)
		if !part {
			shard = e.Name
		}
		for i := range w.plan.ShardCount {
			if shard == w.name(i) {
				return nil
			}
		}
	}
	err = errors.Join(w.store.Remove(ctx, planName(w.plan.Plan)), w.store.Remove(ctx, w.plan.SamplesFile))
	if w.plan.Plan == 1 && w.plan.Basis != "" {
		err = errors.Join(err, w.store.Remove(ctx, contentName(w.plan.Basis, basisSuffix)))
	}
	if err != nil {
		return fmt.Errorf("removing the plan of %q: %w", w.store.Path(""), err)
	}
	return nil
}

// Plan returns the plan that the writer follows.
func (w *Writer) Plan() *PlanFile { return w.plan.PlanFile }

// Broken returns what was found under the name of a shard or of the manifest and could not be used, and why.
func (w *Writer) Broken() []error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.broken)
}

// Missing returns the indices of the shards that the writer is to make and that are not written yet, ascending.
func (w *Writer) Missing() []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	var missing []int
	for i := w.from; i < w.to; i++ {
		if w.done[i] == nil {
			missing = append(missing, i)
		}
	}
	return missing
}

// Planned returns the number of rows of the shards that the writer is to make, and of those that are not there yet.
func (w *Writer) Planned() (rows, missing int) {
	for i := w.from; i < w.to; i++ {
		rows += w.plan.planned(i)
	}
	for _, i := range w.Missing() {
		missing += w.plan.planned(i)
	}
	return rows, missing
}

// Done tells whether every shard that the writer is to make is written; Commit remains to be called.
func (w *Writer) Done() bool { return len(w.Missing()) == 0 }

// Shards returns the number of planned shards.
func (w *Writer) Shards() int { return w.plan.ShardCount }

// Rows returns the ids, views, labels and samples that a shard is planned to hold, without embeddings and logits. It is
// empty for a shard that the plan does not have.
func (w *Writer) Rows(shard int) Rows {
	if shard < 0 || shard >= w.plan.ShardCount {
		return Rows{}
	}
	return w.plan.rows(shard, 0, w.plan.planned(shard))
}

// WriteShard writes a shard whose rows are in memory: those of Rows(shard), in that order, without those of samples
// that were skipped. See Fill for what is too large, or takes long.
func (w *Writer) WriteShard(ctx context.Context, shard int, rows Rows) error {
	s, err := w.Fill(ctx, shard)
	if err != nil {
		return err
	}
	s.parts, s.kept, s.next, s.held = nil, 0, 0, part{} // all rows are here
	present, err := rows.fit(w.Rows(shard), w.plan.Dim, w.plan.LogitsDim)
	if err != nil {
		return fmt.Errorf("%w for shard %d: %w", ErrRows, shard, err)
	}
	if err := rows.storable(w.plan.Key.DType, w.plan.Dim); err != nil {
		return fmt.Errorf("%w for shard %d: %w", ErrRows, shard, err)
	}
	s.next, s.held = len(present), part{
		to: len(present), present: present, embeddings: rows.Embeddings,
		logits: rows.Logits, scales: rows.Scales,
	}
	return s.Finish(ctx)
}

func (w *Writer) name(shard int) string { return shardName(w.plan.Plan, shard, w.plan.ShardCount) }
