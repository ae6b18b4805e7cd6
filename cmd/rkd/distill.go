package main

import (
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"rkd/pipeline"
)

// Flags that choose among an experiment's tasks.
var (
	variantFlag = &cli.StringSliceFlag{Name: "variant", Usage: "only this variant (may be repeated)"}
	seedFlag    = &cli.Uint64SliceFlag{Name: "seed", Usage: "only this seed (may be repeated)"}
)

func distillCommand() *cli.Command {
	resume := &cli.BoolFlag{Name: "resume", Usage: "go on from the last checkpoint, to the same bytes as without a stop"}
	return command(cli.Command{
		Name:      "distill",
		Usage:     "train the students against the cache",
		ArgsUsage: "CONFIG",
		Flags:     []cli.Flag{resume, variantFlag, seedFlag, setFlag, jsonFlag, quietFlag},
		Action: func(c *cli.Context) error {
			r, err := loadRunner(c)
			if err != nil {
				return err
			}
			tasks, err := chooseTasks(c, r.Experiment)
			if err != nil {
				return err
			}
			if err := r.Distill(c.Context, tasks, c.Bool(resume.Name)); err != nil {
				return err
			}
			folders := []string{}
			for _, t := range tasks {
				folders = append(folders, t.Dir())
			}
			if c.Bool(jsonFlag.Name) {
				return printJSON(c, map[string]any{"checkpoints": folders})
			}
			for _, f := range folders {
				fmt.Fprintln(c.App.Writer, f)
			}
			return nil
		},
	}, "rkd distill examples/mnist-unseen.yaml --resume --variant rkd-da")
}

// chooseTasks returns the tasks that --variant and --seed leave.
func chooseTasks(c *cli.Context, e *pipeline.Experiment) ([]pipeline.Task, error) {
	variants, seeds := c.StringSlice(variantFlag.Name), c.Uint64Slice(seedFlag.Name)
	all := e.Tasks()
	chosen := slices.DeleteFunc(slices.Clone(all), func(t pipeline.Task) bool {
		return len(variants) > 0 && !slices.Contains(variants, t.Variant) || len(seeds) > 0 && !slices.Contains(seeds, t.Seed)
	})
	if len(chosen) == 0 {
		return nil, usageError{fmt.Errorf("no task is variant %v and seed %v, expected some of %v", variants, seeds, all)}
	}
	return chosen, nil
}
