package onnx

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

// chain is a valid graph of two nodes, x → Abs → a → Mul with weight w → y.
func chain(t testing.TB) *Model {
	t.Helper()
	b := NewBuilder("chain", 17)
	x := b.Input("x", Float32, "N", 2)
	b.NodeTo("a", "Abs", []string{x})
	b.NodeTo("y", "Mul", []string{"a", b.Float32("w", []int{2}, []float32{1, 2})})
	b.Output("y", Float32, "N", 2)
	m, err := b.Model("test", "1")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestCheckNamesTheFault(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(m *ModelProto)
		want  string
	}{
		"no graph":          {func(m *ModelProto) { m.Graph = nil }, "no graph"},
		"IR version":        {func(m *ModelProto) { m.IrVersion = nil }, "ir_version is 0"},
		"operator set":      {func(m *ModelProto) { m.OpsetImport[0].Version = new(int64(0)) }, "opset_import"},
		"foreign domain":    {func(m *ModelProto) { m.Graph.Node[0].Domain = new("com.example") }, `"com.example"`},
		"no operator":       {func(m *ModelProto) { m.Graph.Node[1].OpType = nil }, "op_type is empty"},
		"no output":         {func(m *ModelProto) { m.Graph.Output = nil }, "no output"},
		"unknown output":    {func(m *ModelProto) { m.Graph.Output[0].Name = new("z") }, `output "z"`},
		"undefined input":   {func(m *ModelProto) { m.Graph.Node[0].Input[0] = "z" }, `input "z"`},
		"cycle":             {func(m *ModelProto) { m.Graph.Node[0].Input[0] = "y" }, `input "y"`},
		"node reads itself": {func(m *ModelProto) { m.Graph.Node[0].Input[0] = "a" }, `input "a"`},
		"order": {func(m *ModelProto) {
			n := m.Graph.Node
			n[0], n[1] = n[1], n[0]
		}, `node 0 (Mul "y"): input "a" is not defined by anything before it`},
		"two definitions": {func(m *ModelProto) { m.Graph.Node[1].Output[0] = "a" }, `tensor "a" is defined twice`},
		"two initializers": {func(m *ModelProto) {
			m.Graph.Initializer = append(m.Graph.Initializer,
				m.Graph.Initializer[0])
		}, `initializer "w"`},
		"unnamed input": {func(m *ModelProto) { m.Graph.Input[0].Name = nil }, "no name"},
		"too few values": {
			func(m *ModelProto) { m.Graph.Initializer[0].RawData = make([]byte, 7) },
			"7 values in field raw_data, expected 8",
		},
		"negative size": {func(m *ModelProto) { m.Graph.Initializer[0].Dims[0] = -2 }, "negative dimension -2"},
		"gigantic size": {
			func(m *ModelProto) { m.Graph.Initializer[0].Dims = []int64{1 << 40, 1 << 40} },
			"too many elements",
		},
		"no element type": {func(m *ModelProto) { m.Graph.Initializer[0].DataType = new(int32(99)) }, "data_type is 99"},
		"raw text":        {func(m *ModelProto) { m.Graph.Initializer[0].DataType = new(int32(StringElem)) }, "string_data"},
		"wrong typed field": {
			func(m *ModelProto) { m.Graph.Initializer[0].RawData = nil },
			"0 values in field float_data, expected 2",
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := chain(t)
			test.spoil(m.Proto)
			err := m.Check()
			if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want ErrFormat with %q", err, test.want)
			}
		})
	}
}

func TestCheckSeesIntoSubgraphs(t *testing.T) {
	m := load(t, "subgraph.onnx")
	for sub := range graphs(m.Proto.Graph.Node[2]) {
		sub.Node[0].Input[0] = "y" // what the If itself computes
	}
	if err := m.Check(); err == nil || !strings.Contains(err.Error(), `(Exp ""): input "y"`) {
		t.Errorf("got error %v, want one about the subgraph", err)
	}
}

func TestTapOfACycleEnds(t *testing.T) {
	m := chain(t)
	m.Proto.Graph.Node[0].Input[0] = "y"
	if err := m.Tap("y"); err != nil {
		t.Fatal(err)
	}
	if m.Check() == nil {
		t.Error("a cycle passes the check")
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.onnx")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, path := range files {
		f.Add(read(f, path), "embedding")
	}
	built, err := chain(f).Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(built, "a")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		m, err := Parse(data, dir)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Errorf("error %v does not wrap ErrFormat", err)
			}
			return
		}
		valid := m.Check() == nil
		_ = m.checkExternal()
		m.Inputs()
		m.Parameters()
		m.FoldBatchNorm()
		if valid {
			if err := m.Check(); err != nil {
				t.Errorf("folding broke the model: %v", err)
			}
		}
		for _, names := range [][]string{nil, {name}} {
			for _, o := range m.Outputs() {
				names = append(names, o.Name)
			}
			if m.Tap(names...) != nil {
				continue
			}
			for _, n := range names {
				_ = m.CastToFloat(n)
			}
			for _, i := range m.Inputs() {
				_ = m.CastFromFloat(i.Name)
			}
			if valid {
				if err := m.Check(); err != nil {
					t.Errorf("tapping %q broke the model: %v", names, err)
				}
			}
		}
	})
}
