package report

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// ErrPlot reports a plot that cannot be drawn.
var ErrPlot = errors.New("plot")

// Plot is a diagram of some series.
type Plot struct {
	Title  string
	X, Y   Axis
	Series []Series
	// Width and Height are those of the drawing in points; 0 is 300 and 200. On a page plots grow with it.
	Width, Height float64
	// Bare leaves axes and grid out: for projections, whose coordinates mean nothing.
	Bare bool
}

// Axis is one of a plot's axes. The range is that of the data, but for Min and Max where they are given.
type Axis struct {
	Label    string
	Log      bool // logarithmic; all values are above 0
	Min, Max *float64
}

// Mark is how a series is drawn.
type Mark int

const (
	// Line joins the points.
	Line Mark = iota
	// Points marks each by a circle.
	Points
	// Dots marks each by a small circle, for clouds of hundreds.
	Dots
	// Bars draws a bar from 0 to each value.
	Bars
)

// Series is the data of one curve, cloud of points or row of bars.
type Series struct {
	Name string // in the legend; empty stays out of it
	Mark Mark
	X, Y []float64 // values that are not finite are left out
	// Low and High, where they are given, are the edges of a band around a line.
	Low, High []float64
	// Labels, where they are given, are written beside the points.
	Labels []string
	// Colour is a number from 0: equal numbers look alike in all plots of a page.
	Colour int
	// Dashed draws a line with dashes: for what is a reference.
	Dashed bool
}

const (
	plotWidth, plotHeight = 300, 200 // points
	sans                  = "Sans"
)

// fonts of the drawing; on a page the style sheet puts the reader's in their place.
func sized(points float64) font.Font {
	return font.Font{Typeface: "Liberation", Variant: sans, Size: font.Points(points)}
}

// draw lays the plot out.
func (p *Plot) draw(legend bool) (*vgsvg.Canvas, error) {
	g := plot.New()
	text := inkText.colour()
	g.BackgroundColor = nil
	g.Title.Text, g.Title.TextStyle.Font, g.Title.TextStyle.Color = p.Title, sized(10), text
	g.Title.Padding = vg.Points(6)
	for _, a := range []struct {
		axis *plot.Axis
		of   Axis
	}{{&g.X, p.X}, {&g.Y, p.Y}} {
		a.axis.Label.Text, a.axis.Label.TextStyle.Font, a.axis.Label.TextStyle.Color = a.of.Label, sized(8.5), text
		a.axis.Tick.Label.Font, a.axis.Tick.Label.Color = sized(8), text
		a.axis.Color, a.axis.Tick.Color = inkGrid.colour(), inkGrid.colour()
		a.axis.Tick.Length = vg.Points(3)
		a.axis.Padding = vg.Points(4)
		if a.of.Log {
			a.axis.Scale, a.axis.Tick.Marker = plot.LogScale{}, plot.TickerFunc(logTicks)
		}
	}
	if p.Bare {
		g.HideAxes()
	} else {
		grid := plotter.NewGrid()
		grid.Vertical.Color, grid.Horizontal.Color = nil, inkGrid.colour()
		grid.Horizontal.Width = vg.Points(0.7)
		g.Add(grid)
	}
	g.Legend.TextStyle.Font, g.Legend.TextStyle.Color = sized(8), text
	g.Legend.Top, g.Legend.Padding = true, vg.Points(2)
	drawn := 0
	for i := range p.Series {
		thumbnails, err := p.add(g, &p.Series[i])
		if err != nil {
			return nil, fmt.Errorf("%w %q, series %q: %w", ErrPlot, p.Title, p.Series[i].Name, err)
		}
		if len(thumbnails) > 0 {
			drawn++
		}
		if legend && p.Series[i].Name != "" && len(thumbnails) > 0 {
			g.Legend.Add(p.Series[i].Name, thumbnails...)
		}
	}
	if drawn == 0 {
		return nil, fmt.Errorf("%w %q: no finite value", ErrPlot, p.Title)
	}
	for _, a := range []struct {
		axis *plot.Axis
		of   Axis
	}{{&g.X, p.X}, {&g.Y, p.Y}} {
		if a.of.Min != nil {
			a.axis.Min = *a.of.Min
		}
		if a.of.Max != nil {
			a.axis.Max = *a.of.Max
		}
		widen(a.axis, a.of.Log)
	}
	w, h := p.Width, p.Height
	if w == 0 {
		w = plotWidth
	}
	if h == 0 {
		h = plotHeight
	}
	c := vgsvg.New(vg.Points(w), vg.Points(h))
	area := draw.New(c)
	area.Min.X, area.Max.X, area.Max.Y = area.Min.X+2, area.Max.X-6, area.Max.Y-2 // labels at the ends of axes
	g.Draw(area)
	return c, nil
}

