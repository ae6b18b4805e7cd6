package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"rkd/pipeline"
)

// initOptions are those of `rkd init`.
type initOptions struct {
	console
	Model, Output string
}

func initCommand(out console) *cli.Command {
	o := initOptions{console: out}
	return command(cli.Command{
		Name:      "init",
		Usage:     "look at a folder of images and a teacher, and write a commented configuration that runs",
		ArgsUsage: "[DIR]",
		Flags: []cli.Flag{
			&cli.StringFlag{
				Name: "model", Usage: "`MODEL.onnx`, the teacher; default the only ONNX file here or in DIR",
				Destination: &o.Model,
			},
			&cli.StringFlag{
				Name: "out", Aliases: []string{"o"}, Usage: "`FILE` to write, which must not exist",
				Value: "rkd.yaml", Destination: &o.Output,
			},
			o.jsonFlag(),
		},
		Action: func(c *cli.Context) error { return runInit(c.Context, o, c.Args().Slice()) },
	}, onCaches, "rkd init photographs --model teacher.onnx")
}

func runInit(ctx context.Context, o initOptions, args []string) error {
	dir := "."
	if len(args) > 1 {
		return usage("DIR", "init takes one argument, DIR, but got %d", len(args))
	}
	if len(args) == 1 {
		dir = args[0]
	}
	if o.Model == "" {
		var err error
		if o.Model, err = onlyModel(dir); err != nil {
			return err
		}
	}
	proposed, err := pipeline.Propose(ctx, dir, o.Model)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(o.Output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return usage("--out", "%q exists: name another file with --out", o.Output)
	}
	if err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	_, err = file.WriteString(proposed.Text)
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("writing the configuration: %w", errors.Join(err, os.Remove(o.Output)))
	}
	if o.JSON {
		return o.printJSON(map[string]any{"file": o.Output, "configuration": proposed.Text, "labelled": proposed.Labelled})
	}
	o.printf("%s is written; next: rkd run %s\n", o.Output, o.Output)
	return nil
}

// onlyModel finds the only ONNX file in the current folder and in dir.
func onlyModel(dir string) (string, error) {
	folders := []string{"."}
	if filepath.Clean(dir) != "." {
		folders = append(folders, dir)
	}
	var found []string
	for _, folder := range folders {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return "", fmt.Errorf("looking for a model: %w", err)
		}
		for _, e := range entries {
			if filepath.Ext(e.Name()) == ".onnx" {
				found = append(found, filepath.Join(folder, e.Name()))
			}
		}
	}
	if len(found) != 1 {
		return "", usage("--model", "%d ONNX files are here and in %q, expected one: name the teacher with --model",
			len(found), dir)
	}
	return found[0], nil
}
