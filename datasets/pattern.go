package datasets

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"rkd/datasets/regular"
)

// numberRange is {first..last}, as names of shards are written.
var numberRange = regexp.MustCompile(`\{(\d+)\.\.(\d+)\}`)

// maxShards bounds a range of numbers.
const maxShards = 1_000_000

// expanded writes out the ranges of numbers of a pattern; both ends have the same number of digits, or the numbers have
// as many as they take.
func expanded(pattern string) ([]string, error) {
	at := numberRange.FindStringSubmatchIndex(pattern)
	if at == nil {
		return []string{pattern}, nil
	}
	first, last := pattern[at[2]:at[3]], pattern[at[4]:at[5]]
	from, err := strconv.Atoi(first)
	to, err2 := strconv.Atoi(last)
	if err != nil || err2 != nil || to < from || to-from >= maxShards {
		return nil, fmt.Errorf("%w: files has %q, expected a range of numbers from low to high, of at most %d", ErrSource,
			pattern, maxShards)
	}
	width := 0
	if len(first) == len(last) {
		width = len(first)
	}
	var all []string
	for n := from; n <= to; n++ {
		more, err := expanded(fmt.Sprintf("%s%0*d%s", pattern[:at[0]], width, n, pattern[at[1]:]))
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}

// found are the files of patterns.
type found struct {
	root  string
	files []string // relative to root, separated by slashes, in order
}

// path is file i.
func (f found) path(i int) string { return filepath.Join(f.root, filepath.FromSlash(f.files[i])) }

// glob finds the files of patterns below dir, each once: those of a pattern in the order of their names. Files and
// folders whose names begin with a dot are passed over, unless the pattern says so. A pattern without a file is an
// error. Patterns may name files elsewhere; then dir is the folder that all are in.
func glob(ctx context.Context, dir string, patterns []string) (found, error) {
	f := found{root: dir}
	var all []string
	for _, p := range patterns {
		more, err := expanded(p)
		if err != nil {
			return f, err
		}
		all = append(all, more...)
	}
	absolute := slices.ContainsFunc(all, func(p string) bool { return !filepath.IsLocal(filepath.FromSlash(p)) })
	if absolute || dir == "" {
		for i, p := range all {
			if all[i] = filepath.ToSlash(p); !filepath.IsAbs(p) {
				all[i] = filepath.ToSlash(filepath.Join(dir, p))
			}
		}
		f.root = filepath.FromSlash(commonDir(all))
		for i, p := range all {
			all[i] = strings.TrimPrefix(strings.TrimPrefix(p, filepath.ToSlash(f.root)), "/")
		}
	}
	fsys, seen := os.DirFS(f.root), map[string]bool{}
	for i, p := range all {
		if err := ctx.Err(); err != nil {
			return f, err
		}
		names, err := doublestar.Glob(fsys, p, doublestar.WithFailOnIOErrors(), doublestar.WithNoHidden())
		if err != nil {
			return f, fmt.Errorf("looking for %q in %q: %w", p, f.root, err)
		}
		names = slices.DeleteFunc(names, func(name string) bool {
			info, err := fs.Stat(fsys, name)
			return err == nil && info.IsDir()
		})
		if len(names) == 0 {
			return f, fmt.Errorf("looking for %q in %q: %w: there is no such file, expected one or more", all[i], f.root,
				fs.ErrNotExist)
		}
		slices.Sort(names)
		for _, name := range names {
			if !seen[name] {
				seen[name] = true
				f.files = append(f.files, name)
			}
		}
	}
	return f, nil
}

// commonDir is the folder that all patterns begin with.
func commonDir(patterns []string) string {
	var common string
	for i, p := range patterns {
		base, _ := doublestar.SplitPattern(p)
		if i == 0 {
			common = base
		}
		for common != base && !strings.HasPrefix(base, strings.TrimSuffix(common, "/")+"/") {
			parent := path.Dir(common)
			if parent == common {
				return common
			}
			common = parent
		}
	}
	return common
}

// shards finds the files of a source that consists of them, those with one of the extensions below Dir whose names tell
// that they are of the split: it is the name of a folder on the way, or the name begins with it.
func (s Source) shards(ctx context.Context, extensions ...string) (found, error) {
	if len(s.Files) > 0 {
		return glob(ctx, s.Dir, s.Files)
	}
	f, err := glob(ctx, s.Dir, []string{"**/*{" + strings.Join(extensions, ",") + "}"})
	if err != nil || s.Split == "" {
		return f, err
	}
	splits := []string{}
	f.files = slices.DeleteFunc(f.files, func(name string) bool {
		parts := strings.Split(name, "/")
		base := parts[len(parts)-1]
		of := base[:strings.IndexAny(base+".", "-_.")]
		splits = append(splits, of)
		return of != s.Split && !slices.Contains(parts[:len(parts)-1], s.Split)
	})
	if len(f.files) == 0 {
		slices.Sort(splits)
		return f, fmt.Errorf("%w: split is %q, and %q has no file of it, expected one of %s", ErrSource, s.Split, s.Dir,
			strings.Join(slices.Compact(splits), ", "))
	}
	return f, nil
}

// classPatterns lists the patterns of classes of the source, those in its file behind the others.
func (s Source) classPatterns() ([]string, error) {
	if s.ClassesFile == "" {
		return s.Classes, nil
	}
	data, err := regular.ReadFile(s.ClassesFile)
	if err != nil {
		return nil, fmt.Errorf("reading classes_file: %w", err)
	}
	patterns := slices.Clone(s.Classes)
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(strings.TrimPrefix(line, "\ufeff")); line != "" {
			patterns = append(patterns, line)
		}
	}
	if len(patterns) == 0 {
		return nil, fmt.Errorf("%w: classes_file %q names no class, expected one a line", ErrSource, s.ClassesFile)
	}
	return patterns, nil
}
