package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"rkd/pipeline"
)

// dataOptions are those of the commands on data.
type dataOptions struct {
	console
	experimentOptions
	Sheet string
	All   bool
}

func dataCommand(out console) *cli.Command {
	return group("data", "what an experiment's data are", "rkd data info examples/sample.yaml", dataInfoCommand(out))
}

func dataInfoCommand(out console) *cli.Command {
	o := dataOptions{console: out}
	return command(cli.Command{
		Name: "info",
		Usage: "count files, samples, classes and sizes, and find copies: of one picture in two classes, of test pictures " +
			"in the training data",
		ArgsUsage: "CONFIG",
		Flags: []cli.Flag{
			&cli.StringFlag{
				Name: "sheet", Usage: "write a contact sheet of the training pictures, classes in turn, to `FILE`.png",
				Destination: &o.Sheet,
			},
			&cli.BoolFlag{
				Name: "all", Usage: "list all classes and copies, not the first ten", DisableDefaultText: true, Destination: &o.All,
			},
			o.setFlag(), o.jsonFlag(), o.quietFlag(),
		},
		Action: func(c *cli.Context) error { return runDataInfo(c.Context, o, c.Args().Slice()) },
	}, onCaches, "rkd data info examples/sample.yaml --sheet sheet.png")
}

func runDataInfo(ctx context.Context, o dataOptions, args []string) error {
	file, err := one(args, "data info", "CONFIG")
	if err != nil {
		return err
	}
	r, err := o.load(&o.console, file)
	if err != nil {
		return err
	}
	info, err := r.DataInfo(ctx, o.Sheet)
	if err != nil {
		return err
	}
	if o.JSON {
		return o.printJSON(info)
	}
	o.printPart("training data", info.Train)
	if info.Test != nil {
		o.printf("\n")
		o.printPart("test data", info.Test)
	}
	if len(info.Leaks) > 0 {
		o.printf("\ntest samples that are in the training data, too: %d\n", len(info.Leaks))
		o.printCopies(info.Leaks)
	}
	if info.Sheet != "" {
		o.printf("\ncontact sheet: %s\n", info.Sheet)
	}
	return nil
}

// few is the number of lines of a list that is not asked for in full.
const few = 10

func (o *dataOptions) printPart(title string, p *pipeline.PartInfo) {
	o.printf("%s: %s\n%d files and rows: %s\n%d samples of %d classes", title, p.Name, p.Ledger.Found, p.Ledger, p.Samples,
		len(p.Classes))
	if p.Unlabelled > 0 {
		o.printf(", %d without a label", p.Unlabelled)
	}
	o.printf("\n")
	w := o.table(0)
	for i, c := range p.Classes {
		if i == few && !o.All {
			fmt.Fprintf(w, "  … and %d more: --all lists them\n", len(p.Classes)-few)
			break
		}
		fmt.Fprintf(w, "  %s\t%d\n", c.Name, c.Samples)
	}
	_ = w.Flush() // checkedWriter keeps the error
	o.printf("sizes as stored:\n")
	for i, size := range p.ByCount() {
		if i == few && !o.All {
			o.printf("  … and %d more\n", len(p.Sizes)-few)
			break
		}
		o.printf("  %s: %d\n", size, p.Sizes[size])
	}
	for i, u := range p.Undecodable {
		if i == few && !o.All {
			o.printf("  … and %d more\n", len(p.Undecodable)-few)
			break
		}
		o.printf("does not decode: %s\n", u.Reason)
	}
	if n := len(p.Copies); n > 0 {
		o.printf("contents that occur more than once: %d\n", n)
	}
	if c := p.Contradictions(); len(c) > 0 {
		o.printf("of these in several classes: %d\n", len(c))
		o.printCopies(c)
	}
}

func (o *dataOptions) printCopies(copies []pipeline.Copies) {
	for i, c := range copies {
		if i == few && !o.All {
			o.printf("  … and %d more\n", len(copies)-few)
			return
		}
		o.printf("  %s (classes %s)\n", strings.Join(c.Paths, " = "), strings.Join(c.Classes, ", "))
	}
}
