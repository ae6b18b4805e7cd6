package report

import (
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Page is a document of sections, which HTML and Markdown show in their own ways.
type Page struct {
	Title, Subtitle string
	Sections        []Section
	// Footer says what made the page.
	Footer string
}

// Section is a heading and what follows it.
type Section struct {
	ID, Title string // ID is the anchor
	Blocks    []Block
	// Folded sections are closed at first: most readers do not need them.
	Folded bool
}

// Block is a part of a section: Text, List, Table, Code, Figures, Pictures.
type Block interface {
	// markdown writes the block, or nothing where Markdown has no form for it.
	markdown(w io.Writer)
}

// Text is a paragraph.
type Text string

// List is a list of short sentences.
type List []string

// Code is a listing; Language is its name in Markdown.
type Code struct{ Language, Text string }

// Table has a head and rows of as many cells; all columns but the first are numbers, aligned to the right.
type Table struct {
	Head []string
	Rows [][]string
	// Mark is a row to stand out, counted from 1; 0 marks none.
	Mark int
	// Left aligns all columns to the left.
	Left  bool
	Notes []string // below it
}

// Figures are plots side by side, with one legend. Note is a sentence below.
type Figures struct {
	Plots []*Plot
	Note  string
	// Wide makes each plot as wide as the page.
	Wide bool
}

// Pictures is a table of pictures: each row has a head and cells.
type Pictures struct {
	Rows []PictureRow
	Note string
}

// PictureRow is a row of pictures.
type PictureRow struct {
	Head string
	// Query stands before the others.
	Query *Picture
	Cells []Picture
}

// Picture is a small image, encoded as JPEG or PNG.
type Picture struct {
	Data    []byte
	Caption string
	// Good and Bad frame it in green or in red.
	Good, Bad bool
}

// URI is the picture inside the page.
func (p Picture) URI() template.URL {
	kind := "jpeg"
	if strings.HasPrefix(string(p.Data), "\x89PNG") {
		kind = "png"
	}
	return template.URL("data:image/" + kind + ";base64," + base64.StdEncoding.EncodeToString(p.Data))
}

// Key is an entry of a legend.
type Key struct {
	Name   string
	Colour template.CSS
	Dashed bool
}

// Legend lists the names of the plots' series in their order.
func (f Figures) Legend() []Key {
	var keys []Key
	for _, p := range f.Plots {
		for _, s := range p.Series {
			if s.Name == "" || slices.ContainsFunc(keys, func(k Key) bool { return k.Name == s.Name }) {
				continue
			}
			colour := palette[int(series(s.Colour)-inkText)].name
			keys = append(keys, Key{s.Name, template.CSS("var(--" + colour + ")"), s.Dashed || s.Colour >= seriesColours})
		}
	}
	return keys
}

//go:embed page.html.tmpl page.css
var files embed.FS

var pageTemplate = template.Must(template.New("page.html.tmpl").Funcs(template.FuncMap{
	"kind":   func(b Block) string { return strings.TrimPrefix(fmt.Sprintf("%T", b), "report.") },
	"marked": func(mark, row int) bool { return mark == row+1 },
	"style": func() (template.CSS, error) {
		css, err := files.ReadFile("page.css")
		return template.CSS(Palette() + string(css)), err
	},
}).ParseFS(files, "page.html.tmpl"))

// HTML writes the page as one file that needs no network. It returns ErrPlot for a plot that cannot be drawn, and the
// errors of w.
func (p *Page) HTML(w io.Writer) error {
	if err := pageTemplate.Execute(w, p); err != nil {
		return fmt.Errorf("writing page %q: %w", p.Title, err)
	}
	return nil
}

// Markdown writes the page's texts, lists, tables and listings; folded sections are <details>.
func (p *Page) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n", escaped(p.Title))
	if p.Subtitle != "" {
		fmt.Fprintf(&b, "%s\n\n", escaped(p.Subtitle))
	}
	for _, s := range p.Sections {
		var content strings.Builder
		for _, block := range s.Blocks {
			block.markdown(&content)
		}
		switch {
		case content.Len() == 0:
		case s.Folded:
			fmt.Fprintf(&b, "<details><summary>%s</summary>\n\n%s</details>\n\n", template.HTMLEscapeString(s.Title),
				content.String())
		default:
			fmt.Fprintf(&b, "### %s\n\n%s", escaped(s.Title), content.String())
		}
	}
	if p.Footer != "" {
		fmt.Fprintf(&b, "%s\n", escaped(p.Footer))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// escaped keeps what Markdown would take for marks.
func escaped(s string) string {
	return strings.NewReplacer(`\`, `\\`, "|", `\|`, "<", "&lt;", "*", `\*`, "_", `\_`, "`", "\\`", "\n", " ").Replace(s)
}

func (t Text) markdown(w io.Writer) { fmt.Fprintf(w, "%s\n\n", escaped(string(t))) }

func (l List) markdown(w io.Writer) {
	for _, item := range l {
		fmt.Fprintf(w, "- %s\n", escaped(item))
	}
	if len(l) > 0 {
		fmt.Fprintln(w)
	}
}

func (c Code) markdown(w io.Writer) {
	fence := "```"
	for strings.Contains(c.Text, fence) {
		fence += "`"
	}
	fmt.Fprintf(w, "%s%s\n%s\n%s\n\n", fence, c.Language, strings.TrimRight(c.Text, "\n"), fence)
}

func (t Table) markdown(w io.Writer) {
	widths := make([]int, len(t.Head))
	rows := append([][]string{t.Head}, t.Rows...)
	for i, row := range rows {
		rows[i] = make([]string, len(t.Head))
		for j := range t.Head {
			if j < len(row) {
				rows[i][j] = escaped(row[j])
			}
			if i == t.Mark && i > 0 && rows[i][j] != "" {
				rows[i][j] = "**" + rows[i][j] + "**"
			}
			widths[j] = max(widths[j], utf8.RuneCountInString(rows[i][j]), 3)
		}
	}
	line := func(cells []string) {
		for j, cell := range cells {
			pad := strings.Repeat(" ", widths[j]-utf8.RuneCountInString(cell))
			if j == 0 || t.Left {
				fmt.Fprintf(w, "| %s%s ", cell, pad)
			} else {
				fmt.Fprintf(w, "| %s%s ", pad, cell)
			}
		}
		fmt.Fprintln(w, "|")
	}
	line(rows[0])
	for j := range t.Head {
		if j == 0 || t.Left {
			fmt.Fprintf(w, "|%s", strings.Repeat("-", widths[j]+2))
		} else {
			fmt.Fprintf(w, "|%s:", strings.Repeat("-", widths[j]+1))
		}
	}
	fmt.Fprintln(w, "|")
	for _, row := range rows[1:] {
		line(row)
	}
	fmt.Fprintln(w)
	for _, note := range t.Notes {
		fmt.Fprintf(w, "%s\n\n", escaped(note))
	}
}

func (Figures) markdown(io.Writer) {}

func (Pictures) markdown(io.Writer) {}
