package pipeline

import (
	"context"
	_ "embed" // the template
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"rkd/datasets"
	"rkd/pipeline/config"
	"rkd/pipeline/eval"
)

//go:embed propose.yaml.tmpl
var proposeTemplate string

// proposal fills the template of a configuration.
type proposal struct {
	Name, Data    string // Data is the section's lines
	Teacher       string // section
	Arch          string
	Preprocess    string // of the student; empty takes the teacher's
	Batch         string
	Metrics       string
	Selection     string
	Flat, Overlap bool // no classes; test samples that training sees
	// Recipe is that of the student, its losses and its training; empty has them written out. Size is that of its batches,
	// Epochs their number, with Warmup steps; 0 leaves them to the recipe.
	Recipe               string
	Size, Epochs, Warmup int
}

// Proposal is a configuration that Propose wrote.
type Proposal struct {
	Text string `json:"configuration"`
	// Labelled says that there are classes; without, students are compared with the teacher alone.
	Labelled bool `json:"labelled"`
}

// Propose writes a commented configuration for the images in dir and the teacher in model, an ONNX file: folders train
// and test (or val) become the two parts; of one tree of class folders a fifth of the classes is kept for the test; a
// flat folder trains without labels, and keeps a tenth of the pictures for the test. Batches fit the smallest class.
// Paths are written as they are given.
//
// The text is a valid configuration. Errors are those of Inspect and of datasets.Open, and config.ErrConfig where the
// model has no tensor that could be an embedding.
func Propose(ctx context.Context, dir, model string) (*Proposal, error) {
	teacher, err := Inspect(model)
	if err != nil {
		return nil, err
	}
	if len(teacher.Embeddings) == 0 {
		return nil, fmt.Errorf("%w: no tensor of %q could be an embedding: `rkd inspect` lists what the model has",
			config.ErrConfig, model)
	}
	// No loss of the proposal is on logits, which would make the cache larger.
	section := regexp.MustCompile(`(?m)^  (logits: .*)$`).ReplaceAllString(teacher.Section, "  # $1    # for loss.hkd")
	p := proposal{Name: experimentName(dir), Teacher: section}
	if err := p.data(ctx, dir); err != nil {
		return nil, err
	}
	p.student(teacher.input)
	t, err := template.New("configuration").Parse(proposeTemplate)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	if err := t.Execute(&b, p); err != nil {
		return nil, err
	}
	if _, err := config.Parse("the proposed configuration", []byte(b.String()), nil); err != nil {
		return nil, err
	}
	return &Proposal{Text: b.String(), Labelled: !p.Flat}, nil
}

// experimentName makes an experiment's name from a folder's.
func experimentName(dir string) string {
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	name := regexp.MustCompile(`[^A-Za-z0-9._-]+`).ReplaceAllString(filepath.Base(dir), "-")
	if name = strings.TrimLeft(name, "-._"); name == "" {
		return "experiment"
	}
	return name
}

// data looks at the images and decides parts, classes and batches.
func (p *proposal) data(ctx context.Context, dir string) error {
	train, test := datasets.Source{Kind: "folder", Dir: dir, OnError: "skip"}, datasets.Source{}
	for _, names := range [][2]string{{"train", "test"}, {"train", "val"}, {"train", "valid"}} {
		if isDir(filepath.Join(dir, names[0])) && isDir(filepath.Join(dir, names[1])) {
			train.Split, test = names[0], train
			test.Split = names[1]
			break
		}
	}
	d, err := datasets.Open(ctx, train, datasets.Resources{})
	if err != nil {
		return err
	}
	classes, counts := d.Classes(), make([]int, len(d.Classes()))
	for i := range d.Len() {
		counts[d.Label(i)]++
	}
	p.Flat = len(classes) == 1
	switch kept := len(classes) / 5; {
	case test.Kind != "":
	case kept >= 2 && len(classes)-kept >= 2:
		test = train
		train.Classes, test.Classes = classes[:len(classes)-kept], classes[len(classes)-kept:]
		counts = counts[:len(train.Classes)]
	default:
		test, p.Overlap = train, true
	}
	p.Data = fmt.Sprintf("  train: %s\n  test: %s", flow(train), flow(test))
	p.Metrics = "[recall@1, recall@5, map@r]"
	if p.Flat && test.Split == "" {
		p.flat(train, d.Len())
	}

	// A tenth of each class is held out to choose the best checkpoint, where that is two samples or more; batches are
	// drawn from the rest.
	const most, enough = 8, 20
	smallest, total := slices.Min(counts), 0
	for _, n := range counts {
		total += n
	}
	perClass := min(most, smallest)
	p.Selection = "0"
	if smallest >= enough && !p.Flat {
		p.Selection = "0.1"
	}
	p.spread(total)
	if p.Flat || perClass < 2 || len(counts) < 2 {
		p.Batch = fmt.Sprintf("{kind: shuffled, size: %d}", max(2, min(64, total/2)))
	} else {
		p.Batch = fmt.Sprintf("{classes: %d, per_class: %d}", min(most, len(counts)), perClass)
	}
	return nil
}

