package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"math"
	"slices"

	"golang.org/x/image/draw"

	"rkd/datasets"
	"rkd/student/train/record"
)

// DataInfo is what there is to know of an experiment's data before anything runs.
type DataInfo struct {
	Train *PartInfo `json:"train"`
	Test  *PartInfo `json:"test,omitempty"` // nil without test data
	// Leaks are test samples whose content is among the training samples.
	Leaks []Copies `json:"test_samples_in_training_data"`
	// Sheet is the contact sheet, where one was asked for.
	Sheet string `json:"contact_sheet,omitempty"`
}

// PartInfo describes the training or the test data.
type PartInfo struct {
	Name        string          `json:"name"`
	Samples     int             `json:"samples"`
	Fingerprint string          `json:"fingerprint"`
	Ledger      datasets.Ledger `json:"ledger"`
	Unlabelled  int             `json:"samples_without_label"`
	Classes     []ClassInfo     `json:"classes"` // that have samples, in the order of the data set
	// Sizes counts samples by their size as stored, HEIGHT×WIDTH×CHANNELS with "16 bit" or "alpha", or the length of
	// vectors.
	Sizes map[string]int `json:"sizes"`
	// Undecodable are samples that do not decode.
	Undecodable []Undecodable `json:"undecodable"`
	// Copies are groups of samples with the same content; those of several classes contradict each other.
	Copies []Copies `json:"copies"`
}

// ClassInfo counts the samples of a class.
type ClassInfo struct {
	Name    string `json:"name"`
	Samples int    `json:"samples"`
}

// Undecodable is a sample that does not decode.
type Undecodable struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// Copies are samples with the same content.
type Copies struct {
	Paths   []string `json:"paths"`
	Classes []string `json:"classes"` // of the samples, each once
}

// DataInfo reads all data. sheet is the name of a contact sheet to be written, a PNG, or empty.
func (r *Runner) DataInfo(ctx context.Context, sheet string) (*DataInfo, error) {
	train, err := r.dataset(ctx, "train")
	if err != nil {
		return nil, err
	}
	info := &DataInfo{Leaks: []Copies{}}
	if info.Train, err = r.partInfo(ctx, "train", train); err != nil {
		return nil, err
	}
	if r.Experiment.Base.Data.Tested() {
		test, err := r.dataset(ctx, "test")
		if err != nil {
			return nil, err
		}
		if info.Test, err = r.partInfo(ctx, "test", test); err != nil {
			return nil, err
		}
		info.Leaks = leaks(train, test)
	}
	if sheet == "" {
		return info, nil
	}
	info.Sheet = sheet
	return info, writeSheet(ctx, train, sheet)
}

func (r *Runner) partInfo(ctx context.Context, part string, d datasets.Dataset) (*PartInfo, error) {
	info := &PartInfo{
		Name: d.Name(), Samples: d.Len(), Fingerprint: d.Fingerprint(), Ledger: d.Ledger(), Sizes: map[string]int{},
		Undecodable: []Undecodable{}, Copies: copies(d), Classes: []ClassInfo{},
	}
	counts := map[int32]int{}
	for i := range d.Len() {
		counts[d.Label(i)]++
	}
	info.Unlabelled = counts[datasets.NoLabel]
	for label, name := range d.Classes() {
		if n := counts[int32(label)]; n > 0 {
			info.Classes = append(info.Classes, ClassInfo{name, n})
		}
	}
	r.Progress.Start("data "+part, "samples", 0, d.Len())
	defer r.Progress.Finish()
	for i := range d.Len() {
		size, err := sizeOf(ctx, d.Sample(i))
		switch {
		case errors.Is(err, datasets.ErrDecode):
			info.Undecodable = append(info.Undecodable, Undecodable{d.Path(i), err.Error()})
		case err != nil:
			return nil, err
		default:
			info.Sizes[size]++
		}
		r.Progress.Add(1)
	}
	return info, nil
}

// sizeOf says a sample's size, colour and depth.
func sizeOf(ctx context.Context, s datasets.Sample) (text string, err error) {
	if v, ok := s.Content.(datasets.Vector); ok {
		return fmt.Sprintf("%d numbers", len(v)), nil
	}
	picture, ok := s.Content.(datasets.Picture)
	if !ok {
		return s.Content.Kind(), nil
	}
	err = picture.Image(ctx, func(m datasets.Image) error {
		colors := "gray"
		if m.Channels == 3 {
			colors = "colour"
		}
		text = fmt.Sprintf("%d×%d %s", m.Height, m.Width, colors)
		if m.Deep != nil {
			text += ", 16 bit"
		}
		if m.Alpha != nil {
			text += ", alpha"
		}
		return nil
	})
	return text, err
}

// copies finds samples with the same content.
func copies(d datasets.Dataset) []Copies {
	groups := map[[32]byte][]int{}
	for i := range d.Len() {
		groups[d.Sum(i)] = append(groups[d.Sum(i)], i)
	}
	found := []Copies{}
	for i := range d.Len() {
		if group := groups[d.Sum(i)]; len(group) > 1 && group[0] == i {
			found = append(found, describeCopies(d, group))
		}
	}
	return found
}

func describeCopies(d datasets.Dataset, samples []int) (c Copies) {
	for _, i := range samples {
		c.Paths = append(c.Paths, d.Path(i))
		if class := datasets.ClassName(d.Classes(), d.Label(i)); !slices.Contains(c.Classes, class) {
			c.Classes = append(c.Classes, class)
		}
	}
	return c
}

