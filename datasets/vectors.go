package datasets

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"

	"rkd/datasets/parquetfile"
)

// vectorSet is a data set of vectors, held in memory.
type vectorSet struct {
	selection
	table vectorTable
}

// vectorTable is the rows of some files.
type vectorTable struct {
	cols   int
	values []float32 // (N,cols)
	labels []string  // (N), empty without one
	files  []vectorFile
	column labelColumn // of Parquet files
}

type vectorFile struct {
	path, rel string
	first     int // row
}

// openVectors opens vectors in NumPy's formats, NPY and NPZ, or columns of Parquet files. Files of one source are of
// one format and of one width.
//
// An NPY file has rows (N,D); labels, an NPY file of N whole numbers or texts, is the labels of all rows. In an NPZ
// file columns.vector names the array of rows, else it is the only one of two dimensions, and columns.label that of
// labels. In a Parquet file columns.vector names a column of lists, or columns.features those of single numbers;
// without, it is the only column of lists of numbers, or all columns of numbers but the label's are features, in the
// order of the file.
func openVectors(ctx context.Context, src Source) (Dataset, error) {
	files, err := glob(ctx, src.Dir, src.Files)
	if err != nil {
		return nil, err
	}
	d := new(vectorSet)
	for i := range files.files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := d.table.add(files.path(i), files.files[i], src); err != nil {
			return nil, fmt.Errorf("reading vectors %q: %w", files.path(i), err)
		}
	}
	t := &d.table
	rows := 0
	if t.cols > 0 {
		rows = len(t.values) / t.cols
	}
	if rows == 0 {
		return nil, fmt.Errorf("%w: %q have no row", ErrFormat, src.Files)
	}
	classes, labels, err := t.classes(src, rows)
	if err != nil {
		return nil, err
	}
	name := strings.Join(src.Files, ", ")
	if d.selection, err = newSelection(name, classes, labels, Ledger{}, src); err != nil {
		return nil, err
	}
	return d, d.finish(ctx, Resources{}, "vectors", nil, d.sum)
}

// classes are the labels of all rows.
func (t *vectorTable) classes(src Source, rows int) ([]string, []int32, error) {
	switch {
	case src.unlabelled():
		return nil, unnamed(rows), nil
	case t.column.files > 0:
		return t.column.classes()
	case src.Labels != "":
		texts, err := ReadNPYTexts(src.Labels)
		if err == nil && len(texts) != rows {
			err = fmt.Errorf("%w: labels %q has %d, expected one for each of %d rows", ErrFormat, src.Labels, len(texts), rows)
		}
		if err != nil {
			return nil, nil, err
		}
		classes, labels := anyClasses(texts)
		return classes, labels, nil
	case len(t.labels) != rows:
		return nil, nil, fmt.Errorf("%w: nothing says the labels of %q: name their file in labels, or labels: none",
			ErrSource,
			src.Files)
	}
	classes, labels := anyClasses(t.labels)
	return classes, labels, nil
}

// add reads a file.
func (t *vectorTable) add(path, rel string, src Source) error {
	var m Matrix
	var err error
	switch ext := strings.ToLower(filepath.Ext(path)); {
	case ext == ".npy":
		m, err = ReadNPY(path)
	case ext == ".npz":
		var labels []string
		m, labels, err = readNPZ(path, src)
		t.labels = append(t.labels, labels...)
	case slices.Contains(parquetExtensions, ext):
		m, err = t.readParquet(path, src)
		err = parquetErrorOrNil(err)
	default:
		return fmt.Errorf("%w: its name ends in %q, expected .npy, .npz or .parquet", ErrFormat, ext)
	}
	if err != nil {
		return err
	}
	if t.cols == 0 {
		t.cols = m.Cols
	}
	if m.Cols != t.cols {
		return fmt.Errorf("%w: it has %d numbers a row, the files before %d", ErrFormat, m.Cols, t.cols)
	}
	t.files = append(t.files, vectorFile{path, rel, len(t.values) / t.cols})
	if t.values == nil {
		t.values = m.Values
	} else {
		t.values = append(t.values, m.Values...)
	}
	return nil
}

