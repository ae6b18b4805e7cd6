package main

import (
	"context"

	"github.com/urfave/cli/v2"
)

// runOptions are those of `rkd run`.
type runOptions struct {
	console
	experimentOptions
	trainingOptions
}

func runCommand(out console) *cli.Command {
	o := runOptions{console: out}
	return command(cli.Command{
		Name:      "run",
		Usage:     "precompute, distill, export and evaluate, skipping what is up to date",
		ArgsUsage: "CONFIG",
		Flags: []cli.Flag{
			o.restartFlag(), o.overwriteFlag(), o.waitFlag(),
			o.setFlag(), o.engineFlag(), o.providerFlag(), o.providerOptionFlag(), o.libraryFlag(), o.jsonFlag(), o.quietFlag(),
		},
		Action: func(c *cli.Context) error { return runRun(c.Context, o, c.Args().Slice()) },
	}, onRuns, "rkd run examples/mnist-unseen.yaml --set 'seeds=[1,2,3]'")
}

func runRun(ctx context.Context, o runOptions, args []string) error {
	file, err := one(args, "run", "CONFIG")
	if err != nil {
		return err
	}
	r, err := o.load(&o.console, file)
	if err != nil {
		return err
	}
	r.Restart, r.Overwrite, o.at.again = o.Restart, o.Overwrite, o.goOn()
	res, err := r.Run(ctx)
	if err != nil {
		return err
	}
	return printResults(&o.console, res)
}
