package onnx

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
)

func load(t testing.TB, name string) *Model {
	t.Helper()
	m, err := Load(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// write puts data into a new file of a new folder and returns its path.
func write(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFilesOfOtherProgramsPassTheCheck(t *testing.T) {
	for _, name := range []string{"conv_bn.onnx", "external.onnx", "fixed.onnx", "half.onnx", "subgraph.onnx"} {
		if err := load(t, name).Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLoadRefusesWhatIsNoModel(t *testing.T) {
	whole := read(t, "testdata/fixed.onnx")
	for name, data := range map[string][]byte{
		"empty":             nil,
		"text":              []byte("# a model card\n\nThis is no model.\n"),
		"half of a file":    whole[:len(whole)/2],
		"last byte missing": whole[:len(whole)-1],
		"first eight bytes": whole[:8],
		"Git LFS pointer":   []byte("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
		"gzip":              {0x1f, 0x8b, 8, 0, 0, 0, 0, 0},
		"no graph":          {8, 8},
		"no operator set":   {8, 8, 0x3a, 0},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "teacher.onnx", data)
			_, err := Load(path)
			if name == "Git LFS pointer" && !strings.Contains(err.Error(), "git lfs pull") {
				t.Errorf("got error %v, want the command that fetches the file", err)
			}
			if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), path) {
				t.Errorf("got error %v, want ErrFormat naming %s", err, path)
			}
		})
	}
	if _, err := Load(filepath.Join(t.TempDir(), "missing.onnx")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: got error %v, want fs.ErrNotExist", err)
	}
}

func TestEveryTruncationIsAnErrorOrAModelThatFailsTheCheck(t *testing.T) {
	whole := read(t, "testdata/half.onnx")
	for n := range len(whole) {
		m, err := Parse(whole[:n], "")
		if err == nil && m.Check() == nil {
			t.Errorf("the first %d of %d bytes pass as a model", n, len(whole))
		}
	}
}

func TestInterfaceOfAModel(t *testing.T) {
	m := load(t, "conv_bn.onnx")
	in := []Tensor{{"input", Float32, []Dim{{Param: "N"}, {Value: 1}, {Value: 6}, {Value: 6}}}}
	out := []Tensor{{"embedding", Float32, []Dim{{Param: "N"}, {Value: 3}}}}
	if diff := cmp.Diff(in, m.Inputs()); diff != "" {
		t.Errorf("inputs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(out, m.Outputs()); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	if got, want := m.Inputs()[0].String(), `"input" float32 (N,1,6,6)`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestInputsThatAreInitializersAreNotInputs(t *testing.T) {
	m := load(t, "conv_bn.onnx")
	m.Proto.Graph.Input = append(m.Proto.Graph.Input, &ValueInfoProto{Name: new("conv.weight")})
	if got := m.Inputs(); len(got) != 1 {
		t.Errorf("got inputs %v, want one", got)
	}
}

func TestParametersAreThoseOfPyTorch(t *testing.T) {
	var golden struct{ Parameters int64 }
	if err := json.Unmarshal(read(t, "testdata/golden.json"), &golden); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"conv_bn.onnx", "external.onnx"} {
		if got := load(t, name).Parameters(); got != golden.Parameters {
			t.Errorf("%s: got %d parameters, want %d", name, got, golden.Parameters)
		}
	}
	b := NewBuilder("g", 17)
	x := b.Input("x", Float32, "N", 4)
	r := b.Node("Reshape", []string{x, b.Int64("shape", []int{2}, []int64{-1, 2})})
	b.NodeTo("y", "Mul", []string{r, b.Float32("w", []int{2}, []float32{1, 2})})
	b.Output("y", Float32, "", 2)
	m, err := b.Model("test", "1")
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Parameters(); got != 2 {
		t.Errorf("got %d parameters, want 2: the shape of a Reshape is none", got)
	}
}

func TestUnknownFieldsSurviveARewrite(t *testing.T) {
	whole := read(t, "testdata/subgraph.onnx")
	// A top-level field that neither this package nor the specification knows.
	foreign := protowire.AppendTag(nil, 4000, protowire.BytesType)
	foreign = protowire.AppendString(foreign, "kept as it is")
	m, err := Parse(append(whole, foreign...), "")
	if err != nil {
		t.Fatal(err)
	}
	m.SetMetadata(map[string]string{"b": "2", "a": "1"})
	data, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), string(foreign)) {
		t.Error("the unknown field 4000 is lost")
	}
	if !strings.Contains(string(data), "Twice") {
		t.Error("the model-local function is lost")
	}
	again, err := Parse(data, "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"a": "1", "b": "2"}, again.Metadata()); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	if key := again.Proto.MetadataProps[0].GetKey(); key != "a" {
		t.Errorf("first key is %q, want them sorted", key)
	}
}

