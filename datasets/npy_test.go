package datasets

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rkd/datasets/regular"
)

// npyFile is a file of version 1 whose values are given by their bytes.
func npyFile(descr, order, shape string, values []byte) []byte {
	header := fmt.Sprintf("{'descr': %s, 'fortran_order': %s, 'shape': %s, }", descr, order, shape)
	header += strings.Repeat(" ", 63-(10+len(header))%64) + "\n"
	b := append([]byte(npyMagic), 1, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(header)))
	return append(append(b, header...), values...)
}

func npyValues(order binary.ByteOrder, values any) []byte {
	var b bytes.Buffer
	_ = binary.Write(&b, order, values) // a buffer takes everything
	return b.Bytes()
}

func writeNPY(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.npy")
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// The files are NumPy's own; see testdata/npy.py.
func TestReadNPYReadsWhatNumPyWrites(t *testing.T) {
	want := Matrix{Rows: 3, Cols: 2, Values: []float32{0, 1.5, -2, 65504, 6.103515625e-05, 5.9604644775390625e-08}}
	files, err := filepath.Glob(filepath.Join("testdata", "*.npy"))
	if err != nil || len(files) != 14 {
		t.Fatalf("files are %v (%v), expected 14", files, err)
	}
	for _, path := range files {
		got, err := ReadNPY(path)
		if err != nil {
			t.Error(err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// Several chunks, and their ends within a row.
func TestReadNPYOfMoreThanAChunk(t *testing.T) {
	const rows, cols = 5003, 7
	want := make([]float32, rows*cols)
	transposed := make([]float32, rows*cols)
	for i := range want {
		want[i] = float32(i) / 3
		transposed[i%cols*rows+i/cols] = want[i]
	}
	for order, values := range map[string][]float32{"False": want, "True": transposed} {
		path := writeNPY(t, npyFile("'>f4'", order, fmt.Sprintf("(%d, %d)", rows, cols), npyValues(binary.BigEndian, values)))
		got, err := ReadNPY(path)
		if err != nil {
			t.Fatal(err)
		}
		if got.Rows != rows || got.Cols != cols || !slices.Equal(got.Values, want) {
			t.Errorf("fortran_order %s: other values than were written", order)
		}
	}
}

func TestFromHalf(t *testing.T) {
	for bits, want := range map[uint16]float64{
		0x0000: 0, 0x3c00: 1, 0xc000: -2, 0x7bff: 65504, 0x0400: 0x1p-14, 0x0001: 0x1p-24, 0x83ff: -0x3ffp-24,
		0x3555: 0.333251953125, 0x7c00: math.Inf(1), 0xfc00: math.Inf(-1),
	} {
		if got := float64(fromHalf(bits)); got != want {
			t.Errorf("%#04x is %v, expected %v", bits, got, want)
		}
	}
	if got := fromHalf(0x7e00); got == got {
		t.Errorf("0x7e00 is %v, expected NaN", got)
	}
	if got := fromHalf(0x8000); !math.Signbit(float64(got)) || got != 0 {
		t.Errorf("0x8000 is %v, expected -0", got)
	}
}

func TestReadNPYRefuses(t *testing.T) {
	six := npyValues(binary.LittleEndian, []float32{1, 2, 3, 4, 5, 6})
	good := npyFile("'<f4'", "False", "(3, 2)", six)
	for _, tt := range []struct {
		name    string
		content []byte
		says    string
	}{
		{"empty file", nil, "the file is empty"},
		{"three bytes", good[:3], "3 bytes end within the header"},
		{"cut in the header's length", good[:9], "9 bytes end within the header"},
		{"cut in the header", good[:40], "40 bytes end within the header"},
		{"cut in the values", good[:len(good)-5], "19 bytes follow its header, expected 3×2 values of 4 bytes"},
		{"no values", good[:len(good)-24], "0 bytes follow"},
		{"bytes after the values", append(slices.Clone(good), 0), "25 bytes follow"},
		{"text", []byte("0.5,0.25\n1,2\n"), `begins with "0.5,0.", expected NumPy's`},
		{"zip archive", []byte("PK\x03\x04\x14\x00\x00\x00\x00\x00"), `begins with "PK`},
		{"version 9", append([]byte(npyMagic+"\x09\x00"), good[8:]...), "version 9.0"},
		{"header of 4 GiB", []byte(npyMagic + "\x02\x00\xff\xff\xff\xff{"), "a header of 4294967295 bytes"},
		{"no dictionary", npyFile("'<f4', 'x': 1", "Maybe", "(3, 2)", six), "expected the descr"},
		{"one dimension", npyFile("'<f4'", "False", "(6,)", six), "shape (6,), expected two dimensions"},
		{"three dimensions", npyFile("'<f4'", "False", "(1, 3, 2)", six), "shape (1, 3, 2), expected two dimensions"},
		{"no dimension", npyFile("'<f4'", "False", "()", six[:4]), "shape (), expected two dimensions"},
		{"no rows", npyFile("'<f4'", "False", "(0, 2)", nil), "shape (0, 2)"},
		{"no columns", npyFile("'<f4'", "False", "(2, 0)", nil), "shape (2, 0)"},
		{"product that overflows", npyFile("'<f4'", "False", "(2147483647, 2147483647)", six), "24 bytes follow its header"},
		{
			"dimension that overflows", npyFile("'<f4'", "False", "(99999999999999999999, 2)", six),
			"expected dimensions below",
		},
		{"whole numbers", npyFile("'<i8'", "False", "(3, 1)", six), "type '<i8', expected float16, float32 or float64"},
		{"complex numbers", npyFile("'<c8'", "False", "(3, 1)", six), "type '<c8'"},
		{"objects", npyFile("'|O'", "False", "(3, 2)", []byte("\x80\x03cos\nsystem\n.")), "type '|O'"},
		{"records", npyFile("[('a', '<f4'), ('b', '<f4')]", "False", "(3, 2)", six), "type [('a', '<f4'), ('b', '<f4')]"},
		{
			"NaN",
			npyFile("'<f4'", "False", "(3, 2)", npyValues(binary.LittleEndian, []float32{1, 2, 3, float32(math.NaN()), 5, 6})),
			"row 1 has NaN in column 1",
		},
		{
			"infinity in Fortran order",
			npyFile("'>f8'", "True", "(3, 2)", npyValues(binary.BigEndian, []float64{1, 2, math.Inf(1), 4, 5, 6})),
			"row 2 has +Inf in column 0",
		},
		{
			"beyond float32",
			npyFile("'<f8'", "False", "(1, 2)", npyValues(binary.LittleEndian, []float64{1, 1e300})),
			"row 0 has +Inf in column 1, expected finite values of float32",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ReadNPY(writeNPY(t, tt.content))
			if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "a.npy") {
				t.Errorf("error is %v, expected ErrFormat naming the file and saying %q", err, tt.says)
			}
		})
	}
	_, err := ReadNPY(filepath.Join(t.TempDir(), "none.npy"))
	if !errors.Is(err, fs.ErrNotExist) || strings.Count(err.Error(), "none.npy") != 1 {
		t.Errorf("missing file: %v, expected fs.ErrNotExist naming it once", err)
	}
	if _, err := ReadNPY(t.TempDir()); !errors.Is(err, regular.ErrNotRegular) {
		t.Errorf("folder: %v, expected ErrNotRegular", err)
	}
}

// Whatever the bytes: an error that says what is wrong with them, or a matrix that is all there.
func FuzzNPY(f *testing.F) {
	six := npyValues(binary.LittleEndian, []float32{1, 2, 3, 4, 5, 6})
	f.Add(npyFile("'<f4'", "False", "(3, 2)", six))
	f.Add(npyFile("'>f2'", "True", "(3, 4)", six))
	f.Add(npyFile("'<f8'", "True", "(1, 3)", six))
	f.Add(npyFile("'|O'", "False", "(3, 2)", six))
	f.Add(npyFile("'<f4'", "False", "(4294967296, 4294967296)", six))
	f.Add([]byte(npyMagic + "\x03\x00\xff\xff\x00\x00{'descr': "))
	f.Fuzz(func(t *testing.T, content []byte) {
		m, err := parseNPY(bytes.NewReader(content), int64(len(content)))
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatalf("error is %v, expected ErrFormat", err)
			}
			return
		}
		if m.Rows < 1 || m.Cols < 1 || len(m.Values) != m.Rows*m.Cols || 2*len(m.Values) > len(content) {
			t.Fatalf("%d×%d with %d values from %d bytes", m.Rows, m.Cols, len(m.Values), len(content))
		}
	})
}

func ExampleReadNPY() {
	m, err := ReadNPY("testdata/c_little_f4.npy")
	fmt.Println(m.Rows, m.Cols, m.Values[:3], err)
	// Output: 3 2 [0 1.5 -2] <nil>
}
