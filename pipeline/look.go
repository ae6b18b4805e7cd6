package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"rkd/datasets"
	"rkd/pipeline/config"
	"rkd/pipeline/report"
	"rkd/student/sampler"
	"rkd/teacher"
)

const (
	// lookedRows bounds the test samples that a report runs models on, projectedRows those of a projection.
	lookedRows    = 2000
	projectedRows = 600
	// distancePairs is the number of pairs whose distances are drawn.
	distancePairs = 1200
	// queries have shownNeighbours each, of the teacher and of maxPictured students.
	queries         = 5
	shownNeighbours = 7
	maxPictured     = 4
	// thumbnail is the height of pictures in pixels.
	thumbnail = 96
)

// looked holds the embeddings of some test samples by several models.
type looked struct {
	report  *runReport
	data    datasets.Dataset
	rows    []int // of data, those that every model has seen
	labels  []int32
	skipped []datasets.Skipped
	models  []lookedModel // the teacher first
}

// lookedModel are the embeddings of one model.
type lookedModel struct {
	name    string
	colour  int
	dim     int
	values  [][]float64 // one row a sample
	gallery [][]float64 // that they search: values, of a drop-in student the teacher's
	dropIn  bool
}

// look runs the teacher and the students that are shown on test samples. It returns nil where no student is exported.
func (r *runReport) look(ctx context.Context) (*looked, error) {
	var students []reportedRow
	for _, row := range r.shown {
		if _, err := row.tasks[0].exportedModel(); err == nil {
			students = append(students, row)
		}
	}
	if len(students) == 0 {
		return nil, nil
	}
	data, err := r.dataset(ctx, "test")
	if err != nil {
		return nil, err
	}
	l := &looked{report: r, data: data}
	chosen := sampler.Stream(0, "report", 0).Perm(data.Len())[:min(data.Len(), lookedRows)]
	slices.Sort(chosen)
	rows := make([]datasets.Row, len(chosen))
	for i, sample := range chosen {
		rows[i] = datasets.Row{Sample: sample}
	}
	r.Progress.Start("report", "images", 0, (len(r.Experiment.Base.EachTeacher())+len(students))*len(rows))
	defer r.Progress.Finish()
	if err := l.addTeachers(ctx, rows); err != nil {
		return nil, err
	}
	for _, row := range students {
		t := row.tasks[0]
		err := l.add(ctx, row.name, row.colour, studentOptions(t.Model(), t.Config), t.Config.Student.DropIn, rows)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t, err)
		}
	}
	return l, nil
}

// addTeachers runs the teacher, or all of them, whose embeddings, times the teachers' weights, lie behind each other.
func (l *looked) addTeachers(ctx context.Context, rows []datasets.Row) error {
	all, name := &reference{}, "teacher"
	for _, t := range l.report.Experiment.Base.EachTeacher() {
		out, err := l.embed(ctx, t.Config.Teacher, rows)
		if err != nil {
			return t.Named(err)
		}
		all.teachers = append(all.teachers, referred{t, out})
		if err := all.join(out, t); err != nil {
			return err
		}
	}
	if len(all.teachers) == 0 {
		return fmt.Errorf("%w: there is no teacher to compare with", config.ErrConfig)
	}
	if len(all.teachers) > 1 {
		name = fmt.Sprintf("all %d teachers", len(all.teachers))
	}
	return l.take(name, maxShown-1, all.joined, false)
}

// add runs a student; dropIn says that it searches the vectors of the teacher.
func (l *looked) add(ctx context.Context, name string, colour int, o teacher.Options, dropIn bool,
	rows []datasets.Row,
) error {
	out, err := l.embed(ctx, o, rows)
	if err != nil {
		return err
	}
	return l.take(name, colour, out, dropIn)
}

// embed runs a model.
func (l *looked) embed(ctx context.Context, o teacher.Options, rows []datasets.Row) (outputs, error) {
	model, _, err := l.report.openModel(ctx, o, l.data)
	if err != nil {
		return outputs{}, err
	}
	defer model.Close()
	return newEmbedder(model, l.data, rows, model.Transform()).all(ctx, l.report.Progress)
}

// take adds what a model says, the teacher first.
func (l *looked) take(name string, colour int, out outputs, dropIn bool) error {
	if len(l.models) == 0 {
		l.skipped, l.labels = out.skipped, out.Labels
		for _, id := range out.ids {
			i, _ := l.data.Find(id)
			l.rows = append(l.rows, i)
		}
	} else if len(out.ids) != len(l.rows) {
		return fmt.Errorf("%d samples decode, expected %d as for the teacher", len(out.ids), len(l.rows))
	}
	m := lookedModel{name: name, colour: colour, dim: out.Dim, dropIn: dropIn}
	for i := range out.ids {
		m.values = append(m.values, widened(out.Embeddings[i*out.Dim:(i+1)*out.Dim]))
	}
	m.gallery = m.values
	if dropIn {
		m.gallery = l.models[0].values
	}
	l.models = append(l.models, m)
	return nil
}

