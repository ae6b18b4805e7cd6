package main

import (
	"path/filepath"

	"github.com/urfave/cli/v2"

	"rkd/pipeline"
	"rkd/pipeline/config"
)

func evalCommand() *cli.Command {
	configFlag := &cli.StringFlag{Name: "config", Usage: "`CONFIG` with test data and preprocessing, for a MODEL that rkd did not export"}
	return command(cli.Command{
		Name:      "eval",
		Usage:     "measure teacher and students side by side, or one ONNX model, on the test data",
		ArgsUsage: "CONFIG | MODEL.onnx",
		Flags:     []cli.Flag{configFlag, setFlag, providerFlag, providerOptionFlag, libraryFlag, jsonFlag, quietFlag},
		Action: func(c *cli.Context) error {
			arg, err := argument(c, "CONFIG or MODEL.onnx")
			if err != nil {
				return err
			}
			res, err := evaluate(c, arg, c.String(configFlag.Name))
			if err != nil {
				return err
			}
			return printResults(c, res)
		},
	}, "rkd eval runs/mnist-unseen/rkd-da/seed-1/student.onnx")
}

func evaluate(c *cli.Context, arg, file string) (*pipeline.Results, error) {
	if filepath.Ext(arg) != ".onnx" {
		r, err := loadRunner(c)
		if err != nil {
			return nil, err
		}
		return r.Evaluate(c.Context)
	}
	var e *config.Experiment
	if file != "" {
		var err error
		if e, err = config.Load(file, overrides(c)); err != nil {
			return nil, err
		}
	}
	e, options, err := pipeline.ModelOptions(e, arg, overrides(c))
	if err != nil {
		return nil, err
	}
	r, err := newRunner(c, e)
	if err != nil {
		return nil, err
	}
	return r.EvaluateModel(c.Context, options)
}
