package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"rkd/datasets/regular"
	"rkd/pipeline/cache"
	"rkd/pipeline/config"
	"rkd/pipeline/report"
	"rkd/pipeline/storage"
	"rkd/student/train"
)

// maxShown bounds how many students plots and pictures show: those that closed most of the gap. Tables have all.
const maxShown = 8

// runReport collects what a report of a run says.
type runReport struct {
	*Runner
	dir     string
	text    []byte // the resolved configuration
	results *Results
	rows    []reportedRow
	shown   []reportedRow // of rows, for plots; each has its colour
}

// reportedRow is a variant in a generation, with the trainings that there are.
type reportedRow struct {
	name        string
	colour      int
	tasks       []Task              // all of them
	trained     []Task              // those that have a checkpoint
	checkpoints []*train.Checkpoint // theirs
	epochs      [][]train.Metrics   // theirs
	selection   string              // name of the score
}

// Report describes the run in dir, a folder with the resolved configuration that 'rkd run' leaves: figures, verdicts,
// curves, and, where model files and test data are there, pictures of neighbours, distances and projections. What
// cannot be shown is said. A training that is under way is shown as far as it is.
//
// It returns fs.ErrNotExist for a folder that is no run, and the errors of config.Load and of damaged checkpoints.
func (m Machine) Report(ctx context.Context, dir string) (*report.Page, error) {
	r, err := m.openRun(ctx, dir)
	if err != nil {
		return nil, err
	}
	page := &report.Page{
		Title: r.Experiment.Base.Name, Subtitle: r.subtitle(), Footer: "Written by rkd " + r.Version + ".",
	}
	add := func(id, title string, folded bool, blocks []report.Block) {
		if len(blocks) > 0 {
			page.Sections = append(page.Sections, report.Section{ID: id, Title: title, Blocks: blocks, Folded: folded})
		}
	}
	add("figures", "Figures", false, r.figures())
	add("verdict", "Verdict", false, r.verdicts())
	add("curves", "Curves", false, r.curves())
	add("cost", "Quality against cost", false, r.costs())
	seen, err := r.look(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		add("samples", "Test samples", false, []report.Block{
			report.Text("Neighbours, distances and projections are not shown: " + err.Error()),
		})
	} else if seen != nil {
		for _, s := range []struct {
			id, title string
			make      func(context.Context) ([]report.Block, error)
		}{
			{"neighbours", "Nearest neighbours", seen.neighbours},
			{"distances", "Distances", seen.distances},
			{"projection", "Projection to the plane", seen.projections},
		} {
			blocks, err := s.make(ctx)
			if err != nil {
				return nil, err
			}
			add(s.id, s.title, false, blocks)
		}
	}
	add("skipped", "What was skipped", false, r.skipped(ctx, seen))
	add("again", "Made again by", false, []report.Block{report.Code{Language: "sh", Text: r.commands()}})
	add("configuration", "Configuration", true, []report.Block{report.Code{Language: "yaml", Text: string(r.text)}})
	return page, nil
}

// openRun reads what there is of a run, which may lie in a bucket.
func (m Machine) openRun(ctx context.Context, dir string) (*runReport, error) {
	local, err := localRun(ctx, dir)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(local, configFile)
	text, err := regular.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%q is no run directory, it has no %s: 'rkd run CONFIG' makes one: %w", dir, configFile, err)
	}
	if err != nil {
		return nil, err
	}
	e, err := config.Parse(file, text, []string{"dir=" + strconv.Quote(dir)})
	if err != nil {
		return nil, err
	}
	r := &runReport{Runner: &Runner{Machine: m, Experiment: e}, dir: dir, text: text}
	if r.results, err = readResults(local); err != nil {
		return nil, err
	}
	for _, t := range generations(e) {
		if n := len(r.rows); n == 0 || r.rows[n-1].name != t.row() {
			r.rows = append(r.rows, reportedRow{name: t.row(), selection: scoreName(t.Config)})
		}
		row := &r.rows[len(r.rows)-1]
		row.tasks = append(row.tasks, t)
		c, err := train.ReadCheckpoint(t.Dir())
		if errors.Is(err, train.ErrNoCheckpoint) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t, err)
		}
		row.trained, row.checkpoints = append(row.trained, t), append(row.checkpoints, c)
		row.epochs = append(row.epochs, c.Epochs)
	}
	r.choose()
	return r, nil
}

// choose decides which rows are shown in plots, in the order of the configuration.
func (r *runReport) choose() {
	shown := slices.Clone(r.rows)
	if len(shown) > maxShown && r.results != nil {
		metric := r.results.GapMetric()
		slices.SortStableFunc(shown, func(a, b reportedRow) int {
			of := func(row reportedRow) float64 { return r.results.Models[row.name].Metrics[metric].Mean }
			switch {
			case of(a) > of(b):
				return -1
			case of(a) < of(b):
				return 1
			}
			return 0
		})
	}
	shown = shown[:min(len(shown), maxShown)]
	for i := range shown {
		shown[i].colour = i
	}
	r.shown = shown
}

