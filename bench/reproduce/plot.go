package main

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// plot draws the curves of the experiment, if it has any, to an SVG file.
func (e *experiment) plot(path string) error {
	if e.plan.curve == "" {
		return nil
	}
	p := plot.New()
	p.X.Label.Text, p.Y.Label.Text = "epoch", e.curve+" on unseen classes"
	p.Legend.Left = false
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
	return p.Save(18*vg.Centimeter, 11*vg.Centimeter, path)
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
