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

// taskRecord is what a task leaves when all of its shards are there, so that Finalize reads none of them. Its file goes
// when a manifest says the same, and before one of the shards is made anew.
type taskRecord struct {
	FormatVersion int     `json:"format_version"`
	Plan          string  `json:"plan"` // checksum of the plan
	Task          int     `json:"task"`
	Shards        []Shard `json:"shards"`
	Skipped       []int64 `json:"skipped"` // ids of planned samples with an absent row, of each shard ascending
	Checksum      string  `json:"checksum"`
}

// recordName names the record of a plan's task.
func recordName(plan, task, tasks int) string {
	name := fmt.Sprintf("task-%05d-of-%05d", task, tasks)
	if plan > 1 {
		name += fmt.Sprintf("-plan-%d", plan)
	}
	return name + recordSuffix
}

func (p *PlanFile) recordName(task int) string { return recordName(p.Plan, task, p.Tasks) }

func (r taskRecord) encode() ([]byte, error) {
	r.Checksum = ""
	return withChecksum(&r, &r.Checksum)
}

// parseRecord reads the record of a task of a plan, or says why it is none.
func parseRecord(data []byte, p *PlanFile, task int) (*taskRecord, error) {
	r := new(taskRecord)
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(r); err != nil {
		return nil, err
	}
	canonical, err := r.encode()
	if err != nil {
		return nil, err
	}
	from, to, err := p.TaskShards(task)
	switch {
	case err != nil:
		return nil, err
	case !bytes.Equal(canonical, data):
		return nil, errors.New("its bytes changed since they were written: the checksum does not fit")
	case r.FormatVersion != FormatVersion || r.Plan != p.Checksum || r.Task != task || len(r.Shards) != to-from:
		return nil, errors.New("it is the record of another task")
	}
	for i, s := range r.Shards {
		if err := p.fitting(s, from+i); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// readRecord reads the record of a task. Without one, or with one that is damaged or of another plan, it is nil.
func (w *Writer) readRecord(ctx context.Context, p *PlanFile, task int) (*taskRecord, error) {
	data, err := storage.ReadFile(ctx, w.store, p.recordName(task), maxJSON)
	if err != nil {
		if storage.IsOutage(err) || ctx.Err() != nil {
			return nil, err
		}
		return nil, nil
	}
	r, err := parseRecord(data, p, task)
	if err != nil {
		return nil, nil // its shards are looked at instead
	}
	return r, nil
}

// CommitTask leaves a record that a task of a plan is done, whose shards are those that the writer is to make. While
// shards are missing it returns ErrIncomplete. Where a manifest lists the shards already it does nothing.
func (w *Writer) CommitTask(ctx context.Context, task int) error {
	p := w.plan.PlanFile
	from, to, err := p.TaskShards(task)
	switch {
	case err != nil:
		return err
	case from < w.from || to > w.to:
		return fmt.Errorf("%w: the writer makes shards %d to %d, not those of task %d", ErrTask, w.from, w.to-1, task)
	case w.old != nil && w.old.Plan == p.Plan && len(w.Broken()) == 0:
		return nil
	}
	r := taskRecord{FormatVersion: FormatVersion, Plan: p.Checksum, Task: task, Shards: []Shard{}, Skipped: []int64{}}
	for i := from; i < to; i++ {
		s := w.done[i]
		if s == nil {
			return fmt.Errorf("%w in %q: %q is missing", ErrIncomplete, w.store.Path(""), w.name(i))
		}
		r.Shards, r.Skipped = append(r.Shards, s.Shard), append(r.Skipped, s.skipped...)
	}
	data, err := r.encode()
	if err != nil {
		return err
	}
	name := p.recordName(task)
	err = w.store.Create(ctx, name, storage.Bytes(data))
	if errors.Is(err, fs.ErrExist) { // of who did the same, or damaged
		err = w.store.Replace(ctx, name, storage.Bytes(data))
	}
	if err != nil {
		return fmt.Errorf("writing %q: %w", w.store.Path(name), err)
	}
	// Who finalized meanwhile, by the shards alone, has not seen the record.
	if data, err := storage.ReadFile(ctx, w.store, ManifestName, maxJSON); err == nil {
		if m, err := parseManifest(data); err == nil && m.Header == p.Header {
			return w.store.Remove(ctx, name)
		}
	}
	return nil
}

// dropRecords removes the records of tasks whose shards are not all there any more: those that are made now may have
// other bytes, where another machine makes them.
func (w *Writer) dropRecords(ctx context.Context) error {
	there := map[string]bool{}
	for _, name := range w.files {
		if recordPattern.MatchString(name) {
			there[name] = true
		}
	}
	if len(there) == 0 {
		return nil
	}
	for task := range w.plan.Tasks {
		from, to, err := w.plan.TaskShards(task)
		if err != nil {
			return err
		}
		name := w.plan.recordName(task)
		for i := max(from, w.from); i < min(to, w.to) && there[name]; i++ {
			if w.done[i] != nil {
				continue
			}
			if err := w.store.Remove(ctx, name); err != nil {
				return fmt.Errorf("removing %q: %w", w.store.Path(name), err)
			}
			there[name] = false
		}
	}
	return nil
}
