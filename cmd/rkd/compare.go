package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"rkd/pipeline"
	"rkd/pipeline/config"
)

// compareOptions are those of `rkd compare`.
type compareOptions struct {
	console
	experimentOptions
	Config string
	K      int
	Seed   uint64
}

func compareCommand(out console) *cli.Command {
	o := compareOptions{console: out}
	return command(cli.Command{
		Name:      "compare",
		Usage:     "measure how alike two sets of embeddings are: caches, ONNX models or .npy matrices",
		ArgsUsage: "A B",
		Flags: []cli.Flag{
			&cli.StringFlag{
				Name: "config", Usage: "`CONFIG` whose data a model runs on, with preprocessing for one that rkd did not export",
				Destination: &o.Config,
			},
			&cli.IntFlag{Name: "k", Usage: "number of neighbours whose overlap is counted", Value: 10, Destination: &o.K},
			&cli.Uint64Flag{
				Name: "seed", Usage: "seed of the rows that are drawn where there are too many", Value: 1,
				Destination: &o.Seed,
			},
			o.setFlag(), o.providerFlag(), o.providerOptionFlag(), o.libraryFlag(), o.jsonFlag(), o.quietFlag(),
		},
		Action: func(c *cli.Context) error { return runCompare(c.Context, o, c.Args().Slice()) },
	}, onStages, "rkd compare runs/mnist-unseen/cache runs/mnist-unseen/rkd-da/seed-1/student.onnx --config "+
		"examples/mnist-unseen.yaml",
		"rkd compare before.npy after.npy --k 20 --json")
}

func runCompare(ctx context.Context, o compareOptions, args []string) error {
	if len(args) != 2 {
		return usage("A B", "compare takes two arguments, A and B, but got %d", len(args))
	}
	if o.K < 1 {
		return usage("--k", "--k is %d, expected 1 or more", o.K)
	}
	options := pipeline.CompareOptions{K: o.K, Seed: o.Seed}
	if o.Config != "" {
		var err error
		if options.Experiment, err = config.Load(o.Config, o.overrides()); err != nil {
			return err
		}
	}
	m, err := o.machine(&o.console)
	if err != nil {
		return err
	}
	res, err := m.Compare(ctx, args[0], args[1], options)
	if err != nil {
		return err
	}
	if o.JSON {
		return o.printJSON(res)
	}
	return printComparison(&o.console, res)
}

// printComparison prints the two sets, then a line for each measure with its value for equal sets and the rows it saw.
func printComparison(out *console, res *pipeline.Comparison) error {
	w := out.table(0)
	for _, s := range []struct {
		name string
		set  pipeline.ComparedSet
	}{{"A", res.A}, {"B", res.B}} {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d × %d\t%s\n", s.name, s.set.Path, s.set.Kind, s.set.Rows, s.set.Dim, s.set.Data)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	out.printf("%d rows compared, matched by %s\n\n", res.Rows, res.MatchedBy)

	w = out.table(tabwriter.AlignRight)
	fmt.Fprintln(w, "measure\tvalue\tequal sets\trows\t")
	row := func(measure string, value float64, equal int, rows string) {
		fmt.Fprintf(w, "%s\t%.4f\t%d\t%s\t\n", measure, value, equal, rows)
	}
	relational := fmt.Sprint(res.RelationalRows)
	if res.RelationalBlocks > 1 || res.RelationalRows < res.Rows {
		relational = fmt.Sprintf("%d × %d", res.RelationalBlocks, res.RelationalRows)
	}
	row("rkd_distance", res.RKDDistance, 0, relational)
	row("rkd_angle", res.RKDAngle, 0, relational)
	row("linear_cka", res.LinearCKA, 1, fmt.Sprint(res.Rows))
	row("spearman", res.Spearman, 1, fmt.Sprint(res.SpearmanRows))
	row(fmt.Sprintf("overlap@%d", res.K), res.NeighbourOverlap, 1, fmt.Sprint(res.Rows))
	return w.Flush()
}
