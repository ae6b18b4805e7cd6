package datasets

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/parquet-go/parquet-go"

	"rkd/datasets/parquetfile"
)

// labelColumn is the labels of Parquet files: numbers, with names of the ClassLabel in the first file's metadata or
// without, or texts. Absent ones are samples without a label.
type labelColumn struct {
	texts []string
	names []string
	files int
}

// add reads the labels of a file, of the column with the name or of the one that is meant for them.
func (l *labelColumn) add(f *parquetfile.File, name string) error {
	if name == "" {
		if of := ofType(f, "ClassLabel"); len(of) == 1 {
			name = of[0]
		}
	}
	columns := f.Columns()
	at, err := column(columns, "label", name, usualLabels, true)
	if err != nil {
		return err
	}
	name = columns[at]
	leaf, ok := f.Column(name)
	if !ok || leaf.MaxRepetitionLevel > 0 {
		return fmt.Errorf("%w: columns.label is %q, expected a column of numbers or texts", ErrSource, name)
	}
	names := features(f)[name].Names
	if l.files > 0 && !slices.Equal(names, l.names) {
		return fmt.Errorf("%w: its ClassLabel has the names %q, that of the files before %q, expected the same", ErrFormat,
			names, l.names)
	}
	l.names = names
	l.files++
	return f.Values(leaf, func(v parquet.Value) error {
		text, err := labelText(v)
		l.texts = append(l.texts, text)
		return err
	})
}

// labelText is a label as a text, empty for an absent one. pandas makes numbers with fractions of whole ones where some
// are absent.
func labelText(v parquet.Value) (string, error) {
	if v.IsNull() {
		return "", nil
	}
	switch v.Kind() {
	case parquet.Boolean:
		if v.Boolean() {
			return "1", nil
		}
		return "0", nil
	case parquet.Int32:
		return strconv.FormatInt(int64(v.Int32()), 10), nil
	case parquet.Int64:
		return strconv.FormatInt(v.Int64(), 10), nil
	case parquet.ByteArray, parquet.FixedLenByteArray:
		return string(v.ByteArray()), nil
	case parquet.Float, parquet.Double:
		x := v.Double()
		if v.Kind() == parquet.Float {
			x = float64(v.Float())
		}
		switch {
		case math.IsNaN(x):
			return "", nil
		case x == math.Trunc(x) && math.Abs(x) < 1<<31:
			return strconv.FormatInt(int64(x), 10), nil
		}
		return "", fmt.Errorf("%w: label %v, expected a whole number or a text", ErrFormat, x)
	}
	return "", fmt.Errorf("%w: a label of type %v, expected a whole number or a text", ErrFormat, v.Kind())
}

// classes numbers the labels.
func (l *labelColumn) classes() ([]string, []int32, error) {
	if l.names == nil {
		classes, labels := anyClasses(l.texts)
		return classes, labels, nil
	}
	numbers := make([]int64, len(l.texts))
	for i, text := range l.texts {
		var err error
		if numbers[i], err = strconv.ParseInt(text, 10, 64); err != nil {
			if numbers[i] = -1; text != "" {
				return nil, nil, fmt.Errorf("%w: label %q of row %d, expected the number of a class", ErrFormat, text, i)
			}
		}
	}
	return numberedClasses(numbers, l.names)
}
