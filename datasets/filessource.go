package datasets

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// openFiles opens pictures by the patterns of their names, all below Dir without one, whose folders mean nothing: they
// have no labels. Files that are matched and whose extension is no picture's are ignored and counted.
func openFiles(ctx context.Context, src Source, r Resources) (Dataset, error) {
	patterns := src.Files
	if len(patterns) == 0 {
		patterns = Patterns{"**"}
	}
	files, err := glob(ctx, src.Dir, patterns)
	if err != nil {
		return nil, err
	}
	var ledger Ledger
	files.files = slices.DeleteFunc(files.files, func(name string) bool {
		if isImageName(name) {
			return false
		}
		ledger.ignoreFile(name)
		return true
	})
	if len(files.files) == 0 {
		return nil, fmt.Errorf("%w: files %q match no image in %q, expected names ending in %s", ErrFormat, patterns,
			files.root, strings.Join(imageExtensions, ", "))
	}
	for _, name := range files.files {
		if !utf8.ValidString(name) {
			return nil, fmt.Errorf("%w: the name %q is not UTF-8, expected one that is: rename it", ErrFormat, name)
		}
	}
	return openImages(ctx, src, r, images{
		name: files.root, labels: unnamed(len(files.files)), ledger: ledger, rel: files.files,
		path:  func(id int64) string { return files.path(int(id)) },
		bytes: func(id int64) blob { return fileBlob(files.path(int(id))) },
	})
}
