package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"rkd/pipeline"
	"rkd/student/train"
)

// distillOptions are those of `rkd distill`.
type distillOptions struct {
	console
	experimentOptions
	taskOptions
	trainingOptions
	Profile bool
}

func distillCommand(out console) *cli.Command {
	o := distillOptions{console: out}
	return command(cli.Command{
		Name:      "distill",
		Usage:     "train the students against the cache",
		ArgsUsage: "CONFIG",
		Flags: []cli.Flag{
			o.restartFlag(), o.overwriteFlag(), o.waitFlag(),
			&cli.BoolFlag{
				Name: "profile", Usage: "print where the time of a step goes", DisableDefaultText: true,
				Destination: &o.Profile,
			},
			o.variantFlag(), o.seedFlag(), o.indexFlag("training"), o.listFlag(),
			o.setFlag(), o.engineFlag(), o.providerFlag(), o.providerOptionFlag(), o.libraryFlag(), o.jsonFlag(), o.quietFlag(),
		},
		Action: func(c *cli.Context) error { return runDistill(c.Context, o, c.Args().Slice()) },
	}, onFolders, "rkd distill examples/mnist-unseen.yaml --variant rkd-da")
}

func runDistill(ctx context.Context, o distillOptions, args []string) error {
	file, err := one(args, "distill", "CONFIG")
	if err != nil {
		return err
	}
	r, err := o.load(&o.console, file)
	if err != nil {
		return err
	}
	tasks, index, err := o.chooseIndexed(r.Experiment)
	if err != nil {
		return err
	}
	r.Restart, r.Overwrite, o.at.again = o.Restart, o.Overwrite, o.goOn()
	err = r.Distill(ctx, tasks)
	if index >= 0 {
		keepOutcome(ctx, r, "distill", index, err)
	}
	if err != nil {
		return err
	}
	if o.Profile {
		return printProfiles(&o.console, tasks)
	}
	folders := []string{}
	for _, t := range tasks {
		folders = append(folders, t.Dir())
	}
	if o.JSON {
		return o.printJSON(map[string]any{"checkpoints": folders})
	}
	for _, f := range folders {
		o.printf("%s\n", f)
	}
	return nil
}

// printProfiles prints where the time of each task's steps went, in milliseconds and shares.
func printProfiles(out *console, tasks []pipeline.Task) error {
	type row struct {
		Checkpoint string        `json:"checkpoint"`
		StepMillis float64       `json:"step_ms"`
		Profile    train.Profile `json:"profile"`
	}
	var rows []row
	for _, t := range tasks {
		p, step, err := t.Profile()
		if err != nil {
			return err
		}
		rows = append(rows, row{t.Dir(), step, p})
	}
	if out.JSON {
		return out.printJSON(rows)
	}
	w := out.table(tabwriter.AlignRight)
	fmt.Fprintln(w, "ms a step\tload\tforward\tloss\tbackward\toptimizer\tall\t")
	for i, r := range rows {
		fmt.Fprintf(w, "%s\t", tasks[i])
		p := r.Profile
		for _, part := range []float64{p.LoadMillis, p.ForwardMillis, p.LossMillis, p.BackwardMillis, p.OptimizerMillis} {
			fmt.Fprintf(w, "%.2f (%.0f %%)\t", part, 100*part/r.StepMillis)
		}
		fmt.Fprintf(w, "%.2f\t\n", r.StepMillis)
	}
	return w.Flush()
}
