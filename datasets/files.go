package datasets

import (
	"context"
	"fmt"
	"slices"
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
	for _, p := range paths {
		if !isImageName(p) {
			return nil, fmt.Errorf("%w: %q is no picture, expected a name ending in %s", ErrSource, p,
				strings.Join(imageExtensions, ", "))
		}
	}
	paths = slices.Clone(paths)
	return openImages(ctx, Source{}, r, images{
		name: "pictures", classes: []string{"."}, labels: make([]int32, len(paths)), rel: paths,
		path:  func(id int64) string { return paths[id] },
		bytes: func(id int64) blob { return fileBlob(paths[id]) },
	})
}

// IsImageName reports whether a file's name ends as those of images do.
func IsImageName(name string) bool { return isImageName(name) }
