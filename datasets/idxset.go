package datasets

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"rkd/datasets/regular"
)

//go:embed sample/*.gz
var sampleFiles embed.FS

// idxPair says where the two files of an IDX data set lie.
type idxPair struct {
	name                 string // of the data set
	imageFS, labelFS     fs.FS
	imageFile, labelFile string // inside imageFS and labelFS
	imagePath, labelPath string // for messages
	classes              int    // number of classes where it is known; 0 where the labels tell
}

// idxSet is a data set of IDX files, held in memory.
type idxSet struct {
	selection
	path                    string
	height, width, channels int
	pixels                  []uint8 // (samples of the file,height,width,channels)
}

func openMNIST(ctx context.Context, src Source, cacheDir string) (Dataset, error) {
	dir := filepath.Join(cacheDir, "mnist")
	pair := dirPair("mnist/"+src.Split, regular.DirFS(dir), dir, src.Split)
	pair.classes = 10
	d, err := pair.open(ctx, src)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: run \"make setup\" to get MNIST", err)
	}
	return d, err
}

func openSample(ctx context.Context, src Source) (Dataset, error) {
	sub, err := fs.Sub(sampleFiles, "sample")
	if err != nil {
		return nil, fmt.Errorf("opening the embedded sample: %w", err)
	}
	pair := dirPair("sample/"+src.Split, sub, "sample", src.Split)
	pair.classes = 10
	return pair.open(ctx, src)
}

func openIDX(ctx context.Context, src Source) (Dataset, error) {
	if src.Dir != "" {
		return dirPair(filepath.Join(src.Dir, src.Split), regular.DirFS(src.Dir), src.Dir, src.Split).open(ctx, src)
	}
	pair := idxPair{
		name:    src.Images,
		imageFS: regular.DirFS(filepath.Dir(src.Images)), imageFile: filepath.Base(src.Images), imagePath: src.Images,
		labelFS: regular.DirFS(filepath.Dir(src.Labels)), labelFile: filepath.Base(src.Labels), labelPath: src.Labels,
	}
	return pair.open(ctx, src)
}

// dirPair is the pair of a split under its standard file names in dir; a name without .gz wins over one with it.
func dirPair(name string, fsys fs.FS, dir, split string) idxPair {
	prefix := "train"
	if split == splitTest {
		prefix = "t10k"
	}
	pick := func(file string) string {
		if _, err := fs.Stat(fsys, file); errors.Is(err, fs.ErrNotExist) {
			return file + ".gz"
		}
		return file
	}
	images, labels := pick(prefix+"-images-idx3-ubyte"), pick(prefix+"-labels-idx1-ubyte")
	return idxPair{
		name:    name,
		imageFS: fsys, imageFile: images, imagePath: filepath.Join(dir, images),
		labelFS: fsys, labelFile: labels, labelPath: filepath.Join(dir, labels),
	}
}

// open reads both files, checks one against the other and selects.
func (p idxPair) open(ctx context.Context, src Source) (Dataset, error) {
	var labels []int32
	var err error
	d := &idxSet{path: p.imagePath}
	if src.Labels != labelsNone {
		if labels, err = p.readLabels(); err != nil {
			return nil, fmt.Errorf("reading labels %q: %w", p.labelPath, err)
		}
	}
	n, err := d.readImages(p)
	if err != nil {
		return nil, fmt.Errorf("reading images %q: %w", p.imagePath, err)
	}
	if src.Labels == labelsNone {
		labels = unnamed(n)
	}
	if n != len(labels) {
		return nil, fmt.Errorf("reading images %q: %w: %d images and %d labels in %q, expected equal numbers", p.imagePath,
			ErrFormat, n, len(labels), p.labelPath)
	}
	classes := make([]string, max(p.classes, int(slices.Max(labels))+1))
	for i := range classes {
		classes[i] = strconv.Itoa(i)
	}
	if d.selection, err = newSelection(p.name, classes, labels, Ledger{}, src); err != nil {
		return nil, err
	}
	// They are in memory: sums that are known save nothing.
	err = d.finish(ctx, Resources{}, "pixels", nil, d.sum)
	return d, err
}

func (p idxPair) readLabels() ([]int32, error) {
	a, err := readIDX(p.labelFS, p.labelFile)
	if err != nil {
		return nil, err
	}
	if len(a.dims) != 1 {
		return nil, fmt.Errorf("%w: shape %s, expected one dimension of labels", ErrFormat, times(a.dims))
	}
	labels := make([]int32, len(a.data))
	for i, v := range a.data {
		if p.classes > 0 && int(v) >= p.classes {
			return nil, fmt.Errorf("%w: label %d of sample %d, expected 0 to %d", ErrFormat, v, i, p.classes-1)
		}
		labels[i] = int32(v)
	}
	return labels, nil
}

// readImages takes (N,H,W) as gray, and (N,H,W,1) and (N,H,W,3) as gray and RGB, and returns N.
func (d *idxSet) readImages(p idxPair) (int, error) {
	a, err := readIDX(p.imageFS, p.imageFile)
	if err != nil {
		return 0, err
	}
	d.channels = 1
	if len(a.dims) == 4 {
		d.channels = a.dims[3]
	}
	if len(a.dims) < 3 || d.channels != 1 && d.channels != 3 {
		return 0, fmt.Errorf("%w: shape %s, expected samples × height × width, and 1 or 3 channels after them if any",
			ErrFormat, times(a.dims))
	}
	d.height, d.width, d.pixels = a.dims[1], a.dims[2], a.data
	if err := (Image{Height: d.height, Width: d.width, Channels: d.channels}).checkShape(); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return a.dims[0], nil
}

// sum hashes the shape and the pixels of the sample with an id.
func (d *idxSet) sum(id int64) (sum [sha256.Size]byte, channels int, err error) {
	h := sha256.New()
	var shape []byte
	for _, n := range []int{d.height, d.width, d.channels} {
		shape = binary.LittleEndian.AppendUint32(shape, uint32(n))
	}
	h.Write(shape)
	h.Write(d.image(id).Pixels)
	h.Sum(sum[:0])
	return sum, d.channels, nil
}

func (d *idxSet) image(id int64) Image {
	size := d.height * d.width * d.channels
	start := int(id) * size
	return Image{Height: d.height, Width: d.width, Channels: d.channels, Pixels: d.pixels[start : start+size : start+size]}
}

// Sample is sample i, whose image shares the memory of the data set.
func (d *idxSet) Sample(i int) Sample { return d.sample(i, d.Path(i), d.image(d.ids[i])) }

// Path is the file of the images, and the position in it.
func (d *idxSet) Path(i int) string { return fmt.Sprintf("%s#%d", d.path, d.ids[i]) }

// Rel is the name of the file of images, without .gz, and the position of sample i in it.
func (d *idxSet) Rel(i int) string {
	return fmt.Sprintf("%s#%d", strings.TrimSuffix(filepath.Base(d.path), ".gz"), d.ids[i])
}
