package datasets

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"rkd/datasets/regular"
)

// Columns of a CSV file that are not named in the configuration.
var (
	usualPaths  = []string{"path", "file", "filename", "file_name", "file_path", "filepath", "image", "image_path"}
	usualLabels = []string{"label", "class", "category", "species", "target"}
	usualSplits = []string{"split", "subset", "set", "partition"}
)

// openCSV opens pictures that are listed in CSV files with a header, one a row: a column of paths relative to Dir,
// which is the file's folder by default, one of labels, a row without one being a sample without, and one of splits.
// Fields are separated by commas, semicolons or tabs, as the header tells. The files of one source have the same
// columns.
func openCSV(ctx context.Context, src Source, r Resources) (Dataset, error) {
	lists, err := glob(ctx, "", src.Files)
	if err != nil {
		return nil, err
	}
	list := csvList{source: src}
	for i := range lists.files {
		if err := list.read(lists.path(i)); err != nil {
			return nil, fmt.Errorf("reading list %q: %w", lists.path(i), err)
		}
	}
	if len(list.files) == 0 {
		return nil, fmt.Errorf("%w: split is %q, and no row of %q is of it", ErrSource, src.Split, src.Files)
	}
	classes, labels := anyClasses(list.labels)
	rel := make([]string, len(list.files))
	for i, file := range list.files {
		rel[i] = filepath.ToSlash(file)
		if below, err := filepath.Rel(list.dirs[i], file); err == nil && filepath.IsLocal(below) {
			rel[i] = filepath.ToSlash(below)
		}
	}
	if len(lists.files) > 1 { // in the folders of which the names may be the same
		for i, name := range rel {
			rel[i] = path.Join(fmt.Sprintf("[%d]", list.of[i]), name)
		}
	}
	return openImages(ctx, src, r, images{
		name: strings.Join(src.Files, ", "), classes: classes, labels: labels, ledger: list.ledger, rel: unique(rel),
		path:  func(id int64) string { return list.files[id] },
		bytes: func(id int64) blob { return fileBlob(list.files[id]) },
	})
}

// unique appends the number of a repetition to names that occur again.
func unique(names []string) []string {
	seen := map[string]int{}
	for i, name := range names {
		if seen[name]++; seen[name] > 1 {
			names[i] = fmt.Sprintf("%s#%d", name, seen[name]-1)
		}
	}
	return names
}

// csvList is what CSV files list.
type csvList struct {
	source Source
	lists  int
	files  []string
	dirs   []string // that the files' names were relative to
	labels []string
	of     []int // number of the list
	ledger Ledger
}

func (l *csvList) read(file string) error {
	data, err := regular.ReadFile(file)
	if err != nil {
		return err
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	r := csv.NewReader(bytes.NewReader(data))
	r.Comma = separator(data)
	r.ReuseRecord = true
	header, err := r.Read()
	if err != nil {
		return fmt.Errorf("%w: it has no header: %w", ErrFormat, err)
	}
	header = slices.Clone(header)
	paths, err := column(header, "path", l.source.Columns.Path, usualPaths, true)
	if err != nil {
		return err
	}
	labels, err := column(header, "label", l.source.Columns.Label, usualLabels, !l.source.unlabelled())
	if err != nil {
		return err
	}
	splits, err := column(header, "split", l.source.Columns.Split, usualSplits, l.source.Split != "")
	if err != nil {
		return err
	}
	dir := l.source.Dir
	if dir == "" {
		dir = filepath.Dir(file)
	}
	rows, err := r.ReadAll()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	for i, row := range rows {
		if l.source.Split != "" && row[splits] != l.source.Split {
			l.ledger.Found++
			l.ledger.leaveOut("split", 1)
			continue
		}
		if row[paths] == "" {
			return fmt.Errorf("%w: row %d has no path in column %q", ErrFormat, i+1, header[paths])
		}
		name, label := filepath.FromSlash(row[paths]), ""
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		if labels >= 0 {
			label = row[labels]
		}
		l.files, l.dirs = append(l.files, name), append(l.dirs, dir)
		l.labels, l.of = append(l.labels, label), append(l.of, l.lists)
	}
	l.lists++
	return nil
}

// separator is what separates the fields of the header.
func separator(data []byte) rune {
	header, _, _ := bytes.Cut(data, []byte("\n"))
	best, most := ',', bytes.Count(header, []byte(","))
	for _, r := range []rune{';', '\t'} {
		if n := bytes.Count(header, []byte(string(r))); n > most {
			best, most = r, n
		}
	}
	return best
}

// column finds a column by its name or, where the configuration has none, by its usual ones; −1 where there is none and
// none is needed.
func column(header []string, key, name string, usual []string, needed bool) (int, error) {
	if name != "" {
		if i := slices.Index(header, name); i >= 0 {
			return i, nil
		}
		return -1, fmt.Errorf("%w: columns.%s is %q, expected %s", ErrSource, key, name, candidates(header, name))
	}
	for _, name := range usual {
		at := slices.IndexFunc(header, func(h string) bool { return strings.EqualFold(h, name) })
		if at >= 0 {
			return at, nil
		}
	}
	if !needed {
		return -1, nil
	}
	hint := ""
	if key == "label" {
		hint = ", or labels: none"
	}
	return -1, fmt.Errorf("%w: no column is called %s: name one in columns.%s%s, expected %s", ErrSource,
		strings.Join(usual, ", "), key, hint, candidates(header, usual[0]))
}
