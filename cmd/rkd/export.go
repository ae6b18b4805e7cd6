package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"rkd/pipeline"
	"rkd/pipeline/config"
	"rkd/pipeline/storage"
	"rkd/student/train"
)

// exportOptions are those of `rkd export`.
type exportOptions struct {
	console
	experimentOptions
	taskOptions
	Output, Snippet string
}

func exportCommand(out console) *cli.Command {
	o := exportOptions{console: out}
	return command(cli.Command{
		Name:      "export",
		Usage:     "write students as ONNX files, verified against their graphs on real samples",
		ArgsUsage: "CONFIG | CHECKPOINT | MODEL.onnx",
		Flags: []cli.Flag{
			&cli.StringFlag{
				Name: "output", Aliases: []string{"o"},
				Usage:       "`FILE` or URL for the student of a CHECKPOINT; default student.onnx beside it",
				Destination: &o.Output,
			},
			&cli.StringFlag{
				Name: "snippet", Usage: "print a program in `LANGUAGE` that embeds pictures with an exported student, and " +
					"export nothing: " + strings.Join(pipeline.SnippetLanguages, ", "),
				Destination: &o.Snippet,
			},
			o.variantFlag(), o.seedFlag(), o.indexFlag("training"), o.listFlag(), o.setFlag(), o.waitFlag(), o.libraryFlag(),
			o.jsonFlag(), o.quietFlag(),
		},
		Action: func(c *cli.Context) error { return runExport(c.Context, o, c.Args().Slice()) },
	}, onFolders, "rkd export examples/mnist-unseen.yaml", "rkd export runs/mnist-unseen/rkd-da/seed-1 -o student.onnx",
		"rkd export runs/mnist-unseen/rkd-da/seed-1/student.onnx --snippet python")
}

func runExport(ctx context.Context, o exportOptions, args []string) error {
	arg, err := one(args, "export", "CONFIG or CHECKPOINT")
	if err != nil {
		return err
	}
	if o.Snippet != "" {
		return printSnippet(o, arg)
	}
	exported, err := export(ctx, o, arg)
	if err != nil {
		return err
	}
	if o.JSON {
		return o.printJSON(exported)
	}
	for _, e := range exported {
		if e.UpToDate {
			o.printf("%s is up to date\n", e.Model)
			continue
		}
		o.printf("%s: largest difference to the graph %.1e over %d samples\n", e.Model, e.Difference, e.Samples)
	}
	return nil
}

// printSnippet prints a program for an exported student: MODEL.onnx, that of a CHECKPOINT, or the first chosen one of a
// CONFIG.
func printSnippet(o exportOptions, arg string) error {
	model := arg
	if dir, isCheckpoint := checkpointDir(arg); isCheckpoint {
		model = filepath.Join(dir, "student.onnx")
	} else if filepath.Ext(arg) != ".onnx" {
		e, err := config.Load(arg, o.overrides())
		if err != nil {
			return err
		}
		tasks, err := o.choose(e)
		if err != nil {
			return err
		}
		model = tasks[0].Model()
	}
	text, err := pipeline.Snippet(model, o.Snippet)
	if err != nil {
		return err
	}
	if o.JSON {
		return o.printJSON(map[string]string{"model": model, "language": o.Snippet, "program": text})
	}
	o.printf("%s", text)
	return nil
}

func export(ctx context.Context, o exportOptions, arg string) ([]pipeline.Exported, error) {
	dir, isCheckpoint := checkpointDir(arg)
	if !isCheckpoint {
		r, err := o.load(&o.console, arg)
		if err != nil {
			return nil, err
		}
		if o.Output != "" {
			return nil, usage("--output",
				"--output goes with a CHECKPOINT; a CONFIG's students are written into its run directory")
		}
		o.at.again = goesOn
		tasks, index, err := o.chooseIndexed(r.Experiment)
		if err != nil {
			return nil, err
		}
		exported, err := r.Export(ctx, tasks)
		if index >= 0 {
			keepOutcome(ctx, r, "export", index, err)
		}
		return exported, err
	}
	m, err := o.machine(&o.console)
	if err != nil {
		return nil, err
	}
	e, err := m.ExportCheckpoint(ctx, dir, o.Output)
	if err != nil {
		return nil, err
	}
	return []pipeline.Exported{*e}, nil
}

// checkpointDir tells a checkpoint, its folder or its JSON file, from a configuration. A URL that does not end as a
// file's does is a folder's.
func checkpointDir(arg string) (string, bool) {
	if folder, name := storage.Split(arg); name == train.CheckpointFile {
		return folder, true
	} else if storage.IsRemote(arg) {
		return arg, filepath.Ext(name) == ""
	}
	info, err := os.Stat(arg)
	return arg, err == nil && info.IsDir()
}
