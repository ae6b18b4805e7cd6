package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"rkd/pipeline"
	"rkd/pipeline/config"
)

// run is the program: it parses args, runs a command and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	app := newApp(stdout, stderr)
	err := app.RunContext(ctx, flagsFirst(app, args))
	if err == nil {
		return exitDone
	}
	code := exitCode(ctx, err)
	fmt.Fprintf(stderr, "rkd: %v\n", oneLine(err))
	if code == exitUsage {
		fmt.Fprintln(stderr, "See 'rkd --help', or 'rkd COMMAND --help'.")
	}
	return code
}

func newApp(stdout, stderr io.Writer) *cli.App {
	return &cli.App{
		Name:  "rkd",
		Usage: "a big frozen embedding model in, a small good one out",
		Description: "rkd runs a teacher (any ONNX file) over a data set once, caches its embeddings, trains a small student\n" +
			"against the cache with relational knowledge distillation and exports it to ONNX.\n\n" + exitCodesHelp,
		Version:                   version,
		Writer:                    stdout,
		ErrWriter:                 stderr,
		HideHelpCommand:           true,
		DisableSliceFlagSeparator: true, // --set seeds=[1,2,3] is one value
		EnableBashCompletion:      true,
		Suggest:                   true,
		Commands: []*cli.Command{
			runCommand(), precomputeCommand(), distillCommand(), exportCommand(), evalCommand(), compareCommand(), cacheCommand(),
			archCommand(), doctorCommand(),
		},
		// Errors are told and turned into exit codes by run.
		ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError:   func(_ *cli.Context, err error, _ bool) error { return usageError{err} },
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usageError{fmt.Errorf("unknown command %q", c.Args().First())}
			}
			return cli.ShowAppHelp(c)
		},
	}
}

// usageError marks a mistake in the command line.
type usageError struct{ error }

// Unwrap returns the mistake.
func (e usageError) Unwrap() error { return e.error }

// Flags that several commands have.
var (
	setFlag = &cli.StringSliceFlag{
		Name: "set", Usage: "replace the value of a configuration key, e.g. --set student.embedding_dim=64", KeepSpace: true,
	}
	libraryFlag = &cli.StringFlag{
		Name: "onnxruntime-lib", Usage: "`PATH` of ONNX Runtime's library (else $ONNXRUNTIME_LIB, the cache folder, the system's)",
	}
	engineFlag   = &cli.StringFlag{Name: "engine", Usage: "what trains students: onnxruntime or gorgonia; short for --set engine.kind"}
	providerFlag = &cli.StringFlag{
		Name: "provider", Usage: "execution provider of teacher and students, e.g. cpu, cuda, tensorrt, coreml (rkd doctor lists them)",
	}
	providerOptionFlag = &cli.StringSliceFlag{Name: "provider-option", Usage: "`KEY=VALUE` of the provider, by the runtime's names"}

	jsonFlag  = &cli.BoolFlag{Name: "json", Usage: "print the result as JSON"}
	quietFlag = &cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "no progress on stderr"}
)

// command fills in what all commands share.
func command(c cli.Command, example string) *cli.Command {
	c.Description = "Example:\n   " + example
	c.OnUsageError = func(_ *cli.Context, err error, _ bool) error { return usageError{err} }
	return &c
}

// argument returns a command's only argument.
func argument(c *cli.Context, what string) (string, error) {
	if c.NArg() != 1 {
		return "", usageError{fmt.Errorf("%s takes one argument, %s, but got %d", c.Command.FullName(), what, c.NArg())}
	}
	return c.Args().First(), nil
}

// newRunner makes the runner of a command on an experiment.
func newRunner(c *cli.Context, e *config.Experiment) (*pipeline.Runner, error) {
	cacheDir, err := pipeline.CacheDir()
	if err != nil {
		return nil, err
	}
	return &pipeline.Runner{
		Experiment: e, Library: c.String(libraryFlag.Name), CacheDir: cacheDir, Version: version,
		Progress: newProgress(c.App.ErrWriter, c.Bool(quietFlag.Name)),
	}, nil
}

// loadRunner reads the configuration that is a command's argument and makes its runner.
func loadRunner(c *cli.Context) (*pipeline.Runner, error) {
	file, err := argument(c, "CONFIG")
	if err != nil {
		return nil, err
	}
	e, err := config.Load(file, overrides(c))
	if err != nil {
		return nil, err
	}
	return newRunner(c, e)
}

// overrides lists the configuration keys that the command line replaces: those of --set, and those that flags are short for.
func overrides(c *cli.Context) []string {
	list := c.StringSlice(setFlag.Name)
	if kind := c.String(engineFlag.Name); kind != "" {
		list = append(list, "engine.kind="+kind)
	}
	for _, section := range []string{"teacher", "engine"} {
		if name := c.String(providerFlag.Name); name != "" {
			list = append(list, section+".provider="+name)
		}
		for _, option := range c.StringSlice(providerOptionFlag.Name) {
			list = append(list, section+".provider_options."+option)
		}
	}
	return list
}

// printJSON prints a result for machines.
func printJSON(c *cli.Context, v any) error {
	encoder := json.NewEncoder(c.App.Writer)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}
