package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"rkd/datasets"
	"rkd/models/onnx"
	"rkd/pipeline/config"
	"rkd/pipeline/lock"
	"rkd/pipeline/storage"
)

// Data, models and run directories may lie in buckets. What is only read is mirrored to this machine, once; a run
// directory is worked on in a local folder, which is pulled when it is held and pushed at every checkpoint.

// localSource is a data source whose files lie on this machine: every location among its fields is mirrored.
func localSource(ctx context.Context, s datasets.Source) (datasets.Source, error) {
	v := reflect.ValueOf(&s).Elem()
	for i := range v.NumField() {
		f := v.Field(i)
		texts := []reflect.Value{f}
		if f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.String {
			f.Set(reflect.AppendSlice(reflect.MakeSlice(f.Type(), 0, f.Len()), f))
			texts = texts[:0]
			for j := range f.Len() {
				texts = append(texts, f.Index(j))
			}
		}
		for _, text := range texts {
			if text.Kind() != reflect.String || !strings.Contains(text.String(), "://") {
				continue
			}
			local, err := storage.Mirror(ctx, text.String())
			if err != nil {
				return s, err
			}
			text.SetString(local)
		}
	}
	return s, nil
}

// localModel returns the path of the model at a location, beside which its data files lie.
func localModel(ctx context.Context, location string) (string, error) {
	file, err := storage.Mirror(ctx, location)
	if err != nil || !storage.IsRemote(location) {
		return file, err
	}
	names, err := onnx.ExternalFiles(file)
	if err != nil {
		return "", err
	}
	folder, _ := storage.Split(location)
	for _, name := range names {
		if !filepath.IsLocal(filepath.FromSlash(name)) || strings.Contains(name, "/") {
			return "", fmt.Errorf("%w: %q keeps data in %q, expected a file beside it", onnx.ErrExternal, location, name)
		}
		if _, err := storage.Mirror(ctx, storage.Join(folder, name)); err != nil {
			return "", fmt.Errorf("%w: %w", onnx.ErrExternal, err)
		}
	}
	return file, nil
}

// loadModel reads the model at a location.
func loadModel(location string) (*onnx.Model, error) {
	file, err := localModel(context.Background(), location)
	if err != nil {
		return nil, err
	}
	return onnx.Load(file)
}

// workDir is where the files of a run directory are worked on: the directory itself, unless it lies in a bucket.
func workDir(c *config.Config) string { return storage.Scratch(c.Dir) }

// tree is a folder of a run directory in a bucket as dir on this machine. Caches and jobs in it are no part of it.
func tree(dir, location string) *storage.Tree {
	none := []string{lock.File, "cache", "jobs", "batch"}
	return &storage.Tree{Location: location, Dir: dir, Only: func(name string) bool {
		return !slices.ContainsFunc(strings.Split(name, "/"), func(part string) bool { return slices.Contains(none, part) })
	}}
}

// lease is a folder of a bucket that is held.
type lease struct {
	*lock.Lease
	tree *storage.Tree
}

// holdBucket holds a folder of a run directory in a bucket, and pulls it. release pushes it.
func (r *Runner) holdBucket(ctx context.Context, dir, location, above string) (release func() error, err error) {
	l := &lease{tree: tree(dir, location)}
	l.Lease, err = lock.HoldBucket(ctx, location, above, r.Wait, func(held error) { r.Progress.Say("waiting: %v", held) })
	if err != nil {
		return nil, err
	}
	finish := context.WithoutCancel(ctx)
	if err := l.tree.Pull(ctx); err != nil {
		return nil, errors.Join(err, l.Release(finish))
	}
	if r.leases == nil {
		r.leases = map[string]*lease{}
	}
	r.leases[location] = l
	return func() error {
		delete(r.leases, location)
		err := l.push(finish, l.tree)
		return errors.Join(err, l.Release(finish))
	}, nil
}

// push writes what is new in a tree, if the folder is still held.
func (l *lease) push(ctx context.Context, t *storage.Tree) error {
	if err := l.Check(ctx); err != nil {
		return err
	}
	return t.Push(ctx)
}

// saved pushes a task's folder after a checkpoint. While the bucket cannot be reached training goes on: the next
// checkpoint, or the end, pushes what is there then.
func (r *Runner) saved(ctx context.Context, t Task) error {
	for location, l := range r.leases {
		if l.tree.Dir != t.Dir() && !strings.HasPrefix(t.Dir(), l.tree.Dir+string(filepath.Separator)) {
			continue
		}
		rel, err := filepath.Rel(l.tree.Dir, t.Dir())
		if err != nil {
			return err
		}
		err = l.push(context.WithoutCancel(ctx), tree(t.Dir(), storage.Join(location, rel)))
		if errors.Is(err, storage.ErrUnreachable) {
			r.Progress.Say("distill %s: the checkpoint stays on this machine for now: %v", t, err)
			return nil
		}
		return err
	}
	return nil
}

// refresh pulls a run directory in a bucket for who only looks at it, unless a process of this machine works there.
func (r *Runner) refresh(ctx context.Context) (err error) {
	_, err = localRun(ctx, r.Experiment.Base.Dir)
	return err
}

// localRun is a run directory, or a training's folder in one, on this machine: where it lies in a bucket, a copy that
// is brought up to date.
func localRun(ctx context.Context, location string) (dir string, err error) {
	location, err = storage.Clean(location)
	if err != nil || !storage.IsRemote(location) {
		return location, err
	}
	dir = storage.Scratch(location)
	l, err := lock.Hold(dir, lock.Exclusive)
	if errors.Is(err, lock.ErrHeld) {
		return dir, nil
	}
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, l.Release()) }()
	return dir, tree(dir, location).Pull(ctx)
}

// location is where the task's folder lies, in a bucket or not.
func (t Task) location() string {
	return storage.Join(t.Config.Dir, t.path())
}