// widen keeps an axis from having no length.
func widen(a *plot.Axis, log bool) {
	switch {
	case a.Min < a.Max:
	case log:
		a.Min, a.Max = a.Min/2, a.Max*2
	case a.Min == 0:
		a.Max = 1
	default:
		d := math.Abs(a.Min) / 10
		a.Min, a.Max = a.Min-d, a.Max+d
	}
}

// add adds a series to a plot and returns its entry in the legend, nil where no value is finite.
func (p *Plot) add(g *plot.Plot, s *Series) ([]plot.Thumbnailer, error) {
	if len(s.X) != len(s.Y) {
		return nil, fmt.Errorf("%d and %d values, expected as many x as y", len(s.X), len(s.Y))
	}
	colour := series(s.Colour)
	xys, kept := p.finite(s)
	if len(xys) == 0 {
		return nil, nil
	}
	if band := s.band(kept); band != nil {
		polygon, err := plotter.NewPolygon(band)
		if err != nil {
			return nil, err
		}
		polygon.Color, polygon.Width = colour.faint(), 0
		g.Add(polygon)
	}
	var thumbnail plot.Thumbnailer
	switch s.Mark {
	case Bars:
		values := make(plotter.Values, len(xys))
		for i, xy := range xys {
			values[i] = xy.Y
		}
		bars, err := plotter.NewBarChart(values, vg.Points(0.7*plotWidth/float64(len(values)+1)))
		if err != nil {
			return nil, err
		}
		bars.Color, bars.LineStyle.Width = colour.colour(), 0
		g.Add(bars)
		if len(s.Labels) == len(values) {
			g.NominalX(s.Labels...)
		}
		return []plot.Thumbnailer{bars}, nil
	case Points, Dots:
		scatter, err := plotter.NewScatter(xys)
		if err != nil {
			return nil, err
		}
		scatter.Color, scatter.Shape, scatter.Radius = colour.colour(), draw.CircleGlyph{}, vg.Points(3.2)
		if s.Mark == Dots {
			scatter.Radius = vg.Points(1.3)
		}
		g.Add(scatter)
		thumbnail = scatter
	default:
		line, err := plotter.NewLine(xys)
		if err != nil {
			return nil, err
		}
		line.Color, line.Width = colour.colour(), vg.Points(1.6)
		line.Dashes = plotutil.Dashes(s.Colour / seriesColours) // of more series than colours
		if s.Dashed {
			line.Dashes, line.Width = []vg.Length{vg.Points(4), vg.Points(3)}, vg.Points(1.1)
		}
		g.Add(line)
		thumbnail = line
		if len(xys) == 1 {
			scatter, err := plotter.NewScatter(xys)
			if err != nil {
				return nil, err
			}
			scatter.Color, scatter.Shape, scatter.Radius = colour.colour(), draw.CircleGlyph{}, vg.Points(2.5)
			g.Add(scatter)
		}
	}
	return []plot.Thumbnailer{thumbnail}, p.label(g, s, xys, kept)
}

