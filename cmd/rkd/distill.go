package main

import (
	"fmt"
	"slices"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"rkd/pipeline"
	"rkd/pipeline/config"
	"rkd/student/train"
)

// Flags that choose among an experiment's tasks.
var (
	variantFlag = &cli.StringSliceFlag{Name: "variant", Usage: "only this variant (may be repeated)"}
	seedFlag    = &cli.Uint64SliceFlag{Name: "seed", Usage: "only this seed (may be repeated)"}
)

func distillCommand() *cli.Command {
	resume := &cli.BoolFlag{Name: "resume", Usage: "go on from the last checkpoint, to the same bytes as without a stop"}
	profile := &cli.BoolFlag{Name: "profile", Usage: "say where the time of a step goes"}
	return command(cli.Command{
		Name:      "distill",
		Usage:     "train the students against the cache",
		ArgsUsage: "CONFIG",
		Flags:     []cli.Flag{resume, profile, variantFlag, seedFlag, setFlag, engineFlag, providerFlag, providerOptionFlag, libraryFlag, jsonFlag, quietFlag},
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
			if c.Bool(profile.Name) {
				return printProfiles(c, tasks)
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

// printProfiles prints where the time of each task's steps went, in milliseconds and shares.
func printProfiles(c *cli.Context, tasks []pipeline.Task) error {
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
	if c.Bool(jsonFlag.Name) {
		return printJSON(c, rows)
	}
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', tabwriter.AlignRight)
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

// chooseTasks returns the tasks that --variant and --seed leave.
func chooseTasks(c *cli.Context, e *config.Experiment) ([]pipeline.Task, error) {
	variants, seeds := c.StringSlice(variantFlag.Name), c.Uint64Slice(seedFlag.Name)
	all := pipeline.Tasks(e)
	chosen := slices.DeleteFunc(slices.Clone(all), func(t pipeline.Task) bool {
		return len(variants) > 0 && !slices.Contains(variants, t.Variant) || len(seeds) > 0 && !slices.Contains(seeds, t.Seed)
	})
	if len(chosen) == 0 {
		return nil, usageError{fmt.Errorf("no task is variant %v and seed %v, expected some of %v", variants, seeds, all)}
	}
	return chosen, nil
}
