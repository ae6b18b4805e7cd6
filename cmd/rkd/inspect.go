package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"rkd/pipeline"
)

// inspectOptions are those of `rkd inspect`.
type inspectOptions struct {
	console
	All bool
}

func inspectCommand(out console) *cli.Command {
	o := inspectOptions{console: out}
	return command(cli.Command{
		Name: "inspect",
		Usage: "list a model's inputs, outputs and tensors that could be an embedding, and write a teacher section for " +
			"it",
		ArgsUsage: "MODEL.onnx",
		Flags: []cli.Flag{
			&cli.BoolFlag{
				Name: "all", Usage: "list every tensor that could be an embedding, not the first ten", DisableDefaultText: true,
				Destination: &o.All,
			},
			o.jsonFlag(),
		},
		Action: func(c *cli.Context) error { return runInspect(o, c.Args().Slice()) },
	}, onCaches, "rkd inspect models/mnist-teacher.onnx")
}

func runInspect(o inspectOptions, args []string) error {
	file, err := one(args, "inspect", "MODEL.onnx")
	if err != nil {
		return err
	}
	found, err := pipeline.Inspect(file)
	if err != nil {
		return err
	}
	if o.JSON {
		return o.printJSON(found)
	}
	w := o.table(0)
	fmt.Fprintf(w, "%s: %d parameters\n\n", found.Model, found.Parameters)
	for _, part := range []struct {
		name string
		list []pipeline.Described
	}{{"input", found.Inputs}, {"output", found.Outputs}} {
		for _, t := range part.list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", part.name, t.Name, t.Type, t.Shape)
		}
	}
	fmt.Fprintln(w, "\ncould be the embedding, most likely first:")
	const most = 10
	for i, c := range found.Embeddings {
		if i == most && !o.All {
			fmt.Fprintf(w, "… and %d more: --all lists them\n", len(found.Embeddings)-most)
			break
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", i+1, c.Name, c.Type, c.Shape, c.Place, c.Why)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	o.printf("\n%s", found.Section)
	return nil
}
