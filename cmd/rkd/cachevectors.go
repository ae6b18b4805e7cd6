package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"rkd/pipeline"
	"rkd/pipeline/exchange"
)

// exportOptions are those of `rkd cache export`.
type cacheExportOptions struct {
	console
	Format, Out string
}

func cacheExportCommand(out console) *cli.Command {
	o := cacheExportOptions{console: out}
	return command(cli.Command{
		Name:      "export",
		Usage:     "write the rows of a cache for other programs, as float32",
		ArgsUsage: "DIR",
		Flags: []cli.Flag{
			&cli.StringFlag{
				Name: "format", Usage: "`FORMAT`: npy, a folder of clip-retrieval's layout; csv or parquet, one table",
				Value: pipeline.ExportParquet, Destination: &o.Format,
			},
			&cli.StringFlag{
				Name: "out", Aliases: []string{"o"}, Usage: "`PATH` of the file or folder; default stdout",
				Destination: &o.Out,
			},
			o.jsonFlag(),
		},
		Action: func(c *cli.Context) error { return runCacheExport(c.Context, o, c.Args().Slice()) },
	}, onWriters, "rkd cache export runs/mnist-unseen/cache --format npy -o embeddings")
}

func runCacheExport(ctx context.Context, o cacheExportOptions, args []string) error {
	dir, err := one(args, "cache export", "DIR")
	if err != nil {
		return err
	}
	switch o.Format {
	case pipeline.ExportNPY, pipeline.ExportCSV, pipeline.ExportParquet:
	default:
		return usage("--format", "--format is %q, expected npy, csv or parquet", o.Format)
	}
	if o.Format == pipeline.ExportNPY && o.Out == "" {
		return usage("--out", "--format npy writes a folder: name it with --out")
	}
	rows, err := pipeline.ExportCache(ctx, dir, o.Format, o.Out, o.stdout)
	switch {
	case err != nil || o.Out == "":
		return err
	case o.JSON:
		return o.printJSON(map[string]any{"rows": rows, "format": o.Format, "out": o.Out})
	}
	o.printf("%s: %d rows\n", o.Out, rows)
	return nil
}

// cacheImportOptions are those of `rkd cache import`.
type cacheImportOptions struct {
	console
	experimentOptions
	Names string
	pipeline.ImportOptions
}

func cacheImportCommand(out console) *cli.Command {
	o := cacheImportOptions{console: out}
	return command(cli.Command{
		Name:      "import",
		Usage:     "fill the cache of a declared teacher with vectors that something else made",
		ArgsUsage: "CONFIG VECTORS",
		Flags: []cli.Flag{
			&cli.StringFlag{
				Name: "names", Usage: "`FILE` that says what the rows of a matrix are of: a path or an id a line, or Parquet",
				Destination: &o.Names,
			},
			&cli.StringFlag{
				Name: "by", Usage: "vectors belong to samples by `path` or id; default path where they have some",
				Destination: &o.By,
			},
			&cli.StringFlag{
				Name: "teacher", Usage: "`NAME` of the teacher that the vectors are of, where several are declared",
				Destination: &o.Teacher,
			},
			&cli.BoolFlag{
				Name: "partial", Usage: "leave samples without a vector out", DisableDefaultText: true, Destination: &o.Partial,
			},
			o.setFlag(), o.jsonFlag(), o.quietFlag(),
		},
		Action: func(c *cli.Context) error { return runCacheImport(c.Context, o, c.Args().Slice()) },
	}, onWriters, "rkd cache import experiment.yaml embeddings --set cache.dtype=float16")
}

func runCacheImport(ctx context.Context, o cacheImportOptions, args []string) error {
	if len(args) != 2 {
		return usage("", "cache import takes CONFIG and VECTORS, got %d arguments", len(args))
	}
	if o.By != "" && o.By != "path" && o.By != "id" {
		return usage("--by", "--by is %q, expected path or id", o.By)
	}
	r, err := o.load(&o.console, args[0])
	if err != nil {
		return err
	}
	set, err := exchange.Read(args[1], o.Names)
	if err != nil {
		return err
	}
	got, err := r.Import(ctx, set, o.ImportOptions)
	if err != nil {
		return err
	}
	if o.JSON {
		return o.printJSON(got)
	}
	o.printf("%s: %d rows of %d dimensions; %d vectors were of no training sample, %d rows have none\n",
		r.Experiment.Base.Cache.Dir, got.Rows, got.Dim, got.Unused, got.Without)
	return nil
}
