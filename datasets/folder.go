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
)

// folderSet is a tree of image files. The class of an image is the path of its folder relative to the root, separated by
// slashes, at any depth; images in the root itself are of class ".". Classes and samples are ordered by the bytes of
// their slash-separated paths, and the position in that order is the id.
type folderSet struct {
	selection
	root  string
	files []string // of the selected samples, slash-separated, relative to root
}

func openFolder(ctx context.Context, src Source) (Dataset, error) {
	root := filepath.Join(src.Dir, src.Split)
	files, err := listImages(ctx, root)
	if err != nil {
		return nil, fmt.Errorf("reading folder %q: %w", root, err)
	}
	classes, labels := classify(files)
	d := &folderSet{root: root}
	if d.selection, err = newSelection(root, classes, labels, src); err != nil {
		return nil, err
	}
	d.files = make([]string, len(d.ids))
	for i, id := range d.ids {
		d.files[i] = files[id]
	}
	err = d.hash(ctx, "files", func(i int) ([sha256.Size]byte, error) {
		data, err := os.ReadFile(d.Path(i))
		return contentSum(data), err
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// listImages walks root and returns its image files in order. A file is taken by its extension (see imageExtensions). Links to files are followed. Files and folders whose names begin with a dot are passed over. A link to a folder is
// an error: following it may never end, and leaving it out would lose samples in silence.
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
		if mode.IsRegular() && isImageName(name) {
			files = append(files, name)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%w: no image in it, expected files ending in %s", ErrFormat, strings.Join(imageExtensions, ", "))
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

// Image reads and decodes the file of sample i.
func (d *folderSet) Image(i int) (Image, error) {
	file := d.Path(i)
	data, err := os.ReadFile(file)
	if err != nil {
		return Image{}, fmt.Errorf("reading image: %w", err)
	}
	img, err := decode(data)
	if err != nil {
		return Image{}, fmt.Errorf("%w %q: %w", ErrDecode, file, err)
	}
	return img, nil
}

func (d *folderSet) Path(i int) string { return filepath.Join(d.root, filepath.FromSlash(d.files[i])) }
