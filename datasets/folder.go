package datasets

import (
	"cmp"
	"context"
	"crypto/sha256"
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

// folderSet is a tree of image files. The class of an image is the path of its folder relative to the root, separated
// by slashes, at any depth; images in the root itself are of class ".". Classes and samples are ordered by the bytes of
// their slash-separated paths, and the position in that order is the id.
type folderSet struct {
	selection
	root   string
	files  []string // of the selected samples, slash-separated, relative to root
	budget *Budget
}

func openFolder(ctx context.Context, src Source, r Resources) (Dataset, error) {
	root := filepath.Join(src.Dir, src.Split)
	info, err := os.Stat(root)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%w: it is no folder, expected the root of a tree of images", ErrFormat)
	}
	var files []string
	if err == nil {
		files, err = listImages(ctx, root)
	}
	if err != nil {
		return nil, fmt.Errorf("reading folder %q: %w", root, err)
	}
	classes, labels := classify(files)
	d := &folderSet{root: root, budget: r.Budget}
	if d.selection, err = newSelection(root, classes, labels, src); err != nil {
		return nil, err
	}
	if r.Sums != nil {
		d.keep(files, r.Sums)
		return d, nil
	}
	d.files = make([]string, len(d.ids))
	for i, id := range d.ids {
		d.files[i] = files[id]
	}
	err = d.hash(ctx, "files", func(i int) ([sha256.Size]byte, error) { return sumFile(ctx, d.Path(i), r.Budget) })
	if err != nil {
		return nil, err
	}
	return d, nil
}

// keep leaves out samples whose sum is not known.
func (d *folderSet) keep(files []string, sums map[string][sha256.Size]byte) {
	ids, labels := d.ids[:0], d.labels[:0]
	for i, id := range d.ids {
		if sum, ok := sums[files[id]]; ok {
			ids, labels = append(ids, id), append(labels, d.labels[i])
			d.files, d.sums = append(d.files, files[id]), append(d.sums, sum)
		}
	}
	d.ids, d.labels = ids, labels
}

// listImages walks root and returns its image files in order. A file is taken by its extension (see imageExtensions).
// Links to files are followed. Files and folders whose names begin with a dot are passed over. A link to a folder is an
// error: following it may never end, and leaving it out would lose samples in silence.
func listImages(ctx context.Context, root string) ([]string, error) {
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

// Sample is sample i.
func (d *folderSet) Sample(i int) Sample {
	path := d.Path(i)
	return d.sample(i, path, imageFile{path: path, sum: d.sums[i], budget: d.budget})
}

// Rel is the path of sample i relative to the root.
func (d *folderSet) Rel(i int) string { return d.files[i] }

// Path is the file of sample i.
func (d *folderSet) Path(i int) string { return filepath.Join(d.root, filepath.FromSlash(d.files[i])) }
