package pipeline

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"

	"rkd/pipeline/cache"
	"rkd/pipeline/eval"
	"rkd/pipeline/report"
)

// CacheReport says what a teacher knows of its data, before anyone trains: how well its embeddings tell classes apart,
// and what they are like.
type CacheReport struct {
	Dir        string `json:"dir"`
	Rows       int    `json:"rows"`    // of the cache
	Sampled    int    `json:"sampled"` // of which the figures are: samples in view 0
	Classes    int    `json:"classes"` // among these
	DType      string `json:"dtype"`
	Key        string `json:"key"`
	Preprocess string `json:"preprocess"`
	// Metrics has recall@K, map@r, r-precision and knn@K, by these names; empty where there are less than two classes.
	Metrics map[string]float64 `json:"metrics"`
	*eval.Description
	Duplicates []DuplicatePair `json:"closest_pairs"`
}

// DuplicatePair is two samples that the teacher hardly tells apart.
type DuplicatePair struct {
	A, B     string
	Same     bool // of one class
	Distance float64
}

// ReportCache describes a cache by up to most of its samples, in view 0, drawn by seed.
func ReportCache(ctx context.Context, dir string, most int, seed uint64) (*CacheReport, error) {
	c, err := cache.Open(ctx, dir)
	if err != nil {
		return nil, err
	}
	m := c.Manifest()
	t, err := sampleViews(ctx, c, most, seed)
	if err != nil {
		return nil, err
	}
	n := len(t.IDs)
	r := &CacheReport{
		Dir: dir, Rows: m.Rows, Sampled: n, DType: m.Key.DType, Key: m.KeyHash, Preprocess: m.Key.Preprocess,
		Metrics: map[string]float64{}, Duplicates: []DuplicatePair{},
	}
	if r.Description, err = eval.Describe(ctx, t.Embeddings, n, t.Dim, t.Labels); err != nil {
		return nil, err
	}
	sizes := map[int32]int{}
	for _, l := range t.Labels {
		sizes[l]++
	}
	r.Classes = len(sizes)
	if r.Classes > 1 && r.Classes < n {
		if err := r.measure(ctx, t); err != nil {
			return nil, err
		}
	}
	name := func(i int) string {
		if p := t.About[i].Path; p != "" {
			return p
		}
		return fmt.Sprint(t.IDs[i])
	}
	for _, p := range r.Nearest {
		r.Duplicates = append(r.Duplicates, DuplicatePair{name(p.A), name(p.B), t.Labels[p.A] == t.Labels[p.B], p.Distance})
	}
	return r, nil
}

// sampleViews reads up to most rows of view 0.
func sampleViews(ctx context.Context, c *cache.Cache, most int, seed uint64) (*cache.Table, error) {
	views := c.Manifest().Key.Views
	chosen := rand.New(rand.NewPCG(seed, 0)).Perm(c.Rows())
	chosen = chosen[:min(len(chosen), most*views)]
	slices.Sort(chosen)
	t, err := c.Select(ctx, chosen)
	if err != nil || views == 1 {
		return t, err
	}
	var keep []int
	for i, row := range chosen {
		if t.Views[i] == 0 && len(keep) < most {
			keep = append(keep, row)
		}
	}
	return c.Select(ctx, keep)
}

func (r *CacheReport) measure(ctx context.Context, t *cache.Table) error {
	n := len(t.IDs)
	within := func(ks ...int) []int { return slices.DeleteFunc(ks, func(k int) bool { return k >= n }) }
	scores, err := eval.Retrieval(ctx, t.Embeddings, n, t.Dim, t.Labels, within(1, 5, 10))
	if err != nil {
		return err
	}
	for k, v := range scores.Recall {
		r.Metrics[fmt.Sprintf("recall@%d", k)] = v
	}
	r.Metrics[eval.MAPAtR], r.Metrics["r-precision"] = scores.MAPAtR, scores.RPrecision
	accuracy, err := eval.KNN(ctx, t.Embeddings, n, t.Dim, t.Labels, within(1, 5, 20))
	for k, v := range accuracy {
		r.Metrics[fmt.Sprintf("knn@%d", k)] = v
	}
	return err
}

// HTML writes the report as one page.
func (r *CacheReport) HTML(w io.Writer) error { return r.page().HTML(w) }

// Markdown writes the report without its plots.
func (r *CacheReport) Markdown(w io.Writer) error { return r.page().Markdown(w) }