// leaks finds test samples whose content is among the training samples: the first copy there and all in the test data.
func leaks(train, test datasets.Dataset) []Copies {
	first := map[[32]byte]int{}
	for i := range train.Len() {
		if _, ok := first[train.Sum(i)]; !ok {
			first[train.Sum(i)] = i
		}
	}
	found := []Copies{}
	for i := range test.Len() {
		if at, ok := first[test.Sum(i)]; ok {
			c := describeCopies(train, []int{at})
			other := describeCopies(test, []int{i})
			c.Paths = append(c.Paths, other.Paths...)
			if !slices.Contains(c.Classes, other.Classes[0]) {
				c.Classes = append(c.Classes, other.Classes[0])
			}
			found = append(found, c)
		}
	}
	return found
}

// Contradictions are the copies that lie in several classes.
func (p *PartInfo) Contradictions() []Copies {
	return slices.DeleteFunc(slices.Clone(p.Copies), func(c Copies) bool { return len(c.Classes) < 2 })
}

// ByCount lists the sizes, the most frequent first.
func (p *PartInfo) ByCount() []string {
	sizes := slices.Sorted(maps.Keys(p.Sizes))
	slices.SortStableFunc(sizes, func(a, b string) int { return p.Sizes[b] - p.Sizes[a] })
	return sizes
}

// A contact sheet has at most sheetTiles pictures of sheetSide pixels.
const (
	sheetTiles = 100
	sheetSide  = 96
	sheetGap   = 4
)

// writeSheet writes a contact sheet: samples of all classes in turn, as preprocessing by default shows them.
func writeSheet(ctx context.Context, d datasets.Dataset, file string) error {
	tiles, err := sheetSamples(ctx, d)
	if err != nil {
		return err
	}
	columns := int(math.Ceil(math.Sqrt(float64(len(tiles)))))
	rows := (len(tiles) + columns - 1) / columns
	side := func(n int) int { return n*(sheetSide+sheetGap) + sheetGap }
	sheet := image.NewRGBA(image.Rect(0, 0, side(columns), side(rows)))
	draw.Draw(sheet, sheet.Bounds(), image.NewUniform(color.Gray{Y: 0x20}), image.Point{}, draw.Src)
	for i, tile := range tiles {
		x, y := side(i%columns), side(i/columns)
		at := fitted(tile.Bounds(), image.Rect(x, y, x+sheetSide, y+sheetSide))
		draw.CatmullRom.Scale(sheet, at, tile, tile.Bounds(), draw.Src, nil)
	}
	var data bytes.Buffer
	if err := png.Encode(&data, sheet); err != nil {
		return fmt.Errorf("writing contact sheet %q: %w", file, err)
	}
	return record.WriteFile(file, data.Bytes())
}

// fitted is the largest rectangle of the shape of a picture in the middle of a tile.
func fitted(of, tile image.Rectangle) image.Rectangle {
	width, height := tile.Dx(), tile.Dy()
	if of.Dx() > of.Dy() {
		height = max(1, height*of.Dy()/of.Dx())
	} else {
		width = max(1, width*of.Dx()/of.Dy())
	}
	x, y := tile.Min.X+(tile.Dx()-width)/2, tile.Min.Y+(tile.Dy()-height)/2
	return image.Rect(x, y, x+width, y+height)
}

// sheetSamples are the pictures of the sheet. Samples that do not decode are passed over.
func sheetSamples(ctx context.Context, d datasets.Dataset) ([]image.Image, error) {
	queues := map[int32][]int{}
	for i := range d.Len() {
		queues[d.Label(i)] = append(queues[d.Label(i)], i)
	}
	labels := slices.Sorted(maps.Keys(queues))
	var tiles []image.Image
	for turn := 0; len(tiles) < sheetTiles; turn++ {
		left := false
		for _, label := range labels {
			queue := queues[label]
			if turn >= len(queue) || len(tiles) == sheetTiles {
				continue
			}
			left = true
			picture, ok := d.Sample(queue[turn]).Content.(datasets.Picture)
			if !ok {
				return nil, fmt.Errorf("%w: a contact sheet shows pictures, and the samples are %s", datasets.ErrShape,
					d.Sample(queue[turn]).Content.Kind())
			}
			err := picture.Image(ctx, func(m datasets.Image) error {
				tiles = append(tiles, asImage(datasets.Preprocess{}.Develop(m)))
				return nil
			})
			if err != nil && !errors.Is(err, datasets.ErrDecode) {
				return nil, err
			}
		}
		if !left {
			break
		}
	}
	if len(tiles) == 0 {
		return nil, fmt.Errorf("%w: no picture decodes for a contact sheet", datasets.ErrDecode)
	}
	return tiles, nil
}

// asImage copies a picture.
func asImage(m datasets.Image) image.Image {
	if m.Channels == 1 {
		gray := image.NewGray(image.Rect(0, 0, m.Width, m.Height))
		copy(gray.Pix, m.Pixels)
		return gray
	}
	out := image.NewRGBA(image.Rect(0, 0, m.Width, m.Height))
	for i := range m.Height * m.Width {
		copy(out.Pix[4*i:], m.Pixels[3*i:3*i+3])
		out.Pix[4*i+3] = 0xff
	}
	return out
}
