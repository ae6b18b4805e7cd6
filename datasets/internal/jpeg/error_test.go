package jpeg

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

// headers are those of a picture of 8 × 8 gray pixels, up to its scan.
const (
	soi    = "\xff\xd8"
	sof    = "\xff\xc0\x00\x0b\x08\x00\x08\x00\x08\x01\x01\x11\x00"
	sos    = "\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
	dqt    = "\xff\xdb\x00\x43\x00"
	middle = "\x7f\xa0\xff\xd9" // a difference of 0, no AC coefficient
)

var ones = strings.Repeat("\x01", blockLen)

// change replaces one piece of a header.
func change(s, from, to string) string { return strings.Replace(s, from, to, 1) }

func TestBadInput(t *testing.T) {
	whole := soi + dqt + ones + sof + sos
	if _, err := Decode([]byte(whole+middle), Options{}); err != nil {
		t.Fatalf("the picture that the table changes: %v", err)
	}
	for name, test := range map[string]struct {
		data string
		kind error
		want string
	}{
		"empty":          {"", ErrFormat, "it begins with , expected ff d8"},
		"no JPEG":        {"\x89PNG", ErrFormat, "it begins with 89 50"},
		"start alone":    {soi, ErrTruncated, "within its headers"},
		"half a length":  {soi + "\xff\xdb\x00", ErrTruncated, "within its headers"},
		"half a segment": {soi + dqt + ones[:20], ErrTruncated, "within its headers"},
		"length 1":       {soi + "\xff\xdb\x00\x01", ErrFormat, "marker 0xdb has length 1"},
		"no picture":     {soi + "\xff\xd9", ErrFormat, "ends without a picture"},
		"two starts":     {soi + soi, ErrFormat, "marker 0xd8 is out of place"},
		"reserved":       {soi + "\xff\x02\x00\x02", ErrFormat, "marker 0x02 is out of place"},
		"two frames":     {soi + sof + sof, ErrFormat, "two frame headers"},
		"short frame":    {soi + "\xff\xc0\x00\x04\x08\x00", ErrFormat, "frame header has 2 bytes"},
		"no components":  {soi + change(sof, "\x01\x01\x11", "\x00\x01\x11"), ErrFormat, "8 × 8 pixels of 0"},
		"no rows":        {soi + change(sof, "\x08\x00\x08\x00", "\x08\x00\x00\x00"), ErrFormat, "0 × 8 pixels"},
		"longer frame": {
			soi + change(sof, "\x01\x01\x11", "\x03\x01\x11"),
			ErrFormat, "frame header has 9 bytes, expected 15",
		},
		"12 bits": {soi + change(sof, "\x0b\x08", "\x0b\x0c"), ErrUnsupported, "12 bits a sample, expected 8"},
		"2 components": {
			soi + "\xff\xc0\x00\x0e\x08\x00\x08\x00\x08\x02\x01\x11\x00\x02\x11\x00",
			ErrUnsupported, "2 components",
		},
		"too wide": {
			soi + change(sof, "\x00\x08\x01", "\xff\xff\x01"),
			ErrUnsupported, "8 × 65535 pixels, expected at most",
		},
		"sampling 0":           {soi + change(sof, "\x11", "\x01"), ErrFormat, "sampling factors 0 × 1"},
		"sampling 5":           {soi + change(sof, "\x11", "\x15"), ErrFormat, "sampling factors 1 × 5"},
		"lossless":             {soi + change(sof, "\xc0", "\xc3"), ErrUnsupported, "lossless"},
		"hierarchical":         {soi + change(sof, "\xc0", "\xc5"), ErrUnsupported, "hierarchical"},
		"conditioning, odd":    {soi + "\xff\xcc\x00\x03\x00", ErrFormat, "has 1 bytes, expected an even number"},
		"conditioning, table":  {soi + "\xff\xcc\x00\x04\x20\x00", ErrFormat, "conditioning table 32"},
		"conditioning, bounds": {soi + "\xff\xcc\x00\x04\x00\x01", ErrFormat, "differences are 1 and 0"},
		"table 4":              {soi + "\xff\xdb\x00\x43\x04" + ones, ErrFormat, "quantisation table 4"},
		"short table":          {soi + "\xff\xdb\x00\x23\x00" + ones[:32], ErrFormat, "table 0 has 32 bytes, expected 64"},
		"no table":             {soi + sof + sos + middle, ErrFormat, "quantisation table 0 is missing"},
		"huffman class": {
			soi + "\xff\xc4\x00\x13\x20" + strings.Repeat("\x00", 16),
			ErrFormat, "Huffman table 0 of class 2",
		},
		"huffman count": {
			soi + "\xff\xc4\x00\x13\x00\x01" + strings.Repeat("\x00", 15),
			ErrFormat, "1 codes in 0 bytes",
		},
		"huffman rest": {soi + "\xff\xc4\x00\x04\x00\x00", ErrFormat, "2 bytes follow"},
		"huffman codes": {
			soi + dqt + ones + "\xff\xc4\x00\x15\x00\x02" + strings.Repeat("\x00", 15) + "\x01\x02" + sof + sos,
			ErrFormat, "more codes of 1 bits",
		},
		"huffman symbol": {
			soi + dqt + ones + "\xff\xc4\x00\x14\x00\x01" + strings.Repeat("\x00", 15) + "\x10" + sof + sos,
			ErrFormat, "symbol 16",
		},
		"huffman missing": {
			soi + dqt + ones + sof + change(sos, "\x01\x00", "\x01\x20") + middle,
			ErrFormat, "Huffman table 2 is missing",
		},
		"huffman number": {
			soi + dqt + ones + sof + change(sos, "\x01\x00", "\x01\x04") + middle,
			ErrFormat, "Huffman table 4",
		},
		"restart length": {soi + "\xff\xdd\x00\x03\x01", ErrFormat, "restart interval has 1 bytes"},
		"early scan":     {soi + sos, ErrFormat, "a scan comes before"},
		"scan length":    {soi + sof + "\xff\xda\x00\x08\x02\x01\x00\x00\x3f\x00", ErrFormat, "scan header"},
		"scan component": {soi + sof + change(sos, "\x01\x01", "\x01\x02"), ErrFormat, "names component 2"},
		"progression": {
			soi + dqt + ones + change(sof, "\xc0", "\xc2") + sos + middle, ErrFormat,
			"progressive scan of 1 components has coefficients 0 to 63",
		},
		"second scan":     {whole + change(middle, "\xff\xd9", sos+middle), ErrFormat, "a second scan follows"},
		"marker behind":   {whole + change(middle, "\xff\xd9", "\xff\x5c\x00\x02"), ErrFormat, "marker 0x5c is out of place"},
		"cut in the data": {whole + "\x7f", ErrTruncated, "row 0 of 1"},
		"cut in a marker": {whole + "\x7f\xff", ErrTruncated, "row 0 of 1"},
		"no second restart": {
			soi + "\xff\xdd\x00\x04\x00\x01" + dqt + ones + change(sof, "\x00\x08\x01", "\x00\x10\x01") + sos +
				"\x7f\xa0\xff\x01",
			ErrTruncated, "before restart marker 0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Decode([]byte(test.data), Options{})
			if !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %q, expected %q with %q in it", err, test.kind, test.want)
			}
		})
	}
	_, err := Decode([]byte(whole+middle), Options{Scale: 3})
	if err == nil || !strings.Contains(err.Error(), "scale is 3") {
		t.Errorf("scale 3 gives error %v", err)
	}
}

