package datasets

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"strings"
)

// OpenFiles opens pictures that are named one by one as a data set of one class, ".": their ids are their places among
// paths. Errors are those of Open for a folder, and ErrSource where a name ends as no image's does.
func OpenFiles(ctx context.Context, paths []string, r Resources) (Dataset, error) {
	if r.Budget == nil {
		r.Budget = NewBudget(Limits{})
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%w: no picture is named", ErrSource)
	}
	d := &folderSet{budget: r.Budget}
	for _, p := range paths {
		if !isImageName(p) {
			return nil, fmt.Errorf("%w: %q is no picture, expected a name ending in %s", ErrSource, p,
				strings.Join(imageExtensions, ", "))
		}
		d.files = append(d.files, filepath.ToSlash(p))
	}
	var err error
	if d.selection, err = newSelection("pictures", []string{"."}, make([]int32, len(paths)), Source{}); err != nil {
		return nil, err
	}
	err = d.hash(ctx, "files", func(i int) ([sha256.Size]byte, error) { return sumFile(ctx, d.Path(i), r.Budget) })
	return d, err
}

// IsImageName reports whether a file's name ends as those of images do.
func IsImageName(name string) bool { return isImageName(name) }
