package pipeline

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"rkd/models/onnx"
	"rkd/teacher"
)

// Inspection is what a model offers a teacher section.
type Inspection struct {
	Model      string        `json:"model"`
	Parameters int64         `json:"parameters"`
	Inputs     []Described   `json:"inputs"`
	Outputs    []Described   `json:"outputs"`
	Embeddings []Candidate   `json:"embeddings"` // most likely first
	Logits     string        `json:"logits,omitempty"`
	Section    string        `json:"teacher"` // YAML of a teacher section
	input      inputGeometry // of the samples
}

// Described is a tensor for people and machines.
type Described struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Shape string `json:"shape"`
}

// Candidate is a tensor that could be an embedding.
type Candidate struct {
	Described
	// Place is the tensor's operator and the position of its node, counted from 1.
	Place string `json:"place"`
	Why   string `json:"why"`
	// Pool is how tokens or a feature map become a vector, empty for what is one.
	Pool  string `json:"pool,omitempty"`
	score int
}

// inputGeometry is what the shape of a model's input says about images.
type inputGeometry struct {
	channels, height, width int64 // 0 where the model leaves them open
	layout                  string
	pixels                  bool // uint8
}

// Inspect reads a model and lists its inputs, its outputs and every tensor that could be an embedding: floating-point
// tensors of shape (N,D), (N,D,1,1) or of a shape that the file does not state, tokens (N,T,D) and, among the graph's
// outputs, feature maps (N,C,H,W), which both take pooling. Errors are those of onnx.Load.
func Inspect(path string) (*Inspection, error) {
	m, err := loadModel(path)
	if err != nil {
		return nil, err
	}
	in := &Inspection{
		Model: path, Parameters: m.Parameters(), Inputs: describeAll(m.Inputs()),
		Outputs: describeAll(m.Outputs()),
	}
	computed := m.Computed()
	for _, c := range computed {
		if candidate, ok := rate(c, len(computed)); ok {
			candidate.Place = fmt.Sprintf("%s, node %d of %d", c.Op, c.Node+1, computed[len(computed)-1].Node+1)
			in.Embeddings = append(in.Embeddings, candidate)
		}
		if c.Output && isLogits(c) {
			in.Logits = c.Name
		}
	}
	// Of equally likely tensors the later come first: an embedding tends to be at the end of a model.
	slices.Reverse(in.Embeddings)
	slices.SortStableFunc(in.Embeddings, func(a, b Candidate) int { return b.score - a.score })
	if inputs := m.Inputs(); len(inputs) > 0 {
		in.input = geometry(inputs[0])
	}
	in.Section = in.section()
	return in, nil
}

func describeAll(tensors []onnx.Tensor) []Described {
	list := []Described{}
	for _, t := range tensors {
		list = append(list, described(t))
	}
	return list
}

func described(t onnx.Tensor) Described {
	d := Described{Name: t.Name, Type: "unknown", Shape: "unknown"}
	if t.Elem != onnx.Undefined {
		d.Type = t.Elem.String()
	}
	if t.Shape != nil {
		d.Shape = onnx.ShapeString(t.Shape)
	}
	return d
}

// pooling lists the operators whose result is often an embedding.
var pooling = []string{
	"GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "Flatten", "LpNormalization", "LayerNormalization",
	"Tanh",
}

// products lists the operators of linear layers.
var products = []string{"Gemm", "MatMul"}

// isLogits says that an output looks like class scores: by its name or the Softmax behind it.
func isLogits(c onnx.Computed) bool {
	name := strings.ToLower(c.Name)
	return strings.Contains(name, "logit") || strings.Contains(name, "class") || strings.Contains(name, "prob") ||
		c.Op == "Softmax"
}

