package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"rkd/pipeline"
)

// searchOptions are those of `rkd search`.
type searchOptions struct {
	console
	openOptions
	K             int
	Student, Page string
}

func searchCommand(out console) *cli.Command {
	o := searchOptions{console: out}
	return command(cli.Command{
		Name:      "search",
		Usage:     "find the nearest vectors of pictures, exactly: for looking, not for serving",
		ArgsUsage: "VECTORS QUERY…",
		Flags: append([]cli.Flag{
			&cli.IntFlag{Name: "k", Usage: "neighbours of each query", Value: 10, Destination: &o.K},
			&cli.StringFlag{
				Name: "html", Usage: "write a page of pictures to `FILE`, which needs no other file", Destination: &o.Page,
			},
			&cli.StringFlag{
				Name: "model", Usage: "`MODEL.onnx` or RUN that embeds the queries; default the one that made VECTORS",
				Destination: &o.Model,
			},
			&cli.StringFlag{
				Name: "student", Usage: "`NAME` of a student where --model is a run, as rkd embed's --model",
				Destination: &o.Student,
			},
			o.jsonFlag(), o.quietFlag(),
		}, o.openFlags()...),
		Action: func(c *cli.Context) error { return runSearch(c.Context, o, c.Args().Slice()) },
	}, onStages, "rkd search vectors.parquet photographs/cat/1.jpg",
		"rkd search vectors.parquet new.jpg -k 5 --html neighbours.html")
}

func runSearch(ctx context.Context, o searchOptions, args []string) error {
	if len(args) < 2 {
		return usage("VECTORS QUERY", "search takes VECTORS and one QUERY or more, but got %d arguments", len(args))
	}
	e, err := o.embedding(o.Model, o.Student)
	if err != nil {
		return err
	}
	m, err := o.machine(&o.console)
	if err != nil {
		return err
	}
	found, err := m.Search(ctx, pipeline.SearchOptions{Vectors: args[0], Queries: args[1:], K: o.K, Embed: e})
	if err != nil {
		return err
	}
	if o.Page != "" {
		if err := pipeline.WriteSearchPage(ctx, o.Page, args[0], found); err != nil {
			return err
		}
	}
	if o.JSON {
		return o.printJSON(found)
	}
	for i, f := range found {
		if i > 0 {
			o.printf("\n")
		}
		o.printf("%s\n", f.Query)
		w := o.table(tabwriter.AlignRight)
		fmt.Fprintln(w, "rank\tdistance\tclass\t path")
		for rank, n := range f.Neighbours {
			class := n.Class
			if class == "." || class == "" { // a picture that lies in no class's folder
				class = "–"
			}
			fmt.Fprintf(w, "%d\t%.4f\t%s\t %s\n", rank+1, n.Distance, class, n.Path)
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}
