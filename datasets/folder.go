package datasets

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"rkd/datasets/regular"
)

func openFolder(ctx context.Context, src Source, r Resources) (Dataset, error) {
	root := filepath.Join(src.Dir, src.Split)
	info, err := os.Stat(root)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%w: it is no folder, expected the root of a tree of images", ErrFormat)
	}
	var files []string
	var ledger Ledger
	if err == nil {
		files, err = listImages(ctx, root, &ledger)
	}
	if err != nil {
		return nil, fmt.Errorf("reading folder %q: %w", root, err)
	}
	classes, labels := classify(files)
	return openImages(ctx, src, r, images{
		name: root, classes: classes, labels: labels, ledger: ledger, rel: files,
		path:  func(id int64) string { return filepath.Join(root, filepath.FromSlash(files[id])) },
		bytes: func(id int64) blob { return fileBlob(filepath.Join(root, filepath.FromSlash(files[id]))) },
	})
}

// listImages walks root and returns its image files in order, and counts the others. A file is taken by its extension
// (see imageExtensions). The class of an image is the path of its folder relative to the root, separated by slashes, at
// any depth; images in the root itself are of class ".". Classes and samples are ordered by the bytes of their
// slash-separated paths, and the position in that order is the id. Links to files are followed. Files and folders whose
// names begin with a dot are passed over. A link to a folder is an error: following it may never end, and leaving it
// out would lose samples in silence.
func listImages(ctx context.Context, root string, ledger *Ledger) ([]string, error) {
	fsys := os.DirFS(root)
	var files []string
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err := cmp.Or(err, ctx.Err()); err != nil {
			return err
		}
		if name != "." && strings.HasPrefix(entry.Name(), ".") {
			if entry.IsDir() {
				return fs.SkipDir
			}
			ledger.ignoreFile(name)
			return nil
		}
		if !utf8.ValidString(entry.Name()) && (entry.IsDir() || isImageName(name)) {
			return fmt.Errorf("%w: the name %q is not UTF-8, expected one that is: rename it", ErrFormat, name)
		}
		mode := entry.Type()
		if mode&fs.ModeSymlink != 0 {
			info, err := fs.Stat(fsys, name)
			if err != nil {
				return err
			}
			if mode = info.Mode().Type(); mode.IsDir() {
				return fmt.Errorf("%w: %q is a link to a folder, expected a folder", ErrFormat, name)
			}
		}
		if !mode.IsDir() && isImageName(name) {
			if !mode.IsRegular() {
				return fmt.Errorf("%w: %q is %w, expected an image", ErrFormat, name, regular.ErrNotRegular)
			}
			files = append(files, name)
		} else if !mode.IsDir() {
			ledger.ignoreFile(name)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%w: no image in it, expected files ending in %s", ErrFormat,
			strings.Join(imageExtensions, ", "))
	}
	// A walk goes folder by folder, which is another order: "a/b" before "a-b".
	slices.Sort(files)
	return files, nil
}

// classify returns the sorted class names and the class of each file.
func classify(files []string) (classes []string, labels []int32) {
	index := make(map[string]int32)
	for _, f := range files {
		class := path.Dir(f)
		if _, ok := index[class]; !ok {
			index[class] = 0
			classes = append(classes, class)
		}
	}
	slices.Sort(classes)
	for i, c := range classes {
		index[c] = int32(i)
	}
	labels = make([]int32, len(files))
	for i, f := range files {
		labels[i] = index[path.Dir(f)]
	}
	return classes, labels
}
