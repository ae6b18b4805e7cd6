// Command reproduce writes docs/results.md: what the runs of examples/reproduce measured, beside what the paper claims.
// `make reproduce` makes the runs and calls it. Every number of the page comes from a results.json, of which it keeps a
// copy in docs/results, and every verdict from those numbers.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	runs := flag.String("runs", "runs", "folder with the run directories; empty writes the page anew from docs/results")
	docs := flag.String("docs", "docs", "folder of results.md and results/")
	flag.Parse()
	if err := reproduce(*runs, *docs); err != nil {
		fmt.Fprintln(os.Stderr, "reproduce:", err)
		os.Exit(1)
	}
}

func reproduce(runs, docs string) error {
	data := filepath.Join(docs, "results")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return err
	}
	var all []*experiment
	for _, p := range plans {
		if runs != "" {
			if err := p.collect(filepath.Join(runs, p.name), data); err != nil {
				return err
			}
		}
		e, err := p.read(data)
		if err != nil {
			return err
		}
		if err := e.plot(filepath.Join(data, p.name+".svg")); err != nil {
			return err
		}
		all = append(all, e)
	}
	return os.WriteFile(filepath.Join(docs, "results.md"), page(all), 0o644)
}
