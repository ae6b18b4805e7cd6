package main

import (
	"context"

	"github.com/urfave/cli/v2"
)

func helpCommand(out console) *cli.Command {
	return command(cli.Command{
		Name:      "help",
		Usage:     "explain a command: its flags, an example and its exit codes",
		ArgsUsage: "[COMMAND…]",
		Action:    func(c *cli.Context) error { return runHelp(c.Context, out, c.Args().Slice()) },
	}, onNothing, "rkd help distill", "rkd help cache info")
}

// runHelp is the named command with --help.
func runHelp(ctx context.Context, out console, args []string) error {
	app := newApp(out)
	parent, commands := "rkd", app.Commands
	for _, name := range args {
		c := find(commands, name)
		if c == nil {
			return unknownCommand(parent, commands, name)
		}
		parent, commands = parent+" "+name, c.Subcommands
	}
	return app.RunContext(ctx, append(append([]string{app.Name}, args...), "--help"))
}
