package main

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"rkd/pipeline"
	"rkd/student/arch"
)

func archCommand() *cli.Command {
	return &cli.Command{
		Name:            "arch",
		Usage:           "what a configuration's student is made of",
		Description:     "Example:\n   rkd arch show examples/mnist-unseen.yaml",
		HideHelpCommand: true,
		Subcommands:     []*cli.Command{archShowCommand()},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usageError{fmt.Errorf("unknown command \"arch %s\", expected show", c.Args().First())}
			}
			return cli.ShowSubcommandHelp(c)
		},
	}
}

func archShowCommand() *cli.Command {
	return command(cli.Command{
		Name:      "show",
		Usage:     "list a student's layers with shapes, parameters and multiply-adds for one sample",
		ArgsUsage: "CONFIG",
		Flags:     []cli.Flag{variantFlag, setFlag, jsonFlag},
		Action: func(c *cli.Context) error {
			r, err := loadRunner(c)
			if err != nil {
				return err
			}
			tasks, err := chooseTasks(c, r.Experiment)
			if err != nil {
				return err
			}
			students, err := r.Architectures(c.Context, tasks)
			if err != nil {
				return err
			}
			if c.Bool(jsonFlag.Name) {
				return printJSON(c, map[string]any{"students": students})
			}
			for i, s := range students {
				if i > 0 {
					fmt.Fprintln(c.App.Writer)
				}
				if err := printArchitecture(c, s); err != nil {
					return err
				}
			}
			return nil
		},
	}, "rkd arch show examples/mnist-unseen.yaml --variant rkd-da --set 'student.arch={preset: resnet8}'")
}

// printArchitecture prints a table with a row for each layer.
func printArchitecture(c *cli.Context, a pipeline.Architecture) error {
	fmt.Fprintf(c.App.Writer, "%s: samples of %s\n", strings.Join(a.Variants, ", "), sizes(a.Input))
	width := len("layer")
	for _, l := range a.Layers {
		width = max(width, len(layerName(l)))
	}
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', tabwriter.AlignRight)
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
