package main

import (
	"fmt"
	"text/tabwriter"

	"rkd/pipeline"
)

// printResults prints the table of an evaluation, or its JSON.
func printResults(out *console, res *pipeline.Results) error {
	if out.JSON {
		return out.printJSON(res)
	}
	t := newResultTable(out, res.Metrics)
	for _, one := range res.Teachers {
		t.model("teacher "+one.Name, one.ModelResult)
	}
	if res.Teacher.Metrics != nil { // there is one
		t.model("teacher", res.Teacher)
	}
	for _, name := range res.Order {
		v := res.Models[name]
		t.row(name, func(m string) string {
			switch s := v.Metrics[m]; {
			case len(s.Values) == 0: // a metric of logits, and the model has none
				return "–"
			case len(s.Values) == 1 && len(s.CI95) == 1:
				return estimate(s.Mean, s.CI95[0])
			case len(s.Values) == 1:
				return estimate(s.Mean, 0)
			default:
				return estimate(s.Mean, s.Std)
			}
		}, v.Parameters, v.Bytes, v.LatencyMillis)
	}
	return t.Flush()
}

// printModelResults prints the table of models that belong to no experiment, or its JSON.
func printModelResults(out *console, res *pipeline.ModelResults) error {
	if out.JSON {
		return out.printJSON(res)
	}
	t := newResultTable(out, res.Metrics)
	for _, m := range res.Models {
		t.model(m.Name, m.ModelResult)
	}
	return t.Flush()
}

// resultTable has a row for each model.
type resultTable struct {
	*tabwriter.Writer
	metrics []string
}

func newResultTable(out *console, metrics []string) *resultTable {
	t := &resultTable{out.table(tabwriter.AlignRight), metrics}
	fmt.Fprint(t, "model\t")
	for _, m := range metrics {
		fmt.Fprintf(t, "%s\t", m)
	}
	fmt.Fprintln(t, "parameters\tsize\tms/sample\t")
	return t
}

func (t *resultTable) row(name string, metric func(string) string, parameters, bytes int64, millis float64) {
	fmt.Fprintf(t, "%s\t", name)
	for _, m := range t.metrics {
		fmt.Fprintf(t, "%s\t", metric(m))
	}
	fmt.Fprintf(t, "%d\t%.1f kB\t%.3f\t\n", parameters, float64(bytes)/1000, millis)
}

// model is the row of a single model.
func (t *resultTable) model(name string, r pipeline.ModelResult) {
	t.row(name, func(m string) string {
		value, ok := r.Metrics[m]
		if !ok {
			return "–"
		}
		return estimate(value, r.CI95[m])
	}, r.Parameters, r.Bytes, r.LatencyMillis)
}

// estimate is a figure with its standard deviation over seeds, or, of a single model, with its confidence interval.
func estimate(value, spread float64) string {
	if spread == 0 {
		return fmt.Sprintf("%.4f", value)
	}
	return fmt.Sprintf("%.4f ± %.4f", value, spread)
}
