package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"rkd/pipeline"
	"rkd/pipeline/config"
)

func compareCommand() *cli.Command {
	configFlag := &cli.StringFlag{
		Name: "config", Usage: "`CONFIG` whose data a model runs on, and with preprocessing for one that rkd did not export",
	}
	k := &cli.IntFlag{Name: "k", Usage: "number of neighbours whose overlap is counted", Value: 10}
	seed := &cli.Uint64Flag{Name: "seed", Usage: "seed of the rows that are drawn where there are too many", Value: 1}
	return command(cli.Command{
		Name:      "compare",
		Usage:     "say how alike two sets of embeddings are: caches, ONNX models or .npy matrices",
		ArgsUsage: "A B",
		Flags:     []cli.Flag{configFlag, k, seed, setFlag, libraryFlag, jsonFlag, quietFlag},
		Action: func(c *cli.Context) error {
			if c.NArg() != 2 {
				return usageError{fmt.Errorf("rkd compare takes two arguments, A and B, but got %d", c.NArg())}
			}
			if c.Int(k.Name) < 1 {
				return usageError{fmt.Errorf("--k is %d, expected 1 or more", c.Int(k.Name))}
			}
			o := pipeline.CompareOptions{K: c.Int(k.Name), Seed: c.Uint64(seed.Name), Set: c.StringSlice(setFlag.Name)}
			var e *config.Experiment
			if file := c.String(configFlag.Name); file != "" {
				var err error
				if e, err = config.Load(file, o.Set); err != nil {
					return err
				}
			}
			r, err := newRunner(c, e)
			if err != nil {
				return err
			}
			res, err := r.Compare(c.Context, c.Args().Get(0), c.Args().Get(1), o)
			if err != nil {
				return err
			}
			if c.Bool(jsonFlag.Name) {
				return printJSON(c, res)
			}
			return printComparison(c, res)
		},
	}, "rkd compare runs/mnist-unseen/cache runs/mnist-unseen/rkd-da/seed-1/student.onnx\n"+
		"   rkd compare before.npy after.npy --k 20 --json")
}

// printComparison prints the two sets, then a line for each measure with its value for equal sets and the rows it saw.
func printComparison(c *cli.Context, res *pipeline.Comparison) error {
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	for _, s := range []struct {
		name string
		set  pipeline.ComparedSet
	}{{"A", res.A}, {"B", res.B}} {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d × %d\t%s\n", s.name, s.set.Path, s.set.Kind, s.set.Rows, s.set.Dim, s.set.Data)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "%d rows compared, matched by %s\n\n", res.Rows, res.MatchedBy)

	w = tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', tabwriter.AlignRight)
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
