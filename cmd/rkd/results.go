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
	w := out.table(tabwriter.AlignRight)
	fmt.Fprint(w, "model\t")
	for _, m := range res.Metrics {
		fmt.Fprintf(w, "%s\t", m)
	}
	fmt.Fprintln(w, "parameters\tsize\tms/sample\t")
	row := func(name string, metric func(string) string, parameters, bytes int64, millis float64) {
		fmt.Fprintf(w, "%s\t", name)
		for _, m := range res.Metrics {
			fmt.Fprintf(w, "%s\t", metric(m))
		}
		fmt.Fprintf(w, "%d\t%.1f kB\t%.3f\t\n", parameters, float64(bytes)/1000, millis)
	}
	first := "teacher"
	if len(res.Order) == 0 {
		first = res.Name
	}
	t := res.Teacher
	row(first, func(m string) string {
		value, ok := t.Metrics[m]
		if !ok {
			return "–"
		}
		return estimate(value, t.CI95[m])
	}, t.Parameters, t.Bytes, t.LatencyMillis)
	for _, name := range res.Order {
		v := res.Variants[name]
		row(name, func(m string) string {
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
	return w.Flush()
}

// estimate is a figure with its standard deviation over seeds, or, of a single model, with its confidence interval.
func estimate(value, spread float64) string {
	if spread == 0 {
		return fmt.Sprintf("%.4f", value)
	}
	return fmt.Sprintf("%.4f ± %.4f", value, spread)
}
