package tensorboard

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func points() []Point {
	return []Point{
		{Step: 10, Seconds: 1.5, Scalars: []Scalar{{"loss", 0.5}, {"selection/map@r", 0.25}}},
		{Step: 20, Seconds: 3, Scalars: []Scalar{{"loss", 0.125}}},
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	data, err := Marshal(points())
	if err != nil {
		t.Fatal(err)
	}
	got, err := Unmarshal(data)
	if diff := cmp.Diff(points(), got); diff != "" || err != nil {
		t.Errorf("(-written +read) %s, error %v", diff, err)
	}
	fewer, err := Marshal(points()[:1])
	if err != nil || !bytes.HasPrefix(data, fewer) {
		t.Errorf("a file of two points does not begin with that of the first (%v)", err)
	}
}

// The checksums are those of a bitwise CRC-32C, by hand.
func TestFirstRecord(t *testing.T) {
	data, err := Marshal(nil)
	if err != nil {
		t.Fatal(err)
	}
	const want = "0f00000000000000" + "6d532b09" + "1a0d627261696e2e4576656e743a32" + "fc985129"
	if got := hex.EncodeToString(data); got != want {
		t.Errorf("the first record is %s, expected %s", got, want)
	}
}

func TestDamageIsSeen(t *testing.T) {
	whole, err := Marshal(points())
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole { // any one byte
		data := bytes.Clone(whole)
		data[i] ^= 1
		if _, err := Unmarshal(data); !errors.Is(err, ErrRecord) {
			t.Errorf("byte %d flipped: error is %v, expected ErrRecord", i, err)
		}
	}
	first, err := Marshal(nil)
	if err != nil {
		t.Fatal(err)
	}
	for cut := 1; cut < len(first); cut++ {
		if _, err := Unmarshal(first[:cut]); !errors.Is(err, ErrRecord) {
			t.Errorf("cut to %d bytes: error is %v, expected ErrRecord", cut, err)
		}
	}
}

func FuzzUnmarshal(f *testing.F) {
	data, err := Marshal(points())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := Unmarshal(data)
		if err == nil && len(got) > len(data) || err != nil && !errors.Is(err, ErrRecord) {
			t.Errorf("%d points of %d bytes, error %v", len(got), len(data), err)
		}
	})
}