// rate says how likely a tensor is the embedding, and why; ok is false where it cannot be one.
func rate(c onnx.Computed, count int) (Candidate, bool) {
	if c.Elem != onnx.Undefined && !c.Elem.IsFloat() {
		return Candidate{}, false
	}
	r := Candidate{Described: described(c.Tensor)}
	var why []string
	add := func(score int, reason string) {
		r.score += score
		why = append(why, reason)
	}
	switch {
	case c.Shape == nil:
		if c.Op == "Constant" || c.Op == "Shape" || c.Op == "Gather" && !c.Output {
			return Candidate{}, false
		}
	case len(c.Shape) == 2 && c.Shape[1].Value != 1:
		add(3, "(N,D)")
	case len(c.Shape) == 4 && c.Shape[2].Value == 1 && c.Shape[3].Value == 1:
		add(2, "pooled to 1×1")
	case len(c.Shape) == 3 && (c.Output || len(c.Readers) > 1):
		add(1, "tokens (N,T,D)")
		r.Pool = teacher.PoolCLS
	case len(c.Shape) == 4 && c.Output:
		add(1, "a feature map (N,C,H,W)")
		r.Pool = teacher.PoolMean
	default:
		return Candidate{}, false
	}
	name := strings.ToLower(c.Name)
	for _, word := range []string{"embed", "feature", "pooler", "pooled", "descriptor"} {
		if strings.Contains(name, word) {
			add(4, "named so")
			break
		}
	}
	if slices.Contains(pooling, c.Op) {
		add(2, "made by "+c.Op)
	}
	// What the last linear layer reads is a classifier's embedding.
	if slices.ContainsFunc(c.Readers, func(op string) bool { return slices.Contains(products, op) }) &&
		c.Node >= count*3/4 {
		add(2, "read by a late linear layer")
	}
	switch {
	case isLogits(c):
		add(-4, "looks like class scores")
	case c.Output:
		add(3, "an output")
	}
	if c.Shape == nil && r.score <= 0 && c.Node < count*3/4 {
		return Candidate{}, false // of unknown shape, early, and nothing speaks for it
	}
	r.Why = strings.Join(why, ", ")
	return r, true
}

// geometry reads an image's channels, height and width off the shape of an input.
func geometry(t onnx.Tensor) inputGeometry {
	g := inputGeometry{layout: "NCHW", pixels: t.Elem == onnx.Uint8}
	if len(t.Shape) != 4 {
		return g
	}
	c, h, w := t.Shape[1].Value, t.Shape[2].Value, t.Shape[3].Value
	if last := t.Shape[3].Value; (last == 1 || last == 3) && c != 1 && c != 3 {
		g.layout, c, h, w = "NHWC", last, t.Shape[1].Value, t.Shape[2].Value
	}
	g.channels, g.height, g.width = c, h, w
	return g
}

// section writes a teacher section: the likeliest embedding, and preprocessing as far as the input's shape tells it.
func (in *Inspection) section() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("teacher:")
	line("  model: %s", quoted(in.Model))
	if len(in.Inputs) > 1 {
		line("  input: %s", quoted(in.Inputs[0].Name))
		line("  # A constant for each of the other inputs: one number for all elements, or a list of them.")
		line("  inputs:")
		for _, other := range in.Inputs[1:] {
			line("    %s: 1 # %s %s", quoted(other.Name), other.Type, other.Shape)
		}
	}
	if len(in.Embeddings) > 0 {
		line("  output: %s", quoted(in.Embeddings[0].Name))
		if pool := in.Embeddings[0].Pool; pool != "" {
			line("  pool: %s # or mean, max, gem: the model's card knows better", pool)
		}
	}
	if in.Logits != "" {
		line("  logits: %s", quoted(in.Logits))
	}
	line("  # Preprocessing as the input's shape suggests it; the model's card knows better.")
	line("  preprocess: %s", in.input.preprocess())
	line("  normalize: l2")
	return b.String()
}

// preprocess is the preprocessing of common exporters for such an input: of ImageNet for colour images.
func (g inputGeometry) preprocess() string {
	var keys []string
	switch {
	case g.height > 64 && g.height == g.width:
		keys = append(keys, fmt.Sprintf("resize: %d, crop: %d", g.height*8/7, g.height)) // 256 for 224
	case g.height > 0 && g.width > 0:
		keys = append(keys, fmt.Sprintf("resize: [%d, %d]", g.height, g.width))
	case g.channels > 0:
		keys = append(keys, "resize: 256, crop: 224")
	}
	switch g.channels {
	case 1:
		keys = append(keys, "color: gray")
		if !g.pixels {
			keys = append(keys, "mean: [0.5]")
		}
	case 3:
		keys = append(keys, "color: rgb")
		if !g.pixels {
			keys = append(keys, "mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]")
		}
	}
	if g.layout == "NHWC" {
		keys = append(keys, "layout: NHWC")
	}
	return "{" + strings.Join(keys, ", ") + "}"
}

// plain matches a text that means itself in YAML, wherever it stands.
var plain = regexp.MustCompile(`^[A-Za-z_/][A-Za-z0-9_./-]*$`)

// quoted writes a text as YAML: plain where that is safe.
func quoted(text string) string {
	if plain.MatchString(text) && !slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"},
		strings.ToLower(text)) {
		return text
	}
	return fmt.Sprintf("%q", text)
}