// FuzzDecode requires that no file makes the decoder panic, and that it gives the same picture twice, whatever was
// decoded in between and into whatever memory.
// The work of decoding is bounded: a small file cannot ask for thousands of passes over its picture.
func TestScansAreBounded(t *testing.T) {
	data := readPicture(t, "progressive_gray")
	at, end := bytes.LastIndex(data, []byte{0xff, markerSOS}), bytes.LastIndex(data, []byte{0xff, markerEOI})
	scan := data[at:end]
	for more, want := range map[int]error{maxScans / 2: nil, maxScans: ErrUnsupported} {
		file := slices.Concat(data[:end], bytes.Repeat(scan, more), data[end:])
		if _, err := Decode(file, Options{}); !errors.Is(err, want) {
			t.Errorf("%d scans more: got %v, want %v", more, err, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for name := range readGolden(f) {
		f.Add(readPicture(f, name))
	}
	other := readPicture(f, "sampling_420")
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := DecodeConfig(data)
		if err != nil || c.Width*c.Height > 1<<16 {
			return
		}
		first, err := Decode(data, Options{})
		if err != nil {
			if !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrUnsupported) {
				t.Errorf("error %q is of no kind", err)
			}
			return
		}
		if _, err := Decode(other, Options{}); err != nil {
			t.Fatal(err)
		}
		memory := bytes.Repeat([]byte{0x5a}, len(first.Pixels)+7)
		second, err := Decode(data, Options{Pixels: memory})
		if err != nil || !bytes.Equal(first.Pixels, second.Pixels) {
			t.Errorf("decoded twice, the pictures differ (%v)", err)
		}
		if &second.Pixels[0] != &memory[0] {
			t.Error("the memory that was given is not used")
		}
		for _, scale := range []int{2, 4, 8} {
			small, err := Decode(data, Options{Scale: scale, Pixels: memory})
			if err == nil && (small.Width != ceilDiv(c.Width, scale) || small.Height != ceilDiv(c.Height, scale)) {
				t.Errorf("at a scale of %d it is %d × %d of %d × %d", scale, small.Height, small.Width, c.Height, c.Width)
			}
		}
	})
}