// What the recipe for photographs has, which is made for tens of thousands of pictures, and the steps below which a
// training has hardly begun.
const (
	recipeBatch, recipeViews, recipeEpochs = 128, 4, 8
	fewestSteps                            = 600
)

// spread gives few pictures smaller batches, and as many epochs as make fewestSteps.
func (p *proposal) spread(pictures int) {
	size := recipeBatch
	if pictures < 4*recipeBatch {
		p.Size = max(2, min(64, pictures/2))
		size = p.Size
	}
	if each := max(1, recipeViews*pictures/size); recipeEpochs*each < fewestSteps {
		p.Epochs, p.Warmup = (fewestSteps+each-1)/each, fewestSteps/10
	}
}

// flat divides a folder without classes: a tenth, and enough to compare with the teacher by, is for testing.
func (p *proposal) flat(train datasets.Source, samples int) {
	const share, enough, neighbours = 0.1, 6, 10
	tested := max(int(share*float64(samples)), min(enough, samples/2))
	p.Metrics = fmt.Sprintf("[%s, %s]", eval.Spearman, eval.CKA)
	if tested > 2*neighbours {
		p.Metrics = fmt.Sprintf("[%s, overlap@%d, %s]", eval.Spearman, neighbours, eval.CKA)
	}
	p.Data = fmt.Sprintf("  train: {source: files, dir: %s, on_error: %s}\n  split: {test: %.2g, seed: 1}",
		quoted(train.Dir),
		train.OnError, float64(tested)/float64(samples))
}

// flow writes a source as a YAML flow mapping.
func flow(s datasets.Source) string {
	text := "{source: folder, dir: " + quoted(s.Dir)
	if s.Split != "" {
		text += ", split: " + quoted(s.Split)
	}
	if len(s.Classes) > 0 {
		names := make([]string, len(s.Classes))
		for i, c := range s.Classes {
			names[i] = fmt.Sprintf("%q", c)
		}
		text += ", classes: [" + strings.Join(names, ", ") + "]"
	}
	return text + ", on_error: " + s.OnError + "}"
}

// student chooses a network for the size of the teacher's images: small ones as they are, others at 64×64, by the
// recipe for photographs where they have colours.
func (p *proposal) student(g inputGeometry) {
	p.Arch = "{conv: [16, 32, 64, 128], head: avg}"
	color, mean, std := "rgb", "[0.485, 0.456, 0.406]", "[0.229, 0.224, 0.225]"
	if g.channels == 1 {
		color, mean, std = "gray", "[0.5]", "[0.25]"
	}
	if g.height > 0 && g.height <= 32 && g.width <= 32 {
		p.Arch = "{conv: [16, 32, 64], head: avg}"
		p.Preprocess = fmt.Sprintf("{resize: [%d, %d], color: %s, mean: %s, std: %s}", g.height, g.width, color, mean, std)
		return
	}
	if g.channels != 1 {
		p.Recipe = "photographs"
	}
	p.Preprocess = fmt.Sprintf("{resize: 72, crop: 64, color: %s, mean: %s, std: %s}", color, mean, std)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
