package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"rkd/pipeline"
)

// printResults prints the table of an evaluation, or its JSON.
func printResults(c *cli.Context, res *pipeline.Results) error {
	if c.Bool(jsonFlag.Name) {
		return printJSON(c, res)
	}
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', tabwriter.AlignRight)
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
	row(first, func(m string) string { return fmt.Sprintf("%.4f", res.Teacher.Metrics[m]) }, res.Teacher.Parameters, res.Teacher.Bytes,
		res.Teacher.LatencyMillis)
	for _, name := range res.Order {
		v := res.Variants[name]
		row(name, func(m string) string {
			s := v.Metrics[m]
			if len(s.Values) == 1 {
				return fmt.Sprintf("%.4f", s.Mean)
			}
			return fmt.Sprintf("%.4f ± %.4f", s.Mean, s.Std)
		}, v.Parameters, v.Bytes, v.LatencyMillis)
	}
	return w.Flush()
}
