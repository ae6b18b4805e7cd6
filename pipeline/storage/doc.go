// Package storage reads and writes the places where caches, runs and inputs lie: a folder of a file system, or the
// objects of a bucket. A location is a path, or a URL: file:///path, s3://bucket/prefix, gs://bucket/prefix,
// azblob://container/prefix. What is stored is the caller's business.
//
// A Store is one folder, in which writing is atomic and exactly one of several writers creates a name. Keep makes a
// process keep local copies of objects, within a bound and checked by hash; Mirror copies whole folders for code that
// reads files. The clients of the clouds are linked by package cloud alone.
package storage
