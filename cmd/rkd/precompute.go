package main

import (
	"context"

	"github.com/urfave/cli/v2"
)

// precomputeOptions are those of `rkd precompute`.
type precomputeOptions struct {
	console
	experimentOptions
}

func precomputeCommand(out console) *cli.Command {
	o := precomputeOptions{console: out}
	return command(cli.Command{
		Name:      "precompute",
		Usage:     "run the teacher over the training data, once, and cache its embeddings",
		ArgsUsage: "CONFIG",
		Flags: []cli.Flag{
			o.setFlag(), o.providerFlag(), o.providerOptionFlag(), o.libraryFlag(), o.jsonFlag(), o.quietFlag(),
		},
		Action: func(c *cli.Context) error { return runPrecompute(c.Context, o, c.Args().Slice()) },
	}, onWriters, "rkd precompute examples/mnist-unseen.yaml")
}

func runPrecompute(ctx context.Context, o precomputeOptions, args []string) error {
	file, err := one(args, "precompute", "CONFIG")
	if err != nil {
		return err
	}
	r, err := o.load(&o.console, file)
	if err != nil {
		return err
	}
	filled, err := r.Precompute(ctx)
	if err != nil {
		return err
	}
	m := filled.Manifest()
	if o.JSON {
		return o.printJSON(m)
	}
	o.printf("%s: %d rows of %d dimensions in %d shards\n", r.Experiment.Base.Cache.Dir, m.Rows, m.Dim, len(m.Shards))
	return nil
}
