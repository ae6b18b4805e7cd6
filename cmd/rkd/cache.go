package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"rkd/pipeline/cache"
)

func cacheCommand() *cli.Command {
	return &cli.Command{
		Name:            "cache",
		Usage:           "what a cache holds, and whether every byte of it is right",
		Description:     "Example:\n   rkd cache verify runs/mnist-unseen/cache",
		HideHelpCommand: true,
		Subcommands:     []*cli.Command{cacheInfoCommand(), cacheVerifyCommand(), cacheHeadCommand()},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usageError{fmt.Errorf("unknown command \"cache %s\", expected info, verify or head", c.Args().First())}
			}
			return cli.ShowSubcommandHelp(c)
		},
	}
}

func cacheInfoCommand() *cli.Command {
	return command(cli.Command{
		Name:      "info",
		Usage:     "show what a cache holds and what it was made from",
		ArgsUsage: "DIR",
		Flags:     []cli.Flag{jsonFlag},
		Action: func(c *cli.Context) error {
			dir, err := argument(c, "DIR")
			if err != nil {
				return err
			}
			found, err := cache.Open(dir)
			if err != nil {
				return err
			}
			if c.Bool(jsonFlag.Name) {
				return printJSON(c, found.Manifest())
			}
			return printManifest(c, found.Manifest())
		},
	}, "rkd cache info runs/mnist-unseen/cache")
}

func printManifest(c *cli.Context, m cache.Manifest) error {
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	bytes := int64(0)
	for _, s := range m.Shards {
		bytes += s.Bytes
	}
	fmt.Fprintf(w, "rows\t%d\nskipped\t%d\ndimensions\t%d\nlogits\t%d\n", m.Rows, m.Skipped.Count, m.Dim, m.LogitsDim)
	fmt.Fprintf(w, "shards\t%d, %.1f MB\nkey\t%s\n", len(m.Shards), float64(bytes)/1e6, m.KeyHash)
	for _, field := range []struct {
		name  string
		value any
	}{
		{"model", m.Key.Model},
		{"output", m.Key.Output},
		{"logits", m.Key.Logits},
		{"preprocess", m.Key.Preprocess},
		{"normalize", m.Key.Normalize},
		{"views", m.Key.Views},
		{"view_policy", m.Key.ViewPolicy},
		{"view_seed", m.Key.ViewSeed},
		{"dtype", m.Key.DType},
		{"dataset", m.Key.Dataset},
	} {
		fmt.Fprintf(w, "  %s\t%v\n", field.name, field.value)
	}
	return w.Flush()
}

func cacheVerifyCommand() *cli.Command {
	return command(cli.Command{
		Name:      "verify",
		Usage:     "read every byte of a cache and hold it against the manifest",
		ArgsUsage: "DIR",
		Flags:     []cli.Flag{jsonFlag},
		Action: func(c *cli.Context) error {
			dir, err := argument(c, "DIR")
			if err != nil {
				return err
			}
			if err := cache.Verify(c.Context, dir); err != nil {
				return err
			}
			found, err := cache.Open(dir)
			if err != nil {
				return err
			}
			m := found.Manifest()
			if c.Bool(jsonFlag.Name) {
				return printJSON(c, map[string]any{"ok": true, "rows": m.Rows, "shards": len(m.Shards)})
			}
			fmt.Fprintf(c.App.Writer, "%s: %d rows in %d shards, every byte as written\n", dir, m.Rows, len(m.Shards))
			return nil
		},
	}, "rkd cache verify runs/mnist-unseen/cache")
}

func cacheHeadCommand() *cli.Command {
	rows := &cli.IntFlag{Name: "rows", Aliases: []string{"n"}, Usage: "number of rows", Value: 10}
	return command(cli.Command{
		Name:      "head",
		Usage:     "print the first rows of a cache",
		ArgsUsage: "DIR",
		Flags:     []cli.Flag{rows, jsonFlag},
		Action: func(c *cli.Context) error {
			dir, err := argument(c, "DIR")
			if err != nil {
				return err
			}
			n := c.Int(rows.Name)
			if n < 1 {
				return usageError{fmt.Errorf("--rows is %d, expected 1 or more", n)}
			}
			found, err := cache.Open(dir)
			if err != nil {
				return err
			}
			table, err := found.Head(c.Context, n)
			if err != nil {
				return err
			}
			return printTable(c, table, found.Dim())
		},
	}, "rkd cache head runs/mnist-unseen/cache -n 3")
}

// row is a row of a cache for machines.
type row struct {
	ID        int64     `json:"id"`
	View      int32     `json:"view"`
	Label     int32     `json:"label"`
	Embedding []float32 `json:"embedding"`
}

// printTable prints rows, one a line; people get the first few dimensions.
func printTable(c *cli.Context, t *cache.Table, dim int) error {
	if c.Bool(jsonFlag.Name) {
		rows := []row{}
		for i, id := range t.IDs {
			rows = append(rows, row{ID: id, View: t.Views[i], Label: t.Labels[i], Embedding: t.Embeddings[i*dim : (i+1)*dim]})
		}
		return printJSON(c, rows)
	}
	const shown = 6
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "id\tview\tlabel\tembedding\t")
	for i, id := range t.IDs {
		values := make([]string, 0, shown+1)
		for _, v := range t.Embeddings[i*dim : i*dim+min(shown, dim)] {
			values = append(values, fmt.Sprintf("%8.4f", v))
		}
		if dim > shown {
			values = append(values, "…")
		}
		fmt.Fprintf(w, "%d\t%d\t%d\t%s\t\n", id, t.Views[i], t.Labels[i], strings.Join(values, " "))
	}
	return w.Flush()
}
