package main

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/google/renameio/v2"
	"github.com/urfave/cli/v2"

	"rkd/pipeline/storage"
)

// Formats of a report.
const (
	formatHTML     = "html"
	formatMarkdown = "md"
	formatCSV      = "csv"
)

// reportOptions are those of `rkd report`.
type reportOptions struct {
	console
	experimentOptions
	Format, Out string
	TensorBoard bool
}

func reportCommand(out console) *cli.Command {
	o := reportOptions{console: out}
	return command(cli.Command{
		Name:      "report",
		Usage:     "show a run: figures, verdicts, curves, neighbours, distances and projections, as one HTML file",
		ArgsUsage: "RUN",
		Flags: []cli.Flag{
			&cli.StringFlag{
				Name: "format",
				Usage: "`FORMAT`: html, one file that needs no network; md, for a pull request; csv, the figures of all " +
					"epochs",
				Value:       formatHTML,
				Destination: &o.Format,
			},
			&cli.StringFlag{
				Name: "out", Aliases: []string{"o"},
				Usage:       "`FILE` to write, or a URL (default: RUN/report.html; md and csv go to stdout)",
				Destination: &o.Out,
			},
			&cli.BoolFlag{
				Name: "tensorboard", Usage: "write TensorBoard event files beside each metrics.jsonl instead",
				DisableDefaultText: true, Destination: &o.TensorBoard,
			},
			o.libraryFlag(), o.jsonFlag(), o.quietFlag(),
		},
		Action: func(c *cli.Context) error { return runReport(c.Context, o, c.Args().Slice()) },
	}, onStages, "rkd report runs/mnist-unseen", "rkd report runs/mnist-unseen --format md",
		"rkd report runs/mnist-unseen --tensorboard")
}

func runReport(ctx context.Context, o reportOptions, args []string) error {
	dir, err := one(args, "report", "RUN")
	if err != nil {
		return err
	}
	m, err := o.machine(&o.console)
	if err != nil {
		return err
	}
	if o.TensorBoard {
		files, err := m.WriteTensorBoard(ctx, dir)
		if o.JSON && err == nil {
			return o.printJSON(map[string]any{"files": files})
		}
		for _, file := range files {
			o.printf("%s\n", file)
		}
		return err
	}
	switch o.Format {
	case formatCSV:
		return o.write(ctx, o.Out, func(w io.Writer) error { return m.WriteCSV(ctx, dir, w) })
	case formatHTML, formatMarkdown:
	default:
		return usage("--format", "--format is %q, expected html, md or csv", o.Format)
	}
	page, err := m.Report(ctx, dir)
	if err != nil {
		return err
	}
	if o.Format == formatMarkdown {
		return o.write(ctx, o.Out, page.Markdown)
	}
	if o.Out == "" {
		o.Out = storage.Join(dir, "report.html")
	}
	return o.write(ctx, o.Out, page.HTML)
}

// write writes to a file, which gets its name when it is whole, in a bucket too, or to stdout where none is named.
func (o *reportOptions) write(ctx context.Context, file string, to func(io.Writer) error) error {
	if file == "" && o.JSON {
		var text bytes.Buffer
		if err := to(&text); err != nil {
			return err
		}
		return o.printJSON(map[string]string{"format": o.Format, "text": text.String()})
	}
	if file == "" {
		return to(o.stdout)
	}
	if storage.IsRemote(file) {
		folder, name := storage.Split(file)
		if err := storage.At(folder).Replace(ctx, name, to); err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
		return o.written(file)
	}
	f, err := renameio.NewPendingFile(file, renameio.WithPermissions(0o644))
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	defer func() { _ = f.Cleanup() }() // gone already when it has been replaced
	if err := to(f); err != nil {
		return err
	}
	if err := f.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return o.written(file)
}

// written says which file was written.
func (o *reportOptions) written(file string) error {
	if o.JSON {
		return o.printJSON(map[string]string{"file": file})
	}
	o.printf("%s\n", file)
	return nil
}
