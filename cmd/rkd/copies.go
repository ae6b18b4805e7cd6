package main

import (
	"os"
	"path/filepath"

	"github.com/dustin/go-humanize"

	"rkd/pipeline"
	"rkd/pipeline/storage"
	_ "rkd/pipeline/storage/cloud" // the clients of the clouds
)

// Local copies of what lies in buckets.
const (
	copiesVariable = "RKD_COPIES_LIMIT"
	copiesDefault  = "50GB"
)

// keepCopies makes the storage keep local copies in the project's cache folder.
func keepCopies() error {
	dir, err := pipeline.CacheDir()
	if err != nil {
		return nil // whoever needs the folder says so
	}
	text := os.Getenv(copiesVariable)
	if text == "" {
		text = copiesDefault
	}
	limit, err := humanize.ParseBytes(text)
	if err != nil || limit == 0 || limit > 1<<60 {
		return usage(copiesVariable, "%s is %q, expected a size, such as %s", copiesVariable, text, copiesDefault)
	}
	storage.Keep(filepath.Join(dir, "copies"), int64(limit))
	return nil
}
