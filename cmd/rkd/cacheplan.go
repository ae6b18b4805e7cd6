package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"rkd/pipeline/batch"
	"rkd/pipeline/cache"
)

func cacheStatusCommand(out console) *cli.Command {
	o := cacheOptions{console: out}
	return command(cli.Command{
		Name:      "status",
		Usage:     "say how far the plan of a cache is, and what is missing",
		ArgsUsage: "DIR",
		Flags:     []cli.Flag{o.jsonFlag()},
		Action:    func(c *cli.Context) error { return runCacheStatus(c.Context, o, c.Args().Slice()) },
	}, onCaches, "rkd cache status runs/mnist-unseen/cache")
}

func runCacheStatus(ctx context.Context, o cacheOptions, args []string) error {
	dir, err := one(args, "cache status", "DIR")
	if err != nil {
		return err
	}
	s, err := cache.ReadStatus(ctx, dir)
	if err != nil {
		return err
	}
	if o.JSON {
		return o.printJSON(s)
	}
	w := o.table(0)
	fmt.Fprintf(w, "plan\t%d, of %d rows\n", s.Plan, s.Rows)
	fmt.Fprintf(w, "shards\t%d of %d\n", s.Shards-len(s.Missing), s.Shards)
	fmt.Fprintf(w, "tasks\t%d of %d\n", s.Tasks-len(s.MissingTasks), s.Tasks)
	if s.Parts > 0 {
		fmt.Fprintf(w, "begun\t%d rows of unfinished shards\n", s.Parts)
	}
	fmt.Fprintf(w, "finalized\t%v\n", s.Complete)
	if len(s.Missing) > 0 {
		fmt.Fprintf(w, "missing tasks\t%s\n", batch.Ranges(s.MissingTasks))
	}
	return w.Flush()
}

func cacheFinalizeCommand(out console) *cli.Command {
	o := cacheOptions{console: out}
	return command(cli.Command{
		Name:      "finalize",
		Usage:     "write the manifest of each cache whose tasks are done",
		ArgsUsage: "DIR...",
		Flags:     []cli.Flag{o.jsonFlag()},
		Action:    func(c *cli.Context) error { return runCacheFinalize(c.Context, o, c.Args().Slice()) },
	}, onWriters, "rkd cache finalize runs/mnist-unseen/cache")
}

func runCacheFinalize(ctx context.Context, o cacheOptions, args []string) error {
	if len(args) == 0 {
		return usage("DIR", "cache finalize takes at least one argument, DIR, but got none")
	}
	var all []*cache.Manifest
	var errs []error
	for _, dir := range args { // one that is not ready keeps no other from its manifest
		m, err := cache.Finalize(ctx, dir)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, m)
		if !o.JSON {
			o.printf("%s: %d rows of %d dimensions in %d shards\n", dir, m.Rows, m.Dim, len(m.Shards))
		}
	}
	if len(errs) > 0 || !o.JSON {
		return errors.Join(errs...)
	}
	return o.printJSON(oneOrAll(all))
}

func cacheGCCommand(out console) *cli.Command {
	o := cacheOptions{console: out}
	return command(cli.Command{
		Name:      "gc",
		Usage:     "remove the rows of samples that are gone",
		ArgsUsage: "DIR",
		Flags:     []cli.Flag{o.jsonFlag()},
		Action:    func(c *cli.Context) error { return runCacheGC(c.Context, o, c.Args().Slice()) },
	}, onWriters, "rkd cache gc runs/mnist-unseen/cache")
}

func runCacheGC(ctx context.Context, o cacheOptions, args []string) error {
	dir, err := one(args, "cache gc", "DIR")
	if err != nil {
		return err
	}
	g, err := cache.Collect(ctx, dir)
	if err != nil {
		return err
	}
	if o.JSON {
		return o.printJSON(g)
	}
	o.printf("%s: removed %d shards, %.1f MB; those with rows of samples that are gone, %d, were written anew without\n",
		dir, g.Shards,
		float64(g.Bytes)/1e6, g.Rows)
	return nil
}
