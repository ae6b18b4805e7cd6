package main

import (
	_ "embed" // the scripts
	"strings"

	"github.com/urfave/cli/v2"
)

// The scripts ask the program for candidates, so they know every command and flag of the version that is installed.
var (
	//go:embed completion/rkd.bash
	bashCompletion string
	//go:embed completion/rkd.zsh
	zshCompletion string
)

func completionCommand(out console) *cli.Command {
	return command(cli.Command{
		Name:      "completion",
		Usage:     "print a completion script for a shell",
		ArgsUsage: "bash | zsh | fish",
		Action:    func(c *cli.Context) error { return runCompletion(out, c.Args().Slice()) },
	}, onNothing, "source <(rkd completion bash)", "source <(rkd completion zsh)", "rkd completion fish | source")
}

func runCompletion(out console, args []string) error {
	shell, err := one(args, "completion", "bash, zsh or fish")
	if err != nil {
		return err
	}
	switch shell {
	case "bash":
		out.printf("%s", bashCompletion)
	case "zsh":
		out.printf("%s", zshCompletion)
	case "fish":
		app := newApp(out)
		app.Setup()
		script, err := app.ToFishCompletion()
		if err != nil {
			return err
		}
		out.printf("%s\n", strings.TrimRight(script, "\n"))
	default:
		return usage(shell, "shell is %q, expected bash, zsh or fish", shell)
	}
	return nil
}
