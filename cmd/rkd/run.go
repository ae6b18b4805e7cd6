package main

import "github.com/urfave/cli/v2"

func runCommand() *cli.Command {
	return command(cli.Command{
		Name:      "run",
		Usage:     "precompute, distill, export and evaluate, skipping what is up to date",
		ArgsUsage: "CONFIG",
		Flags:     []cli.Flag{setFlag, engineFlag, providerFlag, providerOptionFlag, libraryFlag, jsonFlag, quietFlag},
		Action: func(c *cli.Context) error {
			r, err := loadRunner(c)
			if err != nil {
				return err
			}
			res, err := r.Run(c.Context)
			if err != nil {
				return err
			}
			return printResults(c, res)
		},
	}, "rkd run examples/mnist-unseen.yaml --set seeds=[1,2,3]")
}