func TestSaveReplacesTheFileAtOnce(t *testing.T) {
	m := load(t, "fixed.onnx")
	path := write(t, "student.onnx", []byte("the file before"))
	for range 2 {
		if err := m.Save(path); err != nil {
			t.Fatal(err)
		}
	}
	want, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, path); string(got) != string(want) {
		t.Errorf("saved %d bytes that differ from the %d of Marshal", len(got), len(want))
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("got %v in the folder (error %v), want the model alone", entries, err)
	}
}

func TestSaveThatFailsLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "student.onnx")
	if err := os.MkdirAll(filepath.Join(target, "inside"), 0o755); err != nil {
		t.Fatal(err) // a folder that is not empty cannot be replaced
	}
	if err := load(t, "fixed.onnx").Save(target); err == nil {
		t.Error("got no error from saving over a folder")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("got %v in the folder (error %v), want no temporary file", entries, err)
	}
	if err := load(t, "external.onnx").Save(filepath.Join(dir, "moved.onnx")); err == nil {
		t.Error("got no error from saving a model away from its external data")
	}
}

func TestHashIsThatOfTheFile(t *testing.T) {
	m := load(t, "fixed.onnx")
	sum := sha256.Sum256(read(t, "testdata/fixed.onnx"))
	if err := m.Tap("/Relu_output_0"); err != nil {
		t.Fatal(err)
	}
	got, err := m.Hash()
	if want := hex.EncodeToString(sum[:]); err != nil || got != want {
		t.Errorf("got %s (error %v), want %s, whatever was tapped", got, err, want)
	}
}

func TestHashCoversExternalDataAndNoPath(t *testing.T) {
	hash := func(dir string) string {
		t.Helper()
		m, err := Load(filepath.Join(dir, "external.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		h, err := m.Hash()
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	dir := copyExternal(t)
	if hash("testdata") != hash(dir) {
		t.Error("the hash depends on the folder")
	}
	before := hash(dir)
	data := read(t, filepath.Join(dir, "external.bin"))
	data[17] ^= 1
	if err := os.WriteFile(filepath.Join(dir, "external.bin"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	if hash(dir) == before {
		t.Error("the hash does not see a changed byte of the external data")
	}
}

func TestSizeIncludesExternalData(t *testing.T) {
	want := int64(len(read(t, "testdata/external.onnx")) + len(read(t, "testdata/external.bin")))
	if got, err := load(t, "external.onnx").Size(); err != nil || got != want {
		t.Errorf("got %d bytes (error %v), want %d", got, err, want)
	}
}

// copyExternal copies the model with external data into a new folder.
func copyExternal(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"external.onnx", "external.bin"} {
		if err := os.WriteFile(filepath.Join(dir, name), read(t, filepath.Join("testdata", name)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestExternalDataMustBeThereAndInside(t *testing.T) {
	relocate := func(location string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			m, err := Load(filepath.Join(dir, "external.onnx"))
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range m.Proto.Graph.Initializer[0].ExternalData {
				if e.GetKey() == "location" {
					e.Value = &location
				}
			}
			if err := m.Save(filepath.Join(dir, "external.onnx")); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, test := range map[string]struct {
		spoil func(t *testing.T, dir string)
		want  string
	}{
		"parent":   {relocate("../external.bin"), "../external.bin"},
		"absolute": {relocate("/etc/hostname"), "/etc/hostname"},
		"no name":  {relocate(""), "location is empty"},
		"folder":   {relocate("."), "not a regular file"},
		"missing": {func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "external.bin")); err != nil {
				t.Fatal(err)
			}
		}, `"external.bin"`},
		"truncated": {func(t *testing.T, dir string) {
			if err := os.Truncate(filepath.Join(dir, "external.bin"), 100); err != nil {
				t.Fatal(err)
			}
		}, "truncated"},
		"link out": {func(t *testing.T, dir string) {
			inside := filepath.Join(dir, "external.bin")
			outside := write(t, "external.bin", read(t, inside))
			if err := errors.Join(os.Remove(inside), os.Symlink(outside, inside)); err != nil {
				t.Fatal(err)
			}
		}, "escapes"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyExternal(t)
			test.spoil(t, dir)
			_, err := Load(filepath.Join(dir, "external.onnx"))
			if !errors.Is(err, ErrExternal) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want ErrExternal with %q", err, test.want)
			}
		})
	}
}
