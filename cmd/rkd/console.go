package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/urfave/cli/v2"
)

// console is a command's output: results on stdout, progress on stderr.
type console struct {
	stdout, stderr io.Writer
	at             *position // of the last stage
	JSON, Quiet    bool
}

func (c *console) jsonFlag() cli.Flag {
	return &cli.BoolFlag{
		Name: "json", Usage: "print the result, and an error, as JSON", DisableDefaultText: true,
		Destination: &c.JSON,
	}
}

func (c *console) quietFlag() cli.Flag {
	return &cli.BoolFlag{
		Name: "quiet", Aliases: []string{"q"}, Usage: "no progress on stderr", DisableDefaultText: true,
		Destination: &c.Quiet,
	}
}

// printJSON prints a result for machines.
func (c *console) printJSON(v any) error {
	encoder := json.NewEncoder(c.stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// printf prints a line of a result.
func (c *console) printf(format string, args ...any) { fmt.Fprintf(c.stdout, format, args...) }

// table aligns columns: align is 0 for text, tabwriter.AlignRight for numbers.
func (c *console) table(align uint) *tabwriter.Writer {
	return tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', align)
}

// checkedWriter remembers the first error of the writer below it: commands print through packages that drop such
// errors, and a result that could not be written must not end with exit code 0.
type checkedWriter struct {
	w   io.Writer
	err error
}

// Write writes to the writer below.
func (c *checkedWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	if err != nil && c.err == nil {
		c.err = fmt.Errorf("writing the result to stdout: %w", err)
	}
	return n, err
}
