package snippet

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"go/format"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"rkd/datasets"
)

// ErrUnsupported reports a language that there is no program for, or preprocessing that none of them does.
var ErrUnsupported = errors.New("no program")

// Languages that Write knows.
var Languages = []string{"python", "node", "go"}

// Model describes a model as far as a program that runs it needs to know.
type Model struct {
	File, Name string
	// Input takes pixels, uint8 (N,H,W,C), where Pixels, which are normalised inside; and images of any size where Any.
	Input          string
	Pixels, Any    bool
	Channels       int // of a sample, before the change of colour where Any
	Preprocess     datasets.Preprocess
	Output, Metric string
	Dim            int
	Unit           bool // rows of the output have length 1
}

//go:embed python.py.tmpl node.mjs.tmpl go.go.tmpl
var templates embed.FS

// functions of the templates.
var functions = template.FuncMap{
	"quote": func(text string) string {
		data, _ := json.Marshal(text) // a text always encodes; JSON's strings are those of all three languages
		return string(data)
	},
	"float": func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) },
	"first": func(s []int) int { return s[0] },
	"last":  func(s []int) int { return s[len(s)-1] },
	"each": func(values []float64, channels int) string {
		words := make([]string, channels)
		for i := range words {
			words[i] = strconv.FormatFloat(values[min(i, len(values)-1)], 'g', -1, 64)
		}
		return strings.Join(words, ", ")
	},
}

// program is what templates see.
type program struct {
	Model
	Resize, Crop  []int
	Fill          int
	Gray, BGR     bool // what colours become
	Color         bool // three channels, whatever the file has
	Planes        bool // NCHW
	Exif          bool
	Scale         float64
	Mean, Std     []float64
	Interpolation string
	// Shapes says that pixels are moved: padding, resizing, cropping.
	Shapes bool
}

// Write returns a program in a language. It returns ErrUnsupported for another than those in Languages, and for
// preprocessing that would make the program long: a range of 16 bits, a colour below transparency or around pictures,
// interpolation without antialiasing.
func Write(language string, m Model) (string, error) {
	if !slices.Contains(Languages, language) {
		return "", fmt.Errorf("%w in %q, expected one of %s", ErrUnsupported, language, strings.Join(Languages, ", "))
	}
	p := m.Preprocess.Resolved()
	switch {
	case len(p.Range) > 0:
		return "", unsupported("range")
	case len(p.Alpha) > 0:
		return "", unsupported("alpha")
	case len(p.Fill) == 3 && (p.Fill[0] != p.Fill[1] || p.Fill[0] != p.Fill[2]):
		return "", unsupported("fill")
	case len(p.Resize) > 0 && p.Antialias != nil && !*p.Antialias && p.Interpolation != "nearest":
		return "", unsupported("antialias")
	}
	v := program{
		Model: m, Resize: p.Resize, Crop: p.Crop, Gray: p.Color == "gray", BGR: p.Color == "bgr",
		Color: p.Color == "rgb" || p.Color == "bgr", Planes: p.Layout != "NHWC" && !m.Pixels, Exif: p.Orientation == "exif",
		Scale: p.Scale, Mean: p.Mean, Std: p.Std, Interpolation: p.Interpolation,
		Shapes: p.Pad != "" || len(p.Resize) > 0 || len(p.Crop) > 0,
	}
	if len(p.Fill) > 0 {
		v.Fill = p.Fill[0]
	}
	name := map[string]string{"python": "python.py.tmpl", "node": "node.mjs.tmpl", "go": "go.go.tmpl"}[language]
	t, err := template.New(name).Funcs(functions).ParseFS(templates, name)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if err := t.Execute(&b, v); err != nil {
		return "", err
	}
	text := blanks.ReplaceAllString(b.String(), "\n\n")
	if language == "go" {
		formatted, err := format.Source([]byte(text))
		return string(formatted), err
	}
	return text, nil
}

// blanks are several blank lines where parts of a template have been left out.
var blanks = regexp.MustCompile(`\n{4,}`)

func unsupported(key string) error {
	return fmt.Errorf("%w does preprocess.%s: export with `preprocess: true` in the section export, and take the program "+
		"of student_images.onnx, or leave %s out", ErrUnsupported, key, key)
}
