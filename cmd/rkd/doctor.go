package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"rkd/pipeline"
)

// doctorOptions are those of `rkd doctor`.
type doctorOptions struct {
	console
	experimentOptions
}

func doctorCommand(out console) *cli.Command {
	o := doctorOptions{console: out}
	return command(cli.Command{
		Name: "doctor",
		Usage: "show what is installed: ONNX Runtime's library and version, providers, CPU features; or what CONFIG " +
			"needs",
		ArgsUsage: "[CONFIG]",
		Flags:     []cli.Flag{o.setFlag(), o.libraryFlag(), o.jsonFlag()},
		Action: func(c *cli.Context) error {
			return runDoctor(c.Context, o, c.Args().Slice())
		},
	}, onStages, "rkd doctor --json", "rkd doctor examples/sample.yaml")
}

func runDoctor(ctx context.Context, o doctorOptions, args []string) error {
	if len(args) > 1 {
		return usage("CONFIG", "doctor takes one argument, CONFIG, or none, but got %d", len(args))
	}
	if len(args) == 1 {
		return runCheckup(ctx, o, args[0])
	}
	dir, err := pipeline.CacheDir()
	if err != nil {
		return err
	}
	health, problem := pipeline.Machine{Library: o.Library, CacheDir: dir, Version: version}.Doctor(ctx)
	if o.JSON {
		if err := o.printJSON(health); err != nil {
			return err
		}
		return problem
	}
	w := o.table(0)
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
}

// runCheckup prints what an experiment needs and whether it is there.
func runCheckup(ctx context.Context, o doctorOptions, file string) error {
	o.Quiet = true
	r, err := o.load(&o.console, file)
	if err != nil {
		return err
	}
	checks, problem := r.Checkup(ctx)
	if o.JSON {
		return errors.Join(o.printJSON(checks), problem)
	}
	w := o.table(0)
	for _, c := range checks {
		fmt.Fprintf(w, "%s\t%s\t%s\n", map[bool]string{true: "ok", false: "FAULT"}[c.OK], c.Name, c.Text)
	}
	return errors.Join(w.Flush(), problem)
}
