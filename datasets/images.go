package datasets

import (
	"context"
	"crypto/sha256"
	"slices"
)

// images is what a source knows of its pictures before any filter: a sample's id is its position. An imageSet is made
// of it.
type images struct {
	name    string // of the data set
	classes []string
	labels  []int32
	ledger  Ledger
	rel     []string // see Dataset.Rel
	path    func(id int64) string
	bytes   func(id int64) blob
}

// imageSet is a data set of pictures in files or in parts of files.
type imageSet struct {
	selection
	images images
	budget *Budget
}

// openImages applies the source's filters to its pictures and fingerprints what is left.
func openImages(ctx context.Context, src Source, r Resources, of images) (Dataset, error) {
	d := &imageSet{images: of, budget: r.Budget}
	var err error
	if d.selection, err = newSelection(of.name, of.classes, of.labels, of.ledger, src); err != nil {
		return nil, err
	}
	err = d.finish(ctx, r, "files", func(id int64) string { return of.rel[id] },
		func(id int64) ([sha256.Size]byte, int, error) {
			return sumBlob(ctx, of.path(id), of.bytes(id), r.Budget)
		})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// Sample is sample i.
func (d *imageSet) Sample(i int) Sample {
	path := d.Path(i)
	return d.sample(i, path, imageFile{path: path, bytes: d.images.bytes(d.ids[i]), sum: d.sums[i], budget: d.budget})
}

// Rel is the name of sample i within the source.
func (d *imageSet) Rel(i int) string { return d.images.rel[d.ids[i]] }

// Path is the file of sample i, and where in it the sample is.
func (d *imageSet) Path(i int) string { return d.images.path(d.ids[i]) }

// unnamed are labels of n samples that have none.
func unnamed(n int) []int32 { return slices.Repeat([]int32{NoLabel}, n) }
