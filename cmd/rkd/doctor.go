package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"rkd/pipeline"
)

func doctorCommand() *cli.Command {
	return command(cli.Command{
		Name:  "doctor",
		Usage: "show what is installed: ONNX Runtime's library and version, providers, CPU features",
		Flags: []cli.Flag{libraryFlag, jsonFlag},
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return usageError{fmt.Errorf("doctor takes no argument, but got %q", c.Args().First())}
			}
			dir, err := pipeline.CacheDir()
			if err != nil {
				return err
			}
			health, problem := pipeline.Doctor(c.Context, c.String(libraryFlag.Name), dir, version)
			if c.Bool(jsonFlag.Name) {
				if err := printJSON(c, health); err != nil {
					return err
				}
				return problem
			}
			w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
			line := func(name, value string) { fmt.Fprintf(w, "%s\t%s\n", name, value) }
			line("rkd", health.Version+" on "+health.Platform)
			line("cpu", fmt.Sprintf("%d cores, %s", health.Cores, strings.Join(health.CPU, " ")))
			line("cache folder", health.CacheDir)
			if problem == nil {
				line("onnxruntime", health.LibraryVersion+" in "+health.Library)
				line("providers", strings.Join(health.Providers, " "))
			} else {
				line("onnxruntime", "not usable")
			}
			line("mnist", map[bool]string{true: "there", false: "not there: run 'make setup'"}[health.MNIST])
			if err := w.Flush(); err != nil {
				return err
			}
			return problem
		},
	}, "rkd doctor --json")
}
