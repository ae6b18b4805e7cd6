package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"rkd/pipeline"
	"rkd/student/arch"
)

// archOptions are those of `rkd arch show`.
type archOptions struct {
	console
	experimentOptions
	taskOptions
}

func archCommand(out console) *cli.Command {
	return group("arch", "what a configuration's student is made of", "rkd arch show examples/mnist-unseen.yaml",
		archShowCommand(out))
}

func archShowCommand(out console) *cli.Command {
	o := archOptions{console: out}
	return command(cli.Command{
		Name:      "show",
		Usage:     "list a student's layers with shapes, parameters and multiply-adds for one sample",
		ArgsUsage: "CONFIG",
		Flags:     []cli.Flag{o.variantFlag(), o.setFlag(), o.jsonFlag()},
		Action:    func(c *cli.Context) error { return runArchShow(c.Context, o, c.Args().Slice()) },
	}, onCaches, "rkd arch show examples/mnist-unseen.yaml --variant rkd-da --set 'student.arch={preset: resnet8}'")
}

func runArchShow(ctx context.Context, o archOptions, args []string) error {
	file, err := one(args, "arch show", "CONFIG")
	if err != nil {
		return err
	}
	r, err := o.load(&o.console, file)
	if err != nil {
		return err
	}
	tasks, err := o.choose(r.Experiment)
	if err != nil {
		return err
	}
	students, err := r.Architectures(ctx, tasks)
	if err != nil {
		return err
	}
	if o.JSON {
		return o.printJSON(map[string]any{"students": students})
	}
	for i, s := range students {
		if i > 0 {
			o.printf("\n")
		}
		if err := printArchitecture(&o.console, s); err != nil {
			return err
		}
	}
	return nil
}

// printArchitecture prints a table with a row for each layer.
func printArchitecture(out *console, a pipeline.Architecture) error {
	out.printf("%s: samples of %s\n", strings.Join(a.Variants, ", "), sizes(a.Input))
	width := len("layer")
	for _, l := range a.Layers {
		width = max(width, len(layerName(l)))
	}
	w := out.table(tabwriter.AlignRight)
	fmt.Fprintf(w, "%-*s\toutput\tparameters\tmultiply-adds\t\n", width, "layer")
	for _, l := range a.Layers {
		fmt.Fprintf(w, "%-*s\t%s\t%d\t%d\t\n", width, layerName(l), sizes(l.Output), l.Parameters, l.MultiplyAdds)
	}
	fmt.Fprintf(w, "%-*s\t\t%d\t%d\t\n", width, "total", a.Parameters, a.MultiplyAdds)
	return w.Flush()
}

// layerName is a layer's name with its kind, which the names of a file's nodes need not tell.
func layerName(l arch.Summary) string {
	if strings.HasSuffix(l.Name, l.Kind) {
		return l.Name
	}
	return l.Name + " " + l.Kind
}

// sizes is a shape as people write it, 8×28×28.
func sizes(shape []int) string {
	text := make([]string, len(shape))
	for i, d := range shape {
		text[i] = strconv.Itoa(d)
	}
	return strings.Join(text, "×")
}
