package pipeline

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"

	"rkd/datasets"
)

// cacheBytes estimates the size of a cache: the values of a row, the columns about its sample, and its entries in the
// index and in the plan's table.
func cacheBytes(data datasets.Dataset, views, dim, logits int) int64 {
	const (
		fixed  = 8 + 4 + 4 + 32 // id, view, label, content
		copies = 3              // shard, index, table of samples
	)
	texts := int64(0)
	const probed = 1000
	n := min(probed, data.Len())
	for i := range n {
		at := i * data.Len() / n
		texts += int64(len(data.Rel(at)) + len(datasets.ClassName(data.Classes(), data.Label(at))) + 8)
	}
	row := int64(4*(dim+logits)) + copies*(fixed+texts/int64(n))
	return int64(data.Len()) * int64(views) * row
}

// freeSpace is the space that is left where a folder is or will be; known is false where the system does not say.
func freeSpace(dir string) (free int64, known bool, err error) {
	if strings.Contains(dir, "://") { // a bucket
		return 0, false, nil
	}
	for {
		var disk unix.Statfs_t
		err := unix.Statfs(dir, &disk)
		switch {
		case err == nil:
			return int64(disk.Bavail) * int64(disk.Bsize), true, nil
		case errors.Is(err, syscall.ENOSYS):
			return 0, false, nil
		case !errors.Is(err, fs.ErrNotExist):
			return 0, false, &os.PathError{Op: "asking for free space", Path: dir, Err: err}
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return 0, false, nil
		}
		dir = parent
	}
}

// errDisk reports a disk without room for what is to be written.
var errDisk = fmt.Errorf("too little space: %w", syscall.ENOSPC)

// checkDisk refuses to begin a cache of so many bytes where there is no room for it.
func checkDisk(dir string, bytes int64) error {
	free, known, err := freeSpace(dir)
	if err != nil || !known || bytes <= free {
		return err
	}
	return fmt.Errorf("%w: the cache takes about %s, and %s are free at %q: set cache.dir to a larger disk", errDisk,
		humanize.IBytes(uint64(bytes)), humanize.IBytes(uint64(free)), dir)
}
