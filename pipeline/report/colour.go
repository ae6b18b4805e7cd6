package report

import (
	"fmt"
	"image/color"
	"strings"
)

// ink is a colour of a plot by its role. A plot is drawn in placeholder colours, one a role, which the function
// variables replaces by variables of the style sheet: one drawing serves light and dark.
type ink uint8

const (
	inkText ink = iota + 1
	inkGrid
	inkFirst // of the series
)

// seriesColours is the number of colours that tell series apart; more series share them, with other dashes and shapes.
const seriesColours = 8

// palette lists what the variables are in light and dark: each with a contrast of at least 3 to 1 to the background,
// and told apart by lightness too.
var palette = []struct{ name, light, dark string }{
	{"text", "#24292f", "#d7dde4"},
	{"grid", "#e3e6ea", "#333a43"},
	{"s0", "#1f63c6", "#76a9ff"},
	{"s1", "#d1480f", "#ff9a6b"},
	{"s2", "#1a7f52", "#5ad19c"},
	{"s3", "#8441c4", "#c7a0ff"},
	{"s4", "#9a6b00", "#e6c35c"},
	{"s5", "#b92472", "#ff8fc2"},
	{"s6", "#0b7a8a", "#5fd0df"},
	{"s7", "#5b6470", "#a9b3bf"},
}

func (k ink) colour() color.Color { return color.NRGBA{R: 1, G: 0, B: uint8(k), A: 255} }

func (k ink) hex() string { return fmt.Sprintf("#0100%02X", uint8(k)) }

// faint is the colour of a band, and faintHex what the drawing calls it. It is opaque there: blending would
// change the placeholder.
func (k ink) faint() color.Color { return color.NRGBA{R: 2, G: 0, B: uint8(k), A: 255} }

func (k ink) faintHex() string { return fmt.Sprintf("#0200%02X", uint8(k)) }

func series(i int) ink { return inkFirst + ink(i%seriesColours) }

// variables replaces the placeholder colours in a drawing by variables of the style sheet.
func variables(svg string) string {
	var pairs []string
	for i, p := range palette {
		k := inkText + ink(i)
		pairs = append(pairs, k.hex(), "var(--"+p.name+")", k.faintHex(), "var(--"+p.name+");fill-opacity:.16")
	}
	return strings.NewReplacer(pairs...).Replace(svg)
}

// Palette is the style sheet that sets the colours of plots, for light and dark.
func Palette() string {
	var light, dark strings.Builder
	for _, p := range palette {
		fmt.Fprintf(&light, "--%s:%s;", p.name, p.light)
		fmt.Fprintf(&dark, "--%s:%s;", p.name, p.dark)
	}
	return fmt.Sprintf(":root{%s}\n@media (prefers-color-scheme:dark){:root{%s}}\n", light.String(), dark.String())
}