func (r *CacheReport) page() *report.Page {
	p := &report.Page{
		Title: "What the teacher knows", Subtitle: fmt.Sprintf("%s: %d rows of %d numbers (%s); figures of %d samples of %d "+
			"classes, in view 0", r.Dir, r.Rows, r.Dim, r.DType, r.Sampled, r.Classes),
		Footer: "rkd cache report; key " + r.Key,
	}
	table := report.Table{Head: []string{"metric", "value"}}
	for _, name := range []string{
		"recall@1", "recall@5", "recall@10", eval.MAPAtR, "r-precision", "knn@1", "knn@5", "knn@20",
	} {
		if v, ok := r.Metrics[name]; ok {
			table.Rows = append(table.Rows, []string{name, fmt.Sprintf("%.4f", v)})
		}
	}
	tells := []report.Block{report.Text("There are less than two classes, or each sample has its own: nothing to find.")}
	if len(table.Rows) > 0 {
		table.Notes = []string{"Each sample is a query against the others; a student is rarely better than these on the " +
			"same data."}
		tells = []report.Block{table}
	}
	p.Sections = append(p.Sections, report.Section{ID: "classes", Title: "Classes told apart", Blocks: tells},
		r.shapeSection(), r.distanceSection(), r.pairSection())
	return p
}

func (r *CacheReport) shapeSection() report.Section {
	cumulative := make([]float64, len(r.Spectrum))
	numbers := make([]float64, len(r.Spectrum))
	sum := 0.0
	for i, v := range r.Spectrum {
		sum += v
		numbers[i], cumulative[i] = float64(i+1), 100*sum
	}
	return report.Section{ID: "dimensions", Title: "Dimensions", Blocks: []report.Block{
		report.Table{Head: []string{"", "value"}, Rows: [][]string{
			{"dimensions", fmt.Sprint(r.Dim)},
			{"effective dimensions, by participation (Σλ)²/Σλ²", fmt.Sprintf("%.1f", r.Participation)},
			{"effective dimensions, by entropy", fmt.Sprintf("%.1f", r.EffectiveRank)},
			{"components with 90 % of the variance", fmt.Sprint(r.Components90)},
			{"components with 99 % of the variance", fmt.Sprint(r.Components99)},
			{"constant dimensions", numbered(r.Constant)},
			{"collapsed dimensions (below 1 % of the median deviation)", numbered(r.Collapsed)},
			{"length of a row", fmt.Sprintf("%.4f ± %.4f", r.NormMean, r.NormStd)},
		}},
		report.Figures{Plots: []*report.Plot{{
			Title: "Variance held by the first components",
			X:     report.Axis{Label: "components"}, Y: report.Axis{Label: "% of the variance"},
			Series: []report.Series{{Mark: report.Line, X: numbers, Y: cumulative}},
		}}, Note: "A student's embedding_dim, or cache.pca, of as many numbers can hold as much."},
	}}
}

// numbered lists dimensions, of many the first ones.
func numbered(of []int) string {
	if len(of) == 0 {
		return "none"
	}
	text := make([]string, 0, sayShown)
	for _, i := range of[:min(len(of), sayShown)] {
		text = append(text, fmt.Sprint(i))
	}
	if more := len(of) - sayShown; more > 0 {
		text = append(text, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("%d: %s", len(of), strings.Join(text, ", "))
}

func (r *CacheReport) distanceSection() report.Section {
	return report.Section{ID: "distances", Title: "Distances and angles", Blocks: []report.Block{
		report.Figures{Plots: []*report.Plot{
			{
				Title: "Distances", X: report.Axis{Label: "distance / mean distance"}, Y: report.Axis{Label: "share of pairs"},
				Series: []report.Series{
					curve(r.Same, "same class", 0), curve(r.Other, "different classes", 1),
				},
			},
			{
				Title: "Angles", X: report.Axis{Label: "cosine of the angle of three rows"},
				Y: report.Axis{Label: "share of triples"}, Series: []report.Series{curve(r.Angles, "all classes", 2)},
			},
		}, Note: "These are what relational distillation passes on. Where the two curves of distances lie on each other, " +
			"there is little of the classes in them."},
	}}
}

// curve is a histogram as shares.
func curve(h eval.Histogram, name string, colour int) report.Series {
	s := report.Series{Name: name, Mark: report.Line, Colour: colour}
	all := 0
	for _, n := range h.Counts {
		all += n
	}
	width := (h.High - h.Low) / float64(len(h.Counts))
	for i, n := range h.Counts {
		s.X = append(s.X, h.Low+(float64(i)+0.5)*width)
		s.Y = append(s.Y, float64(n)/float64(max(1, all)))
	}
	return s
}

func (r *CacheReport) pairSection() report.Section {
	t := report.Table{Head: []string{"sample", "sample", "class", "distance / mean"}, Left: true}
	for _, p := range r.Duplicates {
		class := "same"
		if !p.Same {
			class = "different"
		}
		t.Rows = append(t.Rows, []string{p.A, p.B, class, fmt.Sprintf("%.4f", p.Distance)})
	}
	return report.Section{ID: "duplicates", Title: "Near duplicates", Blocks: []report.Block{
		report.Text(fmt.Sprintf("%d of %d samples have another one within 1 %% of the mean distance. The closest pairs:",
			r.NearDuplicates, r.Sampled)), t,
	}}
}
