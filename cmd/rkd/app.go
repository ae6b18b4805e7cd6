package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/urfave/cli/v2"

	"rkd/datasets/fault"
)

// run is the program: it parses args, runs a command and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (code int) {
	// A fault of the program, or memory that there is not, is told as all else that goes wrong.
	defer func() {
		if err := fault.Recovered(recover()); err != nil {
			f := newFailure(ctx, err)
			f.print(stderr, wantsJSON(args))
			code = f.Code
		}
	}()
	results, at := &checkedWriter{w: stdout}, &position{}
	app := newApp(console{stdout: results, stderr: stderr, at: at})
	err := keepCopies()
	if err == nil {
		err = app.RunContext(ctx, flagsFirst(app, args))
	}
	if err == nil {
		err = results.err
	}
	if err == nil {
		return exitDone
	}
	f := newFailure(ctx, err)
	if f.Code == exitInterrupted {
		f.Message, f.Hint = stopped(err, *at)
	}
	f.print(stderr, wantsJSON(args))
	return f.Code
}

// wantsJSON says whether --json is among args, which may be wrong otherwise.
func wantsJSON(args []string) bool {
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	return slices.ContainsFunc(args, func(arg string) bool {
		return slices.Contains([]string{"--json", "-json", "--json=true", "-json=true"}, arg)
	})
}

func newApp(out console) *cli.App {
	return &cli.App{
		Name:  "rkd",
		Usage: "a big frozen embedding model in, a small good one out",
		Description: "rkd runs a teacher (any ONNX file) over a data set once, caches its embeddings, trains a small " +
			"student\n" +
			"against the cache with relational knowledge distillation and exports it to ONNX.\n\n" +
			"Results go to stdout, progress and errors to stderr. With --json an error is one line of JSON, the last on " +
			"stderr,\n" +
			"with the fields code (the exit code), message and, where they are known, field and hint.\n\n" + exitCodesHelp(),
		Version:                   version,
		Writer:                    out.stdout,
		ErrWriter:                 out.stderr,
		HideHelpCommand:           true,
		Flags:                     []cli.Flag{cli.HelpFlag},
		DisableSliceFlagSeparator: true, // --set seeds=[1,2,3] is one value
		EnableBashCompletion:      true,
		Commands: []*cli.Command{
			initCommand(out), inspectCommand(out), runCommand(out), precomputeCommand(out), distillCommand(out),
			exportCommand(out), evalCommand(out), reportCommand(out), compareCommand(out), embedCommand(out), searchCommand(out),
			planCommand(out), cacheCommand(out), dataCommand(out), batchCommand(out), archCommand(out), doctorCommand(out),
			completionCommand(out),
			versionCommand(out), helpCommand(out),
			docsCommand(out),
		},
		// Errors are told and turned into exit codes by run.
		ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError:   wrongFlag,
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return unknownCommand("rkd", c.App.Commands, c.Args().First())
			}
			return cli.ShowAppHelp(c)
		},
	}
}

// command fills in what all commands share: their help has examples and the exit codes that they can end with.
func command(c cli.Command, exits []int, examples ...string) *cli.Command {
	c.Description = "Example:\n\n    " + strings.Join(examples, "\n    ") + "\n\n" + exitCodesHelp(exits...)
	if len(examples) > 1 {
		c.Description = strings.Replace(c.Description, "Example:", "Examples:", 1)
	}
	c.OnUsageError = wrongFlag
	return &c
}

// Exit codes that several commands have.
var (
	onCaches = []int{exitDone, exitFailed, exitUsage, exitInput, exitFull, exitInterrupted}
	onStages = []int{exitDone, exitFailed, exitUsage, exitInput, exitMismatch, exitUnequipped, exitFull, exitInterrupted}
	// onWriters adds what can happen to a command that fills a cache.
	onWriters = []int{
		exitDone, exitFailed, exitUsage, exitInput, exitMismatch, exitPartial, exitUnequipped, exitFull, exitInterrupted,
	}
	// onJobs adds jobs that do not end well.
	onJobs = onWriters
	// onFolders adds what can happen to a command that writes into a run directory; onRuns is both.
	onFolders = []int{
		exitDone, exitFailed, exitUsage, exitInput, exitMismatch, exitHeld, exitUnequipped, exitFull, exitInterrupted,
	}
	onRuns = []int{
		exitDone, exitFailed, exitUsage, exitInput, exitMismatch, exitPartial, exitHeld, exitUnequipped, exitFull,
		exitInterrupted,
	}
	onNothing = []int{exitDone, exitFailed, exitUsage, exitFull}
)

// group is a command that is made of others.
func group(name, usage, example string, commands ...*cli.Command) *cli.Command {
	for _, c := range commands {
		c.HelpName = "rkd " + name + " " + c.Name
	}
	g := command(cli.Command{
		Name:            name,
		Usage:           usage,
		HideHelpCommand: true,
		Subcommands:     commands,
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return unknownCommand("rkd "+name, commands, c.Args().First())
			}
			return cli.ShowSubcommandHelp(c)
		},
	}, onNothing, example)
	return g
}

// unknownCommand says that a name is none of commands, and which of them it may have meant.
func unknownCommand(parent string, commands []*cli.Command, name string) error {
	e := &usageError{
		message: fmt.Sprintf("unknown command %q", strings.TrimPrefix(parent+" "+name, "rkd ")), field: name,
		hint: fmt.Sprintf("'%s --help' lists the commands", parent),
	}
	visible := slices.DeleteFunc(slices.Clone(commands), func(c *cli.Command) bool { return c.Hidden })
	if meant := cli.SuggestCommand(visible, name); alike(name, strings.Split(meant+`""`, `"`)[1]) {
		e.hint = meant + " " + e.hint
	}
	return e
}

// wrongFlag turns the parser's complaint into a sentence with the flag that may have been meant.
func wrongFlag(c *cli.Context, err error, _ bool) error {
	e := &usageError{message: err.Error()}
	flags, name := c.App.Flags, "rkd"
	if c.Command != nil && c.Command.Name != "rkd" {
		flags, name = c.Command.Flags, c.Command.HelpName
	}
	e.hint = fmt.Sprintf("'%s --help' lists the flags", name)
	if given, ok := strings.CutPrefix(e.message, "flag provided but not defined: -"); ok {
		e.message, e.field = fmt.Sprintf("unknown flag %q", "--"+given), "--"+given
		if meant := cli.SuggestFlag(flags, given, false); alike(given, meant) {
			e.hint = fmt.Sprintf("Did you mean %q? ", meant) + e.hint
		}
	}
	return e
}

// alike says whether a name may be a misspelt form of another: at most half of its letters are wrong.
func alike(name, other string) bool {
	other = strings.TrimLeft(other, "-")
	return other != "" && levenshtein.ComputeDistance(name, other) <= (len(name)+1)/2
}
