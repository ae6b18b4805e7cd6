package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"rkd/pipeline"
	"rkd/pipeline/cache"
)

// cacheOptions are those of the commands on a cache.
type cacheOptions struct {
	console
	Rows int
}

func cacheCommand(out console) *cli.Command {
	return group("cache", "what a cache holds, and whether every byte of it is right",
		"rkd cache verify runs/mnist-unseen/cache",
		cacheInfoCommand(out), cacheVerifyCommand(out), cacheHeadCommand(out), cacheStatusCommand(out),
		cacheFinalizeCommand(out), cacheGCCommand(out), cacheReportCommand(out), cacheExportCommand(out),
		cacheImportCommand(out))
}

func cacheInfoCommand(out console) *cli.Command {
	o := cacheOptions{console: out}
	return command(cli.Command{
		Name:      "info",
		Usage:     "show what a cache holds and what it was made from",
		ArgsUsage: "DIR",
		Flags:     []cli.Flag{o.jsonFlag()},
		Action:    func(c *cli.Context) error { return runCacheInfo(c.Context, o, c.Args().Slice()) },
	}, onCaches, "rkd cache info runs/mnist-unseen/cache")
}

func runCacheInfo(ctx context.Context, o cacheOptions, args []string) error {
	found, err := openCache(ctx, args, "cache info")
	if err != nil {
		return err
	}
	m := found.Manifest()
	if o.JSON {
		return o.printJSON(m)
	}
	w := o.table(0)
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

func cacheVerifyCommand(out console) *cli.Command {
	o := cacheVerifyOptions{console: out}
	return command(cli.Command{
		Name:      "verify",
		Usage:     "read every byte of a cache and compare it with the manifest, and rows with the teacher",
		ArgsUsage: "DIR",
		Flags: []cli.Flag{
			&cli.IntFlag{
				Name: "teacher", Usage: "embed `N` random rows anew, with the configuration of the cache's plan, and compare",
				Destination: &o.Teacher,
			},
			&cli.Uint64Flag{Name: "seed", Usage: "chooses the rows; default another one each time", Destination: &o.Seed},
			o.setFlag(), o.providerFlag(), o.providerOptionFlag(), o.libraryFlag(), o.jsonFlag(), o.quietFlag(),
		},
		Action: func(c *cli.Context) error {
			if !c.IsSet("seed") {
				o.Seed = rand.Uint64()
			}
			if c.IsSet("teacher") && o.Teacher < 1 {
				return usage("--teacher", "--teacher is %d, expected 1 or more", o.Teacher)
			}
			return runCacheVerify(c.Context, o, c.Args().Slice())
		},
	}, onWriters, "rkd cache verify runs/mnist-unseen/cache",
		"rkd cache verify runs/mnist-unseen/cache --teacher 100")
}

// cacheVerifyOptions are those of `rkd cache verify`.
type cacheVerifyOptions struct {
	console
	experimentOptions
	Teacher int
	Seed    uint64
}

func runCacheVerify(ctx context.Context, o cacheVerifyOptions, args []string) error {
	dir, err := one(args, "cache verify", "DIR")
	if err != nil {
		return err
	}
	if err := cache.Verify(ctx, dir); err != nil {
		return err
	}
	found, err := cache.Open(ctx, dir)
	if err != nil {
		return err
	}
	m := found.Manifest()
	var check *pipeline.TeacherCheck
	if o.Teacher > 0 {
		r, err := o.loadPlan(ctx, &o.console, dir)
		if err != nil {
			return err
		}
		if check, err = r.CheckTeacher(ctx, o.Teacher, o.Seed); err != nil {
			return err
		}
	}
	if o.JSON {
		result := map[string]any{"ok": true, "rows": m.Rows, "shards": len(m.Shards)}
		if check != nil {
			result["teacher"] = check
		}
		return o.printJSON(result)
	}
	o.printf("%s: %d rows in %d shards, every byte as written\n", dir, m.Rows, len(m.Shards))
	if check != nil {
		o.printf("%d rows embedded anew (--seed %d): least cosine %.6f, mean %.6f, expected %g; the worst: %s\n", check.Rows,
			check.Seed, check.Least, check.Mean, check.Bound, check.Worst[0])
	}
	return nil
}

func cacheHeadCommand(out console) *cli.Command {
	o := cacheOptions{console: out}
	return command(cli.Command{
		Name:      "head",
		Usage:     "print the first rows of a cache",
		ArgsUsage: "DIR",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "rows", Aliases: []string{"n"}, Usage: "number of rows", Value: 10, Destination: &o.Rows},
			o.jsonFlag(),
		},
		Action: func(c *cli.Context) error { return runCacheHead(c.Context, o, c.Args().Slice()) },
	}, onCaches, "rkd cache head runs/mnist-unseen/cache -n 3")
}

func runCacheHead(ctx context.Context, o cacheOptions, args []string) error {
	if o.Rows < 1 {
		return usage("--rows", "--rows is %d, expected 1 or more", o.Rows)
	}
	found, err := openCache(ctx, args, "cache head")
	if err != nil {
		return err
	}
	table, err := found.Head(ctx, o.Rows)
	if err != nil {
		return err
	}
	return printRows(&o.console, table, found.Dim())
}

// openCache opens the cache that is a command's argument.
func openCache(ctx context.Context, args []string, command string) (*cache.Cache, error) {
	dir, err := one(args, command, "DIR")
	if err != nil {
		return nil, err
	}
	return cache.Open(ctx, dir)
}

// row is a row of a cache for machines.
type row struct {
	ID        int64     `json:"id"`
	View      int32     `json:"view"`
	Label     int32     `json:"label"`
	Embedding []float32 `json:"embedding"`
}

// printRows prints rows, one a line; people get the first few dimensions.
func printRows(out *console, t *cache.Table, dim int) error {
	if out.JSON {
		rows := []row{}
		for i, id := range t.IDs {
			rows = append(rows, row{ID: id, View: t.Views[i], Label: t.Labels[i], Embedding: t.Embeddings[i*dim : (i+1)*dim]})
		}
		return out.printJSON(rows)
	}
	const shown = 6
	w := out.table(tabwriter.AlignRight)
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
