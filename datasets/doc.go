// Package datasets reads labelled images and turns them into the numbers that a model takes.
//
// It holds the readers (IDX files, MNIST among them, image folders, and a small sample of MNIST embedded in the
// program), the filters and the content fingerprint of a data set, preprocessing and augmentation views. Everything is
// a pure function of the files and the configuration. Batches, caches and models are elsewhere, and it knows none of
// them.
package datasets
