package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"rkd/pipeline"
	"rkd/student/train"
)

func exportCommand() *cli.Command {
	output := &cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "`FILE` for the student of a CHECKPOINT; default student.onnx beside it"}
	return command(cli.Command{
		Name:      "export",
		Usage:     "write students as ONNX files, verified against their graphs on real samples",
		ArgsUsage: "CONFIG | CHECKPOINT",
		Flags:     []cli.Flag{output, variantFlag, seedFlag, setFlag, libraryFlag, jsonFlag, quietFlag},
		Action: func(c *cli.Context) error {
			arg, err := argument(c, "CONFIG or CHECKPOINT")
			if err != nil {
				return err
			}
			exported, err := export(c, arg, c.String(output.Name))
			if err != nil {
				return err
			}
			if c.Bool(jsonFlag.Name) {
				return printJSON(c, exported)
			}
			for _, e := range exported {
				if e.UpToDate {
					fmt.Fprintf(c.App.Writer, "%s is up to date\n", e.Model)
					continue
				}
				fmt.Fprintf(c.App.Writer, "%s: largest difference to the graph %.1e over %d samples\n", e.Model, e.Difference, e.Samples)
			}
			return nil
		},
	}, "rkd export runs/mnist-unseen/rkd-da/seed-1 -o student.onnx")
}

func export(c *cli.Context, arg, output string) ([]pipeline.Exported, error) {
	dir, isCheckpoint := checkpointDir(arg)
	if !isCheckpoint {
		r, err := loadRunner(c)
		if err != nil {
			return nil, err
		}
		if output != "" {
			return nil, usageError{fmt.Errorf("--output goes with a CHECKPOINT; a CONFIG's students are written into its run directory")}
		}
		tasks, err := chooseTasks(c, r.Experiment)
		if err != nil {
			return nil, err
		}
		return r.Export(c.Context, tasks)
	}
	r, err := newRunner(c, nil)
	if err != nil {
		return nil, err
	}
	if output == "" {
		output = filepath.Join(dir, "student.onnx")
	}
	e, err := pipeline.ExportCheckpoint(c.Context, r, dir, output)
	if err != nil {
		return nil, err
	}
	return []pipeline.Exported{*e}, nil
}

// checkpointDir tells a checkpoint, its folder or its JSON file, from a configuration.
func checkpointDir(arg string) (string, bool) {
	if filepath.Base(arg) == train.CheckpointFile {
		return filepath.Dir(arg), true
	}
	info, err := os.Stat(arg)
	return arg, err == nil && info.IsDir()
}
