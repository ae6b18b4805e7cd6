package pipeline

import (
	"math"
	"slices"
	"strings"

	"rkd/pipeline/report"
	"rkd/pipeline/verdict"
	"rkd/student/train"
)

// maxEpochs bounds the points of a curve.
const maxEpochs = 300

// curves plots every scalar of the trainings over the epochs: the mean of a variant's seeds, and their range as a band.
func (r *runReport) curves() []report.Block {
	var names []string
	for _, row := range r.shown {
		for _, epochs := range row.epochs {
			for _, m := range epochs {
				for _, s := range m.Scalars(row.selection) {
					if !slices.Contains(names, s.Tag) && s.Tag != train.StepTime {
						names = append(names, s.Tag)
					}
				}
			}
		}
	}
	groups := map[string]*report.Figures{}
	var order []string
	for _, name := range names {
		title := group(name)
		if groups[title] == nil {
			groups[title] = &report.Figures{}
			order = append(order, title)
		}
		if p := r.curve(name); p != nil {
			groups[title].Plots = append(groups[title].Plots, p)
		}
	}
	var all report.Figures
	for _, title := range order {
		all.Plots = append(all.Plots, groups[title].Plots...)
	}
	if len(all.Plots) == 0 {
		return []report.Block{report.Text("No epoch is complete yet.")}
	}
	all.Note = "A line is the mean over a student's seeds, the shade reaches from the lowest to the highest." + r.omitted()
	return []report.Block{all}
}

// group keeps plots of one kind together.
func group(name string) string {
	kind, _, _ := strings.Cut(name, "/")
	return kind
}

// curve plots one scalar, or returns nil where no epoch has it.
func (r *runReport) curve(name string) *report.Plot {
	p := &report.Plot{Title: name, X: report.Axis{Label: "epoch"}}
	low, high := math.Inf(1), math.Inf(-1)
	for _, row := range r.shown {
		s := report.Series{Name: row.name, Colour: row.colour}
		length := 0
		for _, epochs := range row.epochs {
			length = max(length, len(epochs))
		}
		step := max(1, (length+maxEpochs-1)/maxEpochs)
		for epoch := 0; epoch < length; epoch++ {
			if epoch%step != 0 && epoch != length-1 {
				continue
			}
			var values []float64
			for _, epochs := range row.epochs {
				if epoch < len(epochs) {
					for _, scalar := range epochs[epoch].Scalars(row.selection) {
						if scalar.Tag == name {
							values = append(values, scalar.Value)
						}
					}
				}
			}
			if len(values) == 0 {
				continue
			}
			sum := 0.0
			for _, v := range values {
				sum += v
			}
			s.X, s.Y = append(s.X, float64(epoch+1)), append(s.Y, sum/float64(len(values)))
			s.Low, s.High = append(s.Low, slices.Min(values)), append(s.High, slices.Max(values))
			low, high = min(low, slices.Min(values)), max(high, slices.Max(values))
		}
		if len(row.epochs) < 2 {
			s.Low, s.High = nil, nil
		}
		if len(s.X) > 0 {
			p.Series = append(p.Series, s)
		}
	}
	if len(p.Series) == 0 {
		return nil
	}
	p.Y.Log = low > 0 && high > 30*low
	return p
}

// costs plots quality against size and latency.
func (r *runReport) costs() []report.Block {
	res := r.results
	if res == nil || res.GapMetric() == "" {
		return nil
	}
	metric := res.GapMetric()
	var figures report.Figures
	for _, cost := range []struct {
		label string
		of    func(bytes int64, millis float64) float64
	}{
		{"size in kB", func(bytes int64, _ float64) float64 { return float64(bytes) / 1000 }},
		{"ms of one sample", func(_ int64, millis float64) float64 { return millis }},
	} {
		p := &report.Plot{X: report.Axis{Label: cost.label, Log: true}, Y: report.Axis{Label: metric}}
		teacher := report.Series{
			Name: "teacher", Mark: report.Points, Colour: maxShown - 1, Labels: []string{"teacher"},
			X: []float64{cost.of(res.Teacher.Bytes, res.Teacher.LatencyMillis)}, Y: []float64{res.Teacher.Metrics[metric]},
		}
		p.Series = append(p.Series, teacher)
		if b := res.Baseline; b != nil {
			p.Series = append(p.Series, report.Series{
				Name: "baseline", Colour: maxShown - 1, Dashed: true,
				X: r.costRange(cost.of), Y: []float64{b.Metrics[metric], b.Metrics[metric]},
			})
		}
		for _, row := range r.shown {
			v, ok := res.Models[row.name]
			if !ok {
				continue
			}
			p.Series = append(p.Series, report.Series{
				Name: row.name, Mark: report.Points, Colour: row.colour, Labels: []string{row.name},
				X: []float64{cost.of(v.Bytes, v.LatencyMillis)}, Y: []float64{v.Metrics[metric].Mean},
			})
		}
		figures.Plots = append(figures.Plots, p)
	}
	figures.Note = "Up and to the left is better." + r.omitted()
	return []report.Block{figures}
}

// costRange reaches from the cheapest student to the teacher.
func (r *runReport) costRange(of func(bytes int64, millis float64) float64) []float64 {
	from := of(r.results.Teacher.Bytes, r.results.Teacher.LatencyMillis)
	to := from
	for _, row := range r.shown {
		if v, ok := r.results.Models[row.name]; ok {
			from, to = min(from, of(v.Bytes, v.LatencyMillis)), max(to, of(v.Bytes, v.LatencyMillis))
		}
	}
	return []float64{from, to}
}

// verdicts says in words how each student's trainings went.
func (r *runReport) verdicts() []report.Block {
	t := report.Table{Head: []string{"student", "what is seen", "to try next"}, Left: true}
	for _, row := range r.rows {
		v := verdict.Judge(r.judged(row))
		if len(v.Findings) == 0 {
			continue
		}
		var seen []string
		for _, f := range v.Findings {
			seen = append(seen, f.Sentence)
		}
		t.Rows = append(t.Rows, []string{row.name, strings.Join(seen, "; "), v.Try})
	}
	if len(t.Rows) == 0 {
		return []report.Block{report.Text("The curves are too short, or too even, for a verdict.")}
	}
	return []report.Block{t}
}

// judged is a row of the table as package verdict takes it.
func (r *runReport) judged(row reportedRow) verdict.Student {
	c := row.tasks[0].Config
	s := verdict.Student{Setting: verdict.Setting{
		Relational: c.Loss.Relational(), Views: c.Cache.Views, LR: c.Train.LR,
		Constant:   c.Train.Schedule.Kind == "" || c.Train.Schedule.Kind == "constant",
		Pretrained: c.Student.Arch.ONNX != "",
	}}
	if r.results != nil {
		s.Metric = r.results.GapMetric()
		s.Quality, s.Teacher = r.results.Models[row.name].Metrics[s.Metric].Values, r.results.Teacher.Metrics[s.Metric]
		if b := r.results.Baseline; b != nil {
			s.Baseline = b.Metrics[s.Metric]
		}
	}
	for _, epochs := range row.epochs {
		s.Seeds = append(s.Seeds, history(epochs, s.Metric))
	}
	return s
}

// history collects the figures of a training's epochs that a verdict is based on.
func history(epochs []train.Metrics, metric string) verdict.History {
	var h verdict.History
	for _, m := range epochs {
		h.Loss = append(h.Loss, m.Loss)
		if m.Selection != nil {
			h.Selection = append(h.Selection, *m.Selection)
		}
		if v, ok := m.Watched[metric]; ok {
			h.Unseen = append(h.Unseen, v)
		}
	}
	return h
}
