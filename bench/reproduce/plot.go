package main

import (
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// plot draws the curves of the experiment, if it has any, to an SVG file.
func (e *experiment) plot(path string) error {
	if e.curve == "" {
		return nil
	}
	p := plot.New()
	p.X.Label.Text, p.Y.Label.Text = "epoch", e.curve+" on unseen classes"
	p.Legend.XOffs, p.Legend.YOffs, p.Legend.Padding = -3*vg.Millimeter, 3*vg.Millimeter, vg.Millimeter
	p.X.Tick.Marker = plot.ConstantTicks(e.epochs())
	p.Add(plotter.NewGrid())
	for i, name := range e.results.Order {
		line, points, err := plotter.NewLinePoints(e.average(name))
		if err != nil {
			return err
		}
		line.Color, points.Color = plotutil.Color(i), plotutil.Color(i)
		line.Dashes, points.Shape = plotutil.Dashes(i), plotutil.Shape(i)
		p.Add(line, points)
		p.Legend.Add(e.labels[name], line, points)
	}
	p.X.Min, p.X.Max = p.X.Min-0.2, p.X.Max+0.2
	return p.Save(18*vg.Centimeter, 13*vg.Centimeter, path)
}

// epochs marks every epoch on the axis.
func (e *experiment) epochs() []plot.Tick {
	var ticks []plot.Tick
	for i := range e.curves[e.results.Order[0]][0] {
		ticks = append(ticks, plot.Tick{Value: float64(i + 1), Label: strconv.Itoa(i + 1)})
	}
	return ticks
}

// average is the mean over the seeds of a variant after every epoch.
func (e *experiment) average(name string) plotter.XYs {
	var xys plotter.XYs
	seeds := e.curves[name]
	for epoch := range seeds[0] {
		sum := 0.0
		for _, epochs := range seeds {
			sum += epochs[epoch][e.curve]
		}
		xys = append(xys, plotter.XY{X: float64(epoch + 1), Y: sum / float64(len(seeds))})
	}
	return xys
}