// label writes the labels of a series beside its points.
func (p *Plot) label(g *plot.Plot, s *Series, xys plotter.XYs, kept []int) error {
	if len(s.Labels) != len(s.X) || len(s.Labels) == 0 {
		return nil
	}
	texts := make([]string, len(kept))
	for i, k := range kept {
		texts[i] = s.Labels[k]
	}
	labels, err := plotter.NewLabels(plotter.XYLabels{XYs: xys, Labels: texts})
	if err != nil {
		return err
	}
	for i := range labels.TextStyle {
		labels.TextStyle[i].Font, labels.TextStyle[i].Color = sized(8), inkText.colour()
	}
	labels.Offset = vg.Point{X: vg.Points(5), Y: vg.Points(3)}
	g.Add(labels)
	return nil
}

// finite returns the points whose coordinates can be drawn, and their places.
func (p *Plot) finite(s *Series) (xys plotter.XYs, kept []int) {
	drawable := func(v float64, a Axis) bool {
		return !math.IsNaN(v) && !math.IsInf(v, 0) && (!a.Log || v > 0)
	}
	for i := range s.X {
		if drawable(s.X[i], p.X) && drawable(s.Y[i], p.Y) {
			xys, kept = append(xys, plotter.XY{X: s.X[i], Y: s.Y[i]}), append(kept, i)
		}
	}
	return xys, kept
}

// band is the outline of the band around a line, nil where there is none.
func (s *Series) band(kept []int) plotter.XYs {
	if len(s.Low) != len(s.X) || len(s.High) != len(s.X) || len(kept) < 2 {
		return nil
	}
	var band plotter.XYs
	for _, i := range kept {
		band = append(band, plotter.XY{X: s.X[i], Y: s.High[i]})
	}
	for k := len(kept) - 1; k >= 0; k-- {
		band = append(band, plotter.XY{X: s.X[kept[k]], Y: s.Low[kept[k]]})
	}
	for _, xy := range band {
		if math.IsNaN(xy.Y) || math.IsInf(xy.Y, 0) {
			return nil
		}
	}
	return band
}

// svg is the drawing as an element.
func (p *Plot) svg(legend bool, style string) (string, error) {
	c, err := p.draw(legend)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return "", fmt.Errorf("%w %q: %w", ErrPlot, p.Title, err)
	}
	_, element, found := strings.Cut(b.String(), "<svg ")
	open, rest, closed := strings.Cut(element, ">")
	if !found || !closed {
		return "", fmt.Errorf("%w %q: the drawing is no SVG", ErrPlot, p.Title)
	}
	name := template.HTMLEscapeString(p.Title)
	if p.Title == "" {
		name = template.HTMLEscapeString(strings.TrimSpace(p.Y.Label + " " + p.X.Label))
	}
	return `<svg role="img" aria-label="` + name + `" ` + open + ">" + style + variables(rest), nil
}

// Inline is the plot as an element of a page whose style sheet holds [Palette]. The legend is the page's.
func (p *Plot) Inline() (template.HTML, error) {
	svg, err := p.svg(false, "")
	return template.HTML(svg), err
}

// WriteSVG writes the plot as a file of its own, with a legend, in light and dark.
func (p *Plot) WriteSVG(w io.Writer) error {
	svg, err := p.svg(true, "<style>"+Palette()+"</style>\n")
	if err == nil {
		_, err = io.WriteString(w, svg)
	}
	return err
}

// logTicks marks 1, 2 and 5 times the powers of ten; over more than three of these the powers alone.
func logTicks(low, high float64) []plot.Tick {
	steps := []float64{1, 2, 5}
	if high/low > 1000 {
		steps = steps[:1]
	}
	var ticks []plot.Tick
	for power := math.Floor(math.Log10(low)); power <= math.Ceil(math.Log10(high)); power++ {
		for _, step := range steps {
			if v := step * math.Pow(10, power); v >= low && v <= high {
				ticks = append(ticks, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'g', 3, 64)})
			}
		}
	}
	return ticks
}
