package main

import (
	_ "embed" // the template
	"strings"

	"github.com/urfave/cli/v2"
)

// commandsTemplate lays out docs/commands.md and the man page.
//
//go:embed commands.md.tmpl
var commandsTemplate string

// docsCommand is hidden: `make docs` writes docs/commands.md and docs/rkd.1 with it.
func docsCommand(out console) *cli.Command {
	return command(cli.Command{
		Name:      "docs",
		Usage:     "print the command reference",
		ArgsUsage: "markdown | man",
		Hidden:    true,
		Action:    func(c *cli.Context) error { return runDocs(out, c.Args().Slice()) },
	}, onNothing, "rkd docs markdown")
}

func runDocs(out console, args []string) error {
	format, err := one(args, "docs", "markdown or man")
	if err != nil {
		return err
	}
	cli.MarkdownDocTemplate = commandsTemplate
	app := newApp(out)
	app.Setup()
	var text string
	switch format {
	case "markdown":
		text, err = app.ToMarkdown()
	case "man":
		text, err = app.ToManWithSection(1)
	default:
		return usage(format, "format is %q, expected markdown or man", format)
	}
	if err != nil {
		return err
	}
	out.printf("%s\n", strings.TrimSpace(text))
	return nil
}
