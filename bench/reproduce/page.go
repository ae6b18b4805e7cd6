package main

import (
	"bytes"
	"fmt"
	"strings"

	"rkd/pipeline"
)

const preface = "# What the paper claims, and what comes out here\n" +
	"\n" +
	"Made by `make reproduce`, which runs the four plans below with `rkd run` and writes this page with " +
	"`bench/reproduce`. Every number stands in a\n" +
	"`results.json`, kept beside the page in [results](results). The paper is Park et al., Relational Knowledge " +
	"Distillation, CVPR\n" +
	"2019; its data sets are larger and harder than handwritten digits, so it is its claims that are tried here, not " +
	"its figures.\n" +
	"\n" +
	"Tables show means ± standard deviations over seeds. Below each, the paper's claims: the difference of the two " +
	"means in favour of\n" +
	"the claim ± its standard error. A claim holds where the difference is more than two standard errors above 0, " +
	"does not hold where it\n" +
	"is as much below, and is undecided in between. The teacher is one model and has no spread.\n" +
	"\n" +
	"What the paper does not try is measured elsewhere: few labels beside many pictures without, and two teachers, in\n" +
	"[few-labels.md](few-labels.md); photographs in [tuning.md](tuning.md).\n"

// page renders all experiments.
func page(all []*experiment) []byte {
	var w bytes.Buffer
	w.WriteString(preface)
	for i, e := range all {
		fmt.Fprintf(&w, "\n## %d. %s\n\n", i+1, e.title)
		fmt.Fprintf(&w, "%s\n\n", e.about)
		fmt.Fprintf(&w, "Command: `bin/rkd run %s`, results: [%s.json](results/%s.json), %d seeds, %d test images.\n\n",
			e.file, e.name, e.name,
			len(e.results.Models[e.results.Order[0]].Seeds), e.results.Samples)
		e.table(&w)
		e.judge(&w)
		if e.curve != "" {
			fmt.Fprintf(&w, "\n%s on the test data after every epoch, mean over the seeds (nothing is chosen by it):\n\n"+
				"![%s by epoch](results/%s.svg)\n", e.curve, e.curve, e.name)
		}
	}
	return w.Bytes()
}

// table renders what was measured.
func (e *experiment) table(w *bytes.Buffer) {
	fmt.Fprintf(w, "| | %s |\n|---|%s\n", strings.Join(e.metrics, " | "), strings.Repeat("---|", len(e.metrics)))
	cells := []string{"teacher"}
	for _, m := range e.metrics {
		cells = append(cells, fmt.Sprintf("%.4f", e.results.Teacher.Metrics[m]))
	}
	fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | "))
	for _, name := range e.results.Order {
		cells = []string{e.labels[name]}
		for _, m := range e.metrics {
			cells = append(cells, statistic(e.results.Models[name].Metrics[m]))
		}
		fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | "))
	}
}

func statistic(s pipeline.Statistic) string { return fmt.Sprintf("%.4f ± %.4f", s.Mean, s.Std) }

// judge renders the claims.
func (e *experiment) judge(w *bytes.Buffer) {
	fmt.Fprint(w, "\n| the paper's claim | by | difference | here |\n|---|---|---|---|\n")
	for _, c := range e.claims {
		difference, verdict, err := e.verdict(c)
		if err != nil {
			difference, verdict = err.Error(), "not measured"
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s |\n", c.text, c.metric, difference, verdict)
	}
}
