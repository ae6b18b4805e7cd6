package main

import (
	"context"
	"io"

	"github.com/google/renameio/v2"
	"github.com/urfave/cli/v2"

	"rkd/pipeline"
)

// cacheReportOptions are those of `rkd cache report`.
type cacheReportOptions struct {
	console
	Out  string
	Rows int
	Seed uint64
}

func cacheReportCommand(out console) *cli.Command {
	o := cacheReportOptions{console: out}
	return command(cli.Command{
		Name:      "report",
		Usage:     "say what the teacher knows of its data, before anyone trains",
		ArgsUsage: "DIR",
		Flags: []cli.Flag{
			&cli.StringFlag{
				Name: "out", Aliases: []string{"o"}, Usage: "`FILE` for the page, HTML with plots; default Markdown on stdout",
				Destination: &o.Out,
			},
			&cli.IntFlag{
				Name: "rows", Aliases: []string{"n"}, Usage: "number of samples that figures are of", Value: 5000,
				Destination: &o.Rows,
			},
			&cli.Uint64Flag{Name: "seed", Usage: "chooses them", Value: 1, Destination: &o.Seed},
			o.jsonFlag(),
		},
		Action: func(c *cli.Context) error { return runCacheReport(c.Context, o, c.Args().Slice()) },
	}, onCaches, "rkd cache report runs/mnist-unseen/cache -o teacher.html")
}

func runCacheReport(ctx context.Context, o cacheReportOptions, args []string) error {
	dir, err := one(args, "cache report", "DIR")
	if err != nil {
		return err
	}
	if o.Rows < 3 {
		return usage("--rows", "--rows is %d, expected 3 or more", o.Rows)
	}
	r, err := pipeline.ReportCache(ctx, dir, o.Rows, o.Seed)
	if err != nil {
		return err
	}
	if o.Out != "" {
		if err := writeFile(o.Out, r.HTML); err != nil {
			return err
		}
	}
	switch {
	case o.JSON:
		return o.printJSON(r)
	case o.Out == "":
		return r.Markdown(o.stdout)
	}
	o.printf("%s: %d samples of %d classes, %.1f effective dimensions of %d\n", o.Out, r.Sampled, r.Classes,
		r.Participation,
		r.Dim)
	return nil
}

// writeFile writes a file whole or not at all.
func writeFile(path string, write func(io.Writer) error) error {
	f, err := renameio.NewPendingFile(path, renameio.WithPermissions(0o644))
	if err != nil {
		return err
	}
	defer func() { _ = f.Cleanup() }() // without effect once the file has its name
	if err := write(f); err != nil {
		return err
	}
	return f.CloseAtomicallyReplace()
}
