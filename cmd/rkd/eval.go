package main

import (
	"context"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"rkd/pipeline/config"
)

// evalOptions are those of `rkd eval`.
type evalOptions struct {
	console
	experimentOptions
	Config string
}

func evalCommand(out console) *cli.Command {
	o := evalOptions{console: out}
	return command(cli.Command{
		Name:      "eval",
		Usage:     "measure teacher and students side by side, or one ONNX model, on the test data",
		ArgsUsage: "CONFIG | MODEL.onnx",
		Flags: []cli.Flag{
			&cli.StringFlag{
				Name: "config", Usage: "`CONFIG` with the test data for a MODEL, and its preprocessing where rkd did not export it",
				Destination: &o.Config,
			},
			o.setFlag(), o.waitFlag(), o.providerFlag(), o.providerOptionFlag(), o.libraryFlag(), o.jsonFlag(), o.quietFlag(),
		},
		Action: func(c *cli.Context) error { return runEval(c.Context, o, c.Args().Slice()) },
	}, onFolders, "rkd eval examples/mnist-unseen.yaml",
		"rkd eval runs/mnist-unseen/rkd-da/seed-1/student.onnx --config examples/mnist-unseen.yaml")
}

func runEval(ctx context.Context, o evalOptions, args []string) error {
	arg, err := one(args, "eval", "CONFIG or MODEL.onnx")
	if err != nil {
		return err
	}
	if filepath.Ext(arg) != ".onnx" {
		r, err := o.load(&o.console, arg)
		if err != nil {
			return err
		}
		res, err := r.Evaluate(ctx)
		if err != nil {
			return err
		}
		return printResults(&o.console, res)
	}
	var e *config.Experiment
	if o.Config != "" {
		if e, err = config.Load(o.Config, o.overrides()); err != nil {
			return err
		}
	}
	m, err := o.machine(&o.console)
	if err != nil {
		return err
	}
	res, err := m.EvaluateModel(ctx, arg, e)
	if err != nil {
		return err
	}
	return printModelResults(&o.console, res)
}
