package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

func precomputeCommand() *cli.Command {
	return command(cli.Command{
		Name:      "precompute",
		Usage:     "run the teacher over the training data, once, and cache its embeddings",
		ArgsUsage: "CONFIG",
		Flags:     []cli.Flag{setFlag, providerFlag, providerOptionFlag, libraryFlag, jsonFlag, quietFlag},
		Action: func(c *cli.Context) error {
			r, err := loadRunner(c)
			if err != nil {
				return err
			}
			filled, err := r.Precompute(c.Context)
			if err != nil {
				return err
			}
			if c.Bool(jsonFlag.Name) {
				return printJSON(c, filled.Manifest())
			}
			m := filled.Manifest()
			fmt.Fprintf(c.App.Writer, "%s: %d rows of %d dimensions in %d shards\n", r.Experiment.Base.Cache.Dir, m.Rows, m.Dim,
				len(m.Shards))
			return nil
		},
	}, "rkd precompute examples/mnist-unseen.yaml")
}