func parquetErrorOrNil(err error) error {
	if err == nil {
		return nil
	}
	return parquetError(err)
}

// readParquet reads a file's columns.
func (t *vectorTable) readParquet(path string, src Source) (Matrix, error) {
	f, err := parquetfile.Open(path)
	if err != nil {
		return Matrix{}, err
	}
	if !src.unlabelled() && src.Labels == "" {
		if err := t.column.add(f, src.Columns.Label); err != nil {
			return Matrix{}, err
		}
	}
	lists, numbers := numberColumns(f)
	vector, features := src.Columns.Vector, src.Columns.Features
	if vector == "" && len(features) == 0 && len(lists) == 1 {
		vector = lists[0]
	}
	if vector == "" && len(features) == 0 && len(lists) == 0 {
		label := src.Columns.Label
		if at, err := column(f.Columns(), "label", label, usualLabels, false); err == nil && at >= 0 {
			label = f.Columns()[at]
		}
		features = slices.DeleteFunc(numbers, func(name string) bool { return name == label })
	}
	switch {
	case vector != "" && !slices.Contains(lists, vector):
		return Matrix{}, fmt.Errorf("%w: columns.vector is %q, expected a column of lists of numbers among %q", ErrSource,
			vector, lists)
	case vector != "":
		return readList(f, vector)
	case len(features) == 0:
		return Matrix{},
			fmt.Errorf("%w: %d columns are lists of numbers %q: name one in columns.vector, or columns of numbers "+
				"in columns.features", ErrSource, len(lists), lists)
	}
	return readFeatures(f, features, numbers)
}

// numberColumns lists the columns of lists of numbers and those of numbers. pandas' own index is none.
func numberColumns(f *parquetfile.File) (lists, numbers []string) {
	numeric := func(n parquet.Node) bool {
		return n.Leaf() && slices.Contains([]parquet.Kind{parquet.Int32, parquet.Int64, parquet.Float, parquet.Double},
			n.Type().Kind())
	}
	for _, field := range f.Schema().Fields() {
		if strings.HasPrefix(field.Name(), "__index_level_") {
			continue
		}
		if numeric(field) && !field.Repeated() {
			numbers = append(numbers, field.Name())
		} else if leaf, ok := listLeaf(f, field.Name()); ok && numeric(leaf.Node) {
			lists = append(lists, field.Name())
		}
	}
	return lists, numbers
}

// listLeaf finds the elements of a column of lists.
func listLeaf(f *parquetfile.File, name string) (parquet.LeafColumn, bool) {
	for _, path := range f.Schema().Columns() {
		if path[0] == name && len(path) > 1 {
			leaf, ok := f.Column(path...)
			return leaf, ok && leaf.MaxRepetitionLevel == 1
		}
	}
	return parquet.LeafColumn{}, false
}

// readList reads a column of lists of one length.
func readList(f *parquetfile.File, name string) (Matrix, error) {
	leaf, _ := listLeaf(f, name)
	m := Matrix{Rows: int(f.NumRows())}
	row, at := -1, 0 // of the list being read
	ended := func() error {
		if row == 0 {
			m.Cols = at
		}
		if row >= 0 && (at != m.Cols || at == 0) {
			return fmt.Errorf("%w: row %d of column %q has %d numbers, expected as many as row 0, which has %d, and one or more",
				ErrFormat, row, name, at, m.Cols)
		}
		return nil
	}
	err := f.Values(leaf, func(v parquet.Value) error {
		if v.RepetitionLevel() == 0 {
			if err := ended(); err != nil {
				return err
			}
			row, at = row+1, 0
			if v.IsNull() {
				return nil // an absent or empty list, which ended refuses
			}
		}
		x, err := number(v)
		if err != nil {
			return fmt.Errorf("%w: row %d of column %q: number %d: %w", ErrFormat, row, name, at, err)
		}
		m.Values = append(m.Values, x)
		at++
		return nil
	})
	if err == nil {
		err = ended()
	}
	if err == nil && row+1 != m.Rows {
		err = fmt.Errorf("%w: column %q has %d rows, expected %d", ErrFormat, name, row+1, m.Rows)
	}
	return m, err
}