// omitted says how many students plots leave out.
func (r *runReport) omitted() string {
	if more := len(r.rows) - len(r.shown); more > 0 {
		return fmt.Sprintf(" The best %d of %d students are shown.", len(r.shown), len(r.rows))
	}
	return ""
}

func (r *runReport) subtitle() string {
	seeds := len(r.Experiment.Base.Seeds)
	s := fmt.Sprintf("%s × %s%s", counted(len(r.rows), "student"), counted(seeds, "seed"), r.taughtBy())
	if r.results != nil {
		s += fmt.Sprintf(", measured on %s", counted(r.results.Samples, "test sample"))
	}
	return s
}

// taughtBy names the teachers.
func (r *runReport) taughtBy() string {
	var names []string
	for _, t := range r.Experiment.Base.EachTeacher() {
		name := cmp.Or(t.Name, t.Config.Teacher.Declared, filepath.Base(t.Config.Teacher.Model))
		names = append(names, name)
	}
	switch len(names) {
	case 0:
		return ", without a teacher"
	case 1:
		return " of teacher " + names[0]
	}
	return " of teachers " + strings.Join(names, ", ")
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// figures is the table.
func (r *runReport) figures() []report.Block {
	if r.results == nil {
		return []report.Block{report.Text("Nothing has been measured yet: 'rkd eval' does that.")}
	}
	t := r.results.Table()
	best, most := "", 0.0
	for name, v := range r.results.Models {
		if mean := v.Metrics[r.results.GapMetric()].Mean; mean > most {
			best, most = name, mean
		}
	}
	for i, row := range t.Rows {
		if row[0] == best {
			t.Mark = i + 1
		}
	}
	return []report.Block{t}
}

// skipped lists the samples that were left out, and why.
func (r *runReport) skipped(ctx context.Context, seen *looked) []report.Block {
	left, list := r.skippedInTraining(ctx)
	if r.results != nil && r.results.Skipped > 0 {
		list = append(list, fmt.Sprintf("%s of the test data did not decode", counted(r.results.Skipped, "sample")))
	}
	if seen != nil {
		for i, s := range seen.skipped {
			if i == sayShown {
				list = append(list, fmt.Sprintf("and %d more", len(seen.skipped)-i))
				break
			}
			list = append(list, s.Reason.Error())
		}
	}
	for _, row := range r.rows {
		if missing := len(row.tasks) - len(row.epochs); missing > 0 {
			list = append(list, fmt.Sprintf("%s: %s not begun", row.name, counted(missing, "training")))
		}
	}
	var blocks []report.Block
	if left != "" {
		blocks = append(blocks, report.Text(left))
	}
	if len(list) == 0 {
		return append(blocks, report.Text("Nothing: every sample was read, and every training is there."))
	}
	return append(blocks, list)
}

// skippedInTraining is what the ledger says of the training data, or, of a run of an earlier version, their cache: in
// left what the configuration leaves out.
func (r *runReport) skippedInTraining(ctx context.Context) (left string, list report.List) {
	a, err := readAccount(workDir(&r.Experiment.Base))
	if err != nil || a == nil {
		for _, t := range r.Experiment.Base.EachTeacher() {
			c, err := cache.Open(ctx, t.Config.Cache.Dir)
			if err != nil || c.Manifest().Skipped.Count == 0 {
				continue
			}
			skipped := c.Manifest().Skipped
			list = append(list, fmt.Sprintf("%s of the training data did not decode: ids %s", counted(skipped.Count, "sample"),
				someOf(skipped.IDs)))
		}
		return "", list
	}
	if a.Data.Found > a.Data.Taken {
		left = fmt.Sprintf("Of %d files and samples of the training data: %s.", a.Data.Found, a.Data)
	}
	for i, s := range a.Skipped {
		if i == sayShown {
			list = append(list, fmt.Sprintf("and %d more of the training data: %s names them", len(a.Skipped)-i, LedgerFile))
			break
		}
		list = append(list, fmt.Sprintf("%s: %s", s.Path, s.Reason))
	}
	return left, list
}

func someOf(ids []int64) string {
	var parts []string
	for _, id := range ids[:min(len(ids), 10)] {
		parts = append(parts, strconv.FormatInt(id, 10))
	}
	if len(ids) > 10 {
		parts = append(parts, "…")
	}
	return strings.Join(parts, ", ")
}

// commands make the run again.
func (r *runReport) commands() string {
	quoted := func(path string) string {
		if strings.ContainsFunc(path, func(c rune) bool {
			return !strings.ContainsRune("/._-+=:,", c) && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
		}) {
			return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
		}
		return path
	}
	lines := []string{
		"rkd run " + quoted(storage.Join(r.dir, configFile)) + "    # all stages; what is up to date stays",
		"rkd report " + quoted(r.dir),
	}
	if !filepath.IsAbs(r.Experiment.Base.Teacher.Model) {
		lines = append([]string{"# in the folder that the configuration's paths are relative to"}, lines...)
	}
	return strings.Join(lines, "\n") + "\n"
}
