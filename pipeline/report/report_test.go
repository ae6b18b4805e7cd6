package report

import (
	"bytes"
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write golden files")

func example() *Page {
	curve := &Plot{
		Title: "loss <of> a & b", X: Axis{Label: "epoch"}, Y: Axis{Label: "loss", Log: true},
		Series: []Series{
			{
				Name: "a & b", X: []float64{1, 2, 3}, Y: []float64{1, 0.5, 0},
				Low: []float64{.9, .4, .1}, High: []float64{1, .6, .3},
			},
			{Name: "c", X: []float64{1, 2}, Y: []float64{2, math.NaN()}, Colour: 1, Dashed: true},
		},
	}
	cloud := &Plot{
		Bare: true, Series: []Series{{Name: "c", Mark: Dots, X: []float64{1, 2}, Y: []float64{3, 4}, Colour: 1}},
	}
	bars := &Plot{Series: []Series{{Mark: Bars, X: []float64{0, 1}, Y: []float64{3, 4}, Labels: []string{"x", "y"}}}}
	pareto := &Plot{
		X:      Axis{Log: true},
		Series: []Series{{Mark: Points, X: []float64{1e3, 1e6}, Y: []float64{.3, .4}, Labels: []string{"s", "t"}}},
	}
	return &Page{
		Title: "digits <1>", Subtitle: "two | students", Footer: "made by hand",
		Sections: []Section{
			{ID: "table", Title: "Figures", Blocks: []Block{
				Text("A sentence with *stars*."),
				Table{
					Head: []string{"model", "map@r"}, Rows: [][]string{{"teacher", "0.5"}, {"a|b", "0.25"}},
					Mark: 2, Notes: []string{"a note"},
				},
				List{"one", "two_three"},
			}},
			{ID: "curves", Title: "Curves", Blocks: []Block{
				Figures{Plots: []*Plot{curve, cloud, bars, pareto}, Note: "shaded"},
			}},
			{ID: "near", Title: "Neighbours", Blocks: []Block{Pictures{Rows: []PictureRow{{
				Head: "teacher", Query: &Picture{Data: []byte("\x89PNG"), Caption: "q"},
				Cells: []Picture{{Data: []byte{0xff}, Good: true}},
			}}}}},
			{ID: "config", Title: "Configuration", Folded: true, Blocks: []Block{Code{"yaml", "a: 1\nb: ```\n"}}},
		},
	}
}

func TestPage(t *testing.T) {
	for _, c := range []struct {
		file  string
		write func(*Page, *bytes.Buffer) error
	}{
		{"page.md.golden", func(p *Page, b *bytes.Buffer) error { return p.Markdown(b) }},
	} {
		var b bytes.Buffer
		if err := c.write(example(), &b); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", c.file)
		if *update {
			if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), b.String()); diff != "" {
			t.Errorf("%s (-want +got), renew with -update:\n%s", c.file, diff)
		}
	}
}

// Nothing on the page is fetched, text cannot become an element, and no stand-in of a colour is left.
func TestPageNeedsNoNetworkAndEscapes(t *testing.T) {
	var b bytes.Buffer
	if err := example().HTML(&b); err != nil {
		t.Fatal(err)
	}
	html := b.String()
	for _, pattern := range []string{
		`(?i)(src|href)="(https?:)?//`, `(?i)url\(\s*['"]?http`, `(?i)@import`, `(?i)<script`, `(?i)<link`,
		`<1>`, `<of>`, `#0[12]00`,
		`ZgotmplZ`,
	} {
		if found := regexp.MustCompile(pattern).FindString(html); found != "" {
			t.Errorf("the page has %q", found)
		}
	}
	for _, part := range []string{
		"prefers-color-scheme:dark", "digits &lt;1&gt;", "data:image/png;base64,", `class="mark"`,
	} {
		if !strings.Contains(html, part) {
			t.Errorf("the page lacks %q", part)
		}
	}
}

func TestPlotsThatCannotBeDrawn(t *testing.T) {
	for name, p := range map[string]*Plot{
		"no series":        {Title: "x"},
		"nothing finite":   {Series: []Series{{X: []float64{1}, Y: []float64{math.Inf(1)}}}},
		"negative in log":  {Y: Axis{Log: true}, Series: []Series{{X: []float64{1}, Y: []float64{-1}}}},
		"uneven":           {Series: []Series{{X: []float64{1}, Y: []float64{1, 2}}}},
		"no values at all": {Series: []Series{{}}},
	} {
		if _, err := p.Inline(); !errors.Is(err, ErrPlot) {
			t.Errorf("%s: error is %v, expected ErrPlot", name, err)
		}
	}
	for name, p := range map[string]*Plot{
		"one point":  {Series: []Series{{X: []float64{1}, Y: []float64{1}}}},
		"flat":       {Series: []Series{{X: []float64{1, 2}, Y: []float64{0, 0}}}},
		"log, alone": {Y: Axis{Log: true}, Series: []Series{{X: []float64{1, 2}, Y: []float64{3, 3}}}},
	} {
		var b bytes.Buffer
		if err := p.WriteSVG(&b); err != nil || !strings.HasPrefix(b.String(), "<svg ") {
			t.Errorf("%s: %v", name, err)
		}
		if bytes.Contains(b.Bytes(), []byte("NaN")) {
			t.Errorf("%s: the drawing has NaN", name)
		}
	}
}