// readFeatures reads columns of single numbers, which make up a row.
func readFeatures(f *parquetfile.File, names, numbers []string) (Matrix, error) {
	m := Matrix{Rows: int(f.NumRows()), Cols: len(names)}
	columns := make([][]float32, len(names))
	for i, name := range names {
		if !slices.Contains(numbers, name) {
			return m, fmt.Errorf("%w: columns.features has %q, expected columns of numbers: %s", ErrSource, name,
				candidates(numbers, name))
		}
		leaf, _ := f.Column(name)
		err := f.Values(leaf, func(v parquet.Value) error {
			x, err := number(v)
			if err != nil {
				return fmt.Errorf("%w: row %d of column %q: %w", ErrFormat, len(columns[i]), name, err)
			}
			columns[i] = append(columns[i], x)
			return nil
		})
		if err == nil && len(columns[i]) != m.Rows {
			err = fmt.Errorf("%w: column %q has %d rows, expected %d", ErrFormat, name, len(columns[i]), m.Rows)
		}
		if err != nil {
			return m, err
		}
	}
	m.Values = make([]float32, 0, m.Rows*m.Cols)
	for row := range m.Rows {
		for _, c := range columns {
			m.Values = append(m.Values, c[row])
		}
	}
	return m, nil
}

// number is a value as a finite float32.
func number(v parquet.Value) (float32, error) {
	if v.IsNull() {
		return 0, fmt.Errorf("it is absent, expected a number")
	}
	var x float64
	switch v.Kind() {
	case parquet.Int32:
		x = float64(v.Int32())
	case parquet.Int64:
		x = float64(v.Int64())
	case parquet.Float:
		x = float64(v.Float())
	default:
		x = v.Double()
	}
	if y := float32(x); !math.IsNaN(x) && !math.IsInf(float64(y), 0) {
		return y, nil
	}
	return 0, fmt.Errorf("it is %v, expected finite values of float32", x)
}

// sum hashes the length and the numbers of the sample with an id.
func (d *vectorSet) sum(id int64) (sum [sha256.Size]byte, channels int, err error) {
	v := d.vector(id)
	data := binary.LittleEndian.AppendUint32(make([]byte, 0, 4+4*len(v)), uint32(len(v)))
	for _, x := range v {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x))
	}
	return sha256.Sum256(data), 0, nil
}

func (d *vectorSet) vector(id int64) Vector {
	start := int(id) * d.table.cols
	return d.table.values[start : start+d.table.cols : start+d.table.cols]
}

// Sample is sample i, whose vector shares the memory of the data set.
func (d *vectorSet) Sample(i int) Sample { return d.sample(i, d.Path(i), d.vector(d.ids[i])) }

// at finds a row's file and its row there.
func (d *vectorSet) at(id int64) (vectorFile, int64) {
	files := d.table.files
	i := len(files) - 1
	for files[i].first > int(id) {
		i--
	}
	return files[i], id - int64(files[i].first)
}

// Path is the file of sample i, and the row in it.
func (d *vectorSet) Path(i int) string {
	f, row := d.at(d.ids[i])
	return fmt.Sprintf("%s#%d", f.path, row)
}

// Rel is the name of the file within the source, and the row in it.
func (d *vectorSet) Rel(i int) string {
	f, row := d.at(d.ids[i])
	return fmt.Sprintf("%s#%d", f.rel, row)
}
