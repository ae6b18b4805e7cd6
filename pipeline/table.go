package pipeline

import (
	"fmt"
	"slices"
	"strconv"

	"rkd/pipeline/config"
	"rkd/pipeline/eval"
	"rkd/pipeline/report"
)

// absent stands for a figure that there is not.
const absent = "–"

// Table is the results as people read them: a row for the teacher, for the baseline and for each student, and below
// what the columns mean.
func (res *Results) Table() report.Table {
	t := resultTable{metrics: res.Metrics}
	t.references(res.Teachers, res.Teacher, res.Baseline, res.FidelitySamples, res.Order)
	for _, name := range res.Order {
		t.add(studentRow(name, res.Models[name], res.GapMetric()))
	}
	return t.table()
}

// Table is the figures of single models, below those of the teacher and the baseline.
func (res *ModelResults) Table() report.Table {
	t := resultTable{metrics: res.Metrics}
	var teacher ModelResult
	if res.Teacher != nil {
		teacher = *res.Teacher
	}
	t.references(nil, teacher, res.Baseline, res.FidelitySamples, nil)
	for _, m := range res.Models {
		row := modelRow(m.Name, m.ModelResult)
		row.compare(m.Fidelity, m.Gap, gapMetric(res.Metrics))
		t.add(row)
	}
	return t.table()
}

// references adds the rows that students are held against, and says below the table what that is. A baseline that is
// one of the students has a row there.
func (t *resultTable) references(teachers []NamedResult, teacher ModelResult, b *Baseline, samples int,
	students []string,
) {
	t.gap, t.fidelity = b != nil && teacher.Metrics != nil, samples > 0
	for _, one := range teachers {
		t.add(modelRow("teacher "+one.Name, one.ModelResult))
	}
	if teacher.Metrics != nil { // there is one
		t.add(modelRow("teacher", teacher))
	}
	baseline := ""
	if b != nil {
		row := modelRow(b.Kind, b.ModelResult)
		row.compare(b.Fidelity, nil, "")
		switch b.Kind {
		case config.BaselineUntrained:
			baseline = "the untrained net"
		case config.BaselinePixels:
			row.name, baseline = "raw pixels", "raw pixels"
		default:
			baseline = b.Kind
		}
		if !slices.Contains(students, b.Kind) {
			t.add(row)
		}
	}
	if t.gap {
		t.notes = append(t.notes, fmt.Sprintf("gap closed: share of the way from %s to the teacher in %s",
			baseline, gapMetric(t.metrics)))
	}
	if t.fidelity && slices.Contains(t.metrics, Overlap) && slices.Contains(t.metrics, eval.Spearman) {
		t.fidelity = false // the same, as metrics
	}
	if t.fidelity {
		t.notes = append(t.notes, fmt.Sprintf("%s, rank corr.: agreement with the teacher in the 10 nearest neighbours "+
			"and in the order of distances, on %d test samples", Overlap, samples))
	}
	t.notes = append(t.notes, asymmetricNotes(t.metrics)...)
}

// asymmetricNotes says what the metrics of drop-in students are.
func asymmetricNotes(names []string) (notes []string) {
	metrics, err := eval.ParseMetrics(names)
	if err != nil {
		return nil
	}
	for _, m := range metrics {
		if m.Asymmetric() {
			notes = append(notes, m.Name+": the model's vectors search the teacher's, as a drop-in student is to")
		}
	}
	return notes
}

// tableRow is a row of a table of results, its figures written out.
type tableRow struct {
	name                  string
	metrics, fidelity     map[string]string
	gap                   string
	parameters, size, lag string
	interval              bool // some figure has one
}

// modelRow is the row of a single model.
func modelRow(name string, m ModelResult) tableRow {
	row := tableRow{
		name: name, metrics: map[string]string{}, fidelity: map[string]string{}, gap: absent,
		parameters: absent, size: absent, lag: absent, interval: len(m.CI95) > 0,
	}
	for metric, value := range m.Metrics {
		row.metrics[metric] = estimate(value, m.CI95[metric])
	}
	row.weigh(m.Parameters, m.Bytes, m.LatencyMillis)
	return row
}

// studentRow is the row of a variant's students.
func studentRow(name string, v VariantResult, gapMetric string) tableRow {
	row := modelRow(name, ModelResult{Parameters: v.Parameters, Bytes: v.Bytes, LatencyMillis: v.LatencyMillis})
	for metric, s := range v.Metrics {
		row.metrics[metric] = estimate(s.Mean, s.Interval)
		row.interval = row.interval || s.Interval > 0
	}
	row.compare(nil, v.Gap, gapMetric)
	for name, s := range v.Fidelity {
		row.fidelity[name] = estimate(s.Mean, s.Interval)
	}
	return row
}

// compare fills in how a model stands to teacher and baseline.
func (row *tableRow) compare(fidelity, gaps map[string]float64, gapMetric string) {
	for name, value := range fidelity {
		row.fidelity[name] = estimate(value, 0)
	}
	if gap, ok := gaps[gapMetric]; ok {
		row.gap = fmt.Sprintf("%.0f %%", 100*gap)
	}
}

// weigh fills in the size of a model, if it is one.
func (row *tableRow) weigh(parameters, bytes int64, millis float64) {
	if bytes > 0 {
		row.parameters = strconv.FormatInt(parameters, 10)
		row.size, row.lag = fmt.Sprintf("%.1f kB", float64(bytes)/1000), fmt.Sprintf("%.3f", millis)
	}
}

// resultTable collects rows and decides on columns.
type resultTable struct {
	metrics       []string
	gap, fidelity bool
	rows          []tableRow
	notes         []string
}

func (t *resultTable) add(row tableRow) { t.rows = append(t.rows, row) }

func (t *resultTable) table() report.Table {
	head := append([]string{"model"}, t.metrics...)
	if t.gap {
		head = append(head, "gap closed")
	}
	if t.fidelity {
		head = append(head, Overlap, "rank corr.")
	}
	out := report.Table{Head: append(head, "parameters", "size", "ms/sample"), Notes: t.notes}
	interval := false
	for _, row := range t.rows {
		interval = interval || row.interval
		cells := []string{row.name}
		for _, m := range t.metrics {
			cells = append(cells, orAbsent(row.metrics[m]))
		}
		if t.gap {
			cells = append(cells, row.gap)
		}
		if t.fidelity {
			cells = append(cells, orAbsent(row.fidelity[Overlap]), orAbsent(row.fidelity[RankCorrelation]))
		}
		out.Rows = append(out.Rows, append(cells, row.parameters, row.size, row.lag))
	}
	if interval {
		out.Notes = append(out.Notes,
			"±: half of the 95 % confidence interval, over seeds (Student's t), or over the episodes of a single model")
	}
	return out
}

func orAbsent(s string) string {
	if s == "" {
		return absent
	}
	return s
}

// estimate is a figure with half of its 95 % confidence interval, where that is known.
func estimate(value, interval float64) string {
	if interval == 0 {
		return fmt.Sprintf("%.4f", value)
	}
	return fmt.Sprintf("%.4f ± %.4f", value, interval)
}