// nearest lists the k samples nearest to sample i, itself left out.
func (m *lookedModel) nearest(i, k int) []int {
	distances := make([]float64, len(m.gallery))
	order := make([]int, len(m.gallery))
	for j := range m.gallery {
		distances[j] = floats.Distance(m.values[i], m.gallery[j], 2)
	}
	distances[i] = -1 // before all others
	floats.ArgsortStable(distances, order)
	return order[1:min(k+1, len(order))]
}

// neighbours shows the nearest neighbours of some samples as pictures.
func (l *looked) neighbours(ctx context.Context) ([]report.Block, error) {
	if len(l.rows) < 2 {
		return nil, nil
	}
	var blocks []report.Block
	pictures := map[int][]byte{}
	for _, q := range l.queries() {
		block := report.Pictures{}
		query, err := l.picture(ctx, q, pictures)
		if err != nil {
			return nil, err
		}
		for i := range l.models[:min(len(l.models), 1+maxPictured)] {
			m := &l.models[i]
			row := report.PictureRow{Head: m.name}
			if m.dropIn {
				row.Head += ", among the teacher's vectors"
			}
			if i == 0 {
				row.Query = query
			}
			for _, j := range m.nearest(q, shownNeighbours) {
				p, err := l.picture(ctx, j, pictures)
				if err != nil {
					return nil, err
				}
				if l.labels[q] != datasets.NoLabel && l.labels[j] != datasets.NoLabel {
					p.Good, p.Bad = l.labels[j] == l.labels[q], l.labels[j] != l.labels[q]
				}
				row.Cells = append(row.Cells, *p)
			}
			block.Rows = append(block.Rows, row)
		}
		blocks = append(blocks, block)
	}
	note := fmt.Sprintf("On the left a test sample, beside it its nearest among %d, for the teacher and for students of "+
		"the first seed.", len(l.rows))
	if slices.ContainsFunc(l.labels, func(label int32) bool { return label != datasets.NoLabel }) {
		note += " Framed green: of the sample's class; orange and dashed: of another."
	}
	return append([]report.Block{report.Text(note)}, blocks...), nil
}

// queries are samples of different classes, or without one, spread over the data.
func (l *looked) queries() []int {
	var chosen []int
	seen := map[int32]bool{}
	for _, i := range sampler.Stream(0, "report queries", 0).Perm(len(l.rows)) {
		if label := l.labels[i]; len(chosen) < queries && !seen[label] {
			seen[label] = label != datasets.NoLabel
			chosen = append(chosen, i)
		}
	}
	return chosen
}

