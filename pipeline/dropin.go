package pipeline

import (
	"context"
	"errors"

	"rkd/pipeline/cache"
	"rkd/pipeline/config"
)

// widthFor is the width of the vectors that a drop-in student searches, 0 for another student: that of the cache, or,
// where there is none yet, of the teacher.
func (r *Runner) widthFor(ctx context.Context, c *config.Config) (int, error) {
	switch {
	case !c.Student.DropIn:
		return 0, nil
	case r.width > 0:
		return r.width, nil
	}
	data, err := r.dataset(ctx, "train")
	if err != nil {
		return 0, err
	}
	source, err := openCache(ctx, data, c)
	if err == nil {
		r.width = source.Dim()
		return r.width, nil
	}
	if !errors.Is(err, cache.ErrNoCache) && !errors.Is(err, cache.ErrMismatch) && !errors.Is(err, cache.ErrCorrupt) {
		return 0, err
	}
	model, _, err := r.openModel(ctx, c.Teacher, data)
	if err != nil {
		return 0, err
	}
	r.width = model.Dim()
	return r.width, model.Close()
}
