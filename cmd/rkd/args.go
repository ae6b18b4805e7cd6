package main

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// flagsFirst moves the flags of a command line before its arguments, where the parser wants them, so that
// "rkd run CONFIG --json" works too. "--" ends the flags. A shell's request for completions is left alone: its last
// word is the flag that asks for them.
func flagsFirst(app *cli.App, args []string) []string {
	if len(args) == 0 || args[len(args)-1] == "--"+cli.BashCompletionFlag.Names()[0] {
		return args
	}
	ordered := []string{args[0]}
	commands, flags := app.Commands, app.Flags
	rest := args[1:]
	// Commands come first and keep their place; so do flags before them.
	for len(rest) > 0 {
		c := find(commands, rest[0])
		if c == nil {
			break
		}
		ordered = append(ordered, rest[0])
		commands, flags, rest = c.Subcommands, c.Flags, rest[1:]
	}
	if len(commands) > 0 && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		return append(ordered, rest[0]) // an unknown command, so its flags are unknown
	}
	var named, positional []string
	for len(rest) > 0 {
		arg := rest[0]
		rest = rest[1:]
		if arg == "--" {
			positional = append(append(positional, "--"), rest...)
			break
		}
		if len(arg) < 2 || arg[0] != '-' {
			positional = append(positional, arg)
			continue
		}
		named = append(named, arg)
		if !strings.Contains(arg, "=") && takesValue(flags, strings.TrimLeft(arg, "-")) && len(rest) > 0 {
			named = append(named, rest[0])
			rest = rest[1:]
		}
	}
	return append(append(ordered, named...), positional...)
}

func find(commands []*cli.Command, name string) *cli.Command {
	for _, c := range commands {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}

func takesValue(flags []cli.Flag, name string) bool {
	for _, f := range flags {
		for _, n := range f.Names() {
			if n == name {
				value, ok := f.(cli.DocGenerationFlag)
				return ok && value.TakesValue()
			}
		}
	}
	return false
}
