package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"rkd/pipeline"
	"rkd/pipeline/report"
)

// printResults prints the table of an evaluation, or its JSON.
func printResults(out *console, res *pipeline.Results) error {
	if out.JSON {
		return out.printJSON(res)
	}
	if err := printTable(out, res.Table()); err != nil {
		return err
	}
	for _, name := range res.Order {
		for _, q := range res.Models[name].Quantized {
			if q.Refused {
				name += "/" + q.Kind
			}
			out.printf("%s: %s\n", name, &q)
		}
	}
	return nil
}

// printModelResults prints the table of models that belong to no experiment, or its JSON.
func printModelResults(out *console, res *pipeline.ModelResults) error {
	if out.JSON {
		return out.printJSON(res)
	}
	return printTable(out, res.Table())
}

// printTable prints a table of figures and, below, what they mean.
func printTable(out *console, t report.Table) error {
	w := out.table(tabwriter.AlignRight)
	for _, row := range append([][]string{t.Head}, t.Rows...) {
		fmt.Fprintln(w, strings.Join(row, "\t")+"\t")
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, note := range t.Notes {
		out.printf("  %s\n", note)
	}
	return nil
}