// picture is a small image of a sample.
func (l *looked) picture(ctx context.Context, i int, made map[int][]byte) (*report.Picture, error) {
	s := l.data.Sample(l.rows[i])
	if made[i] == nil {
		content, ok := s.Content.(datasets.Picture)
		if !ok {
			return nil, fmt.Errorf("%s is %s, expected an image: %w", s.Path, s.Content.Kind(), datasets.ErrShape)
		}
		err := content.Image(ctx, func(img datasets.Image) error {
			var err error
			made[i], err = thumbnailOf(img)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return &report.Picture{Data: made[i], Caption: s.Class}, nil
}

// thumbnailOf encodes an image as a small JPEG.
func thumbnailOf(img datasets.Image) ([]byte, error) {
	small, err := datasets.Preprocess{
		Resize: []int{thumbnail}, MaxSize: 2 * thumbnail, Color: "rgb", Interpolation: "bicubic",
	}.Pixels(img)
	if err != nil {
		return nil, err
	}
	picture := image.NewRGBA(image.Rect(0, 0, small.Width, small.Height))
	for i := range small.Height * small.Width {
		copy(picture.Pix[4*i:], small.Pixels[3*i:3*i+3])
		picture.Pix[4*i+3] = 255
	}
	var b bytes.Buffer
	err = jpeg.Encode(&b, picture, &jpeg.Options{Quality: 82})
	return b.Bytes(), err
}

// distances plots the distances of pairs for each student against those for the teacher.
func (l *looked) distances(ctx context.Context) ([]report.Block, error) {
	n := len(l.rows)
	if n < 3 {
		return nil, nil
	}
	draw := sampler.Stream(0, "report pairs", 0)
	var pairs [][2]int
	for range min(distancePairs, n*(n-1)/2) {
		i, j := draw.IntN(n), draw.IntN(n-1)
		if j >= i {
			j++
		}
		pairs = append(pairs, [2]int{i, j})
	}
	teacher := l.models[0].pairDistances(pairs)
	var figures report.Figures
	for i := range l.models[1:] {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		m := &l.models[1+i]
		student := m.pairDistances(pairs)
		top := max(slices.Max(teacher), slices.Max(student))
		zero := 0.0
		figures.Plots = append(figures.Plots, &report.Plot{
			Title: fmt.Sprintf("%s: correlation %.3f", m.name, stat.Correlation(teacher, student, nil)),
			X:     report.Axis{Label: "distance for the teacher", Min: &zero, Max: &top},
			Y:     report.Axis{Label: "for the student", Min: &zero, Max: &top},
			Series: []report.Series{
				{Mark: report.Dots, X: teacher, Y: student, Colour: m.colour},
				{X: []float64{0, top}, Y: []float64{0, top}, Colour: maxShown - 1, Dashed: true},
			},
		})
	}
	figures.Note = fmt.Sprintf("%d pairs of test samples; distances in units of the mean distance. On the dashed line "+
		"the student keeps the teacher's relations.", len(pairs))
	return []report.Block{figures}, nil
}

// pairDistances are the distances of pairs, divided by their mean.
func (m *lookedModel) pairDistances(pairs [][2]int) []float64 {
	d := make([]float64, len(pairs))
	for i, p := range pairs {
		d[i] = floats.Distance(m.values[p[0]], m.values[p[1]], 2)
	}
	if mean := stat.Mean(d, nil); mean > 0 {
		floats.Scale(1/mean, d)
	}
	return d
}

// projections plots each model's embeddings along their two first principal components, coloured by class.
func (l *looked) projections(ctx context.Context) ([]report.Block, error) {
	classes := l.commonClasses()
	var rows []int
	for i, label := range l.labels {
		if slices.Contains(classes, label) && len(rows) < projectedRows {
			rows = append(rows, i)
		}
	}
	if len(rows) < 3 {
		return nil, nil
	}
	var figures report.Figures
	for i := range l.models {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		m := &l.models[i]
		x, y, share, ok := m.project(rows)
		if !ok {
			continue
		}
		p := &report.Plot{Title: fmt.Sprintf("%s: %.0f %% of the variance", m.name, 100*share), Bare: true, Height: 260}
		for c, class := range classes {
			s := report.Series{Name: "without a class", Mark: report.Dots, Colour: c}
			if class != datasets.NoLabel {
				s.Name = l.data.Classes()[class]
			}
			for k, row := range rows {
				if l.labels[row] == class {
					s.X, s.Y = append(s.X, x[k]), append(s.Y, y[k])
				}
			}
			p.Series = append(p.Series, s)
		}
		figures.Plots = append(figures.Plots, p)
	}
	figures.Note = fmt.Sprintf("The first two principal components of %d test samples", len(rows))
	if more := l.countClasses() - len(classes); more > 0 {
		figures.Note += fmt.Sprintf(" of the %d commonest classes; %d others are not drawn", len(classes), more)
	}
	figures.Note += "."
	return []report.Block{figures}, nil
}

// commonClasses are the classes with most samples, as many as there are colours.
func (l *looked) commonClasses() []int32 {
	counts := map[int32]int{}
	for _, label := range l.labels {
		counts[label]++
	}
	var classes []int32
	for label := range counts {
		classes = append(classes, label)
	}
	slices.SortFunc(classes, func(a, b int32) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return int(a - b)
	})
	classes = classes[:min(len(classes), maxShown)]
	slices.Sort(classes)
	return classes
}

func (l *looked) countClasses() int {
	seen := map[int32]bool{}
	for _, label := range l.labels {
		seen[label] = true
	}
	return len(seen)
}

// project returns coordinates along the two directions of largest variance, and the share of the variance that they
// have. It is not ok where there are no two such directions.
func (m *lookedModel) project(rows []int) (x, y []float64, share float64, ok bool) {
	if m.dim < 2 {
		return nil, nil, 0, false
	}
	a := mat.NewDense(len(rows), m.dim, nil)
	for i, row := range rows {
		a.SetRow(i, m.values[row])
	}
	var pc stat.PC
	if !pc.PrincipalComponents(a, nil) {
		return nil, nil, 0, false
	}
	variances := pc.VarsTo(nil)
	total := floats.Sum(variances)
	if len(variances) < 2 || total == 0 {
		return nil, nil, 0, false
	}
	var directions, projected mat.Dense
	pc.VectorsTo(&directions)
	projected.Mul(a, directions.Slice(0, m.dim, 0, 2))
	return mat.Col(nil, 0, &projected), mat.Col(nil, 1, &projected), (variances[0] + variances[1]) / total, true
}
