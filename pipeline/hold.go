package pipeline

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"

	"rkd/pipeline/lock"
	"rkd/pipeline/storage"
	"rkd/student/train/record"
)

// configFile is the name of the resolved configuration in a run directory.
const configFile = "config.yaml"

// hold takes hold of a folder for this process: of a run directory alone, or beside others that hold folders of their
// own in it. While another process holds it, it is lock.ErrHeld, or waited for where the machine says so. release ends
// the hold.
//
// Where the folder cannot be written it is not held: what is up to date needs no write access, and everything else says
// itself what it could not write.
func (r *Runner) hold(ctx context.Context, dir string, mode lock.Mode) (release func() error, err error) {
	nothing := func() error { return nil }
	made := missing(dir)
	var l *lock.Lock
	if r.Wait {
		l, err = lock.Wait(ctx, dir, mode, func(held error) { r.Progress.Say("waiting: %v", held) })
	} else {
		l, err = lock.Hold(dir, mode)
	}
	switch {
	case errors.Is(err, lock.ErrUnsupported):
		r.Progress.Say("%v: make sure that no other process works in it", err)
		return nothing, nil
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return nothing, nil
	case err != nil:
		return nil, err
	}
	return func() error {
		err := l.Release()
		for _, dir := range made { // of which nothing came: a folder with files in it stays
			if os.Remove(dir) != nil {
				break
			}
		}
		return err
	}, nil
}

// missing lists the folders that have to be made for dir to be there, dir first.
func missing(dir string) (made []string) {
	for {
		if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) || filepath.Dir(dir) == dir {
			return made
		}
		made = append(made, dir)
		dir = filepath.Dir(dir)
	}
}

// holdAlone holds a folder exclusively: dir on this machine and, where it is that of a location in a bucket, that one,
// too. above is the location of the run directory that a task's folder lies in.
func (r *Runner) holdAlone(ctx context.Context, dir, location, above string) (release func() error, err error) {
	here, err := r.hold(ctx, dir, lock.Exclusive)
	if err != nil || !storage.IsRemote(location) {
		return here, err
	}
	there, err := r.holdBucket(ctx, dir, location, above)
	if err != nil {
		return nil, errors.Join(err, here())
	}
	return func() error { return errors.Join(there(), here()) }, nil
}

// holdRun holds the run directory alone and sweeps up what killed runs left half-written there. (Trainings sweep up
// checkpoints, the cache its shards.)
func (r *Runner) holdRun(ctx context.Context) (release func() error, err error) {
	dir := workDir(&r.Experiment.Base)
	if release, err = r.holdAlone(ctx, dir, r.Experiment.Base.Dir, ""); err != nil {
		return nil, err
	}
	var ours []string
	for _, name := range []string{configFile, ResultsFile, measuredFile, LedgerFile} {
		ours = append(ours, regexp.QuoteMeta(name))
	}
	if err := record.Sweep(dir, ours...); err != nil {
		return nil, errors.Join(err, release())
	}
	return release, nil
}

// holdTasks holds the folders of tasks, and the run directory beside others that do the same with other tasks.
func (r *Runner) holdTasks(ctx context.Context, tasks []Task) (release func() error, err error) {
	var held []func() error
	release = func() (err error) {
		for _, of := range slices.Backward(held) {
			err = errors.Join(err, of())
		}
		return err
	}
	hold := func(of func() error, err error) error {
		if err == nil {
			held = append(held, of)
		}
		return err
	}
	run := r.Experiment.Base.Dir
	err = hold(r.hold(ctx, workDir(&r.Experiment.Base), lock.Shared))
	for _, t := range tasks {
		if err == nil {
			err = hold(r.holdAlone(ctx, t.Dir(), t.location(), run))
		}
	}
	if err != nil {
		return nil, errors.Join(err, release())
	}
	return release, nil
}
