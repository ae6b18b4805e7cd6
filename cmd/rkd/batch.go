package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"rkd/pipeline"
	"rkd/pipeline/batch"
	"rkd/pipeline/storage"
)

// batchOptions are those of the commands that make jobs for a cluster.
type batchOptions struct {
	console
	experimentOptions
	Scheduler string
	Out       string
	Missing   bool
	UntilDone bool
	Sort      string
	Plot      string
}

func batchCommand(out console) *cli.Command {
	return group("batch", "run an experiment as jobs of a cluster",
		"rkd batch submit examples/mnist-unseen.yaml --engine slurm",
		batchRenderCommand(out), batchSubmitCommand(out), batchStatusCommand(out), batchCollectCommand(out))
}

func (o *batchOptions) flags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{
			Name: "engine", Usage: "`ENGINE` that runs the jobs: slurm or kubernetes", Value: "slurm",
			Destination: &o.Scheduler,
		},
		&cli.StringFlag{Name: "out", Usage: "`DIR` for the files, default jobs in the run directory", Destination: &o.Out},
		&cli.BoolFlag{
			Name: "missing", Usage: "only what is not there yet", DisableDefaultText: true,
			Destination: &o.Missing,
		},
		o.setFlag(), o.libraryFlag(), o.jsonFlag(), o.quietFlag(),
	}
}

func batchRenderCommand(out console) *cli.Command {
	o := batchOptions{console: out}
	return command(cli.Command{
		Name:      "render",
		Usage:     "write the jobs of an experiment, to read, keep and edit",
		ArgsUsage: "CONFIG",
		Flags:     o.flags(),
		Action:    func(c *cli.Context) error { return runBatchRender(c.Context, o, c.Args().Slice()) },
	}, onStages, "rkd batch render examples/mnist-unseen.yaml --engine slurm --out jobs",
		"rkd batch render examples/mnist-unseen.yaml --missing")
}

func runBatchRender(ctx context.Context, o batchOptions, args []string) error {
	_, files, err := o.render(ctx, "batch render", args)
	if err != nil {
		return err
	}
	if o.JSON {
		return o.printJSON(map[string]any{"files": files})
	}
	for _, f := range files {
		o.printf("%s\n", f)
	}
	return nil
}

// render writes the files of a chain.
func (o *batchOptions) render(ctx context.Context, name string, args []string) (*batch.Chain, []string, error) {
	file, err := one(args, name, "CONFIG")
	if err != nil {
		return nil, nil, err
	}
	engine := batch.Engine(o.Scheduler)
	if engine != batch.Slurm && engine != batch.Kubernetes {
		return nil, nil, usage("--engine", "--engine is %q, expected %s or %s", o.Scheduler, batch.Slurm, batch.Kubernetes)
	}
	r, err := o.load(&o.console, file)
	if err != nil {
		return nil, nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, nil, fmt.Errorf("finding the program's own path: %w", err)
	}
	out := o.Out
	if out == "" {
		out = filepath.Join(r.Experiment.Base.Dir, "jobs")
		if storage.IsRemote(r.Experiment.Base.Dir) { // a scheduler reads files
			out = filepath.Join("runs", r.Experiment.Base.Name, "jobs")
		}
	}
	chain, err := r.Chain(ctx, pipeline.ChainOptions{
		Engine: engine, Config: file, Overrides: o.overrides(), Program: self, Out: out, Missing: o.Missing,
	})
	if err != nil {
		return nil, nil, err
	}
	files, err := chain.Render(engine)
	if err != nil {
		return nil, nil, err
	}
	paths, err := chain.Write(files)
	return chain, paths, err
}

func batchSubmitCommand(out console) *cli.Command {
	o := batchOptions{console: out}
	return command(cli.Command{
		Name:      "submit",
		Usage:     "write the jobs of an experiment and hand them to the cluster",
		ArgsUsage: "CONFIG",
		Flags: append(o.flags(), &cli.BoolFlag{
			Name: "wait", DisableDefaultText: true, Destination: &o.UntilDone,
			Usage: "wait until all is done; Kubernetes' stages are submitted one after the other then",
		}),
		Action: func(c *cli.Context) error { return runBatchSubmit(c.Context, o, c.Args().Slice()) },
	}, onJobs, "rkd batch submit examples/mnist-unseen.yaml --engine slurm",
		"rkd batch submit examples/mnist-unseen.yaml --engine kubernetes --wait")
}

func runBatchSubmit(ctx context.Context, o batchOptions, args []string) error {
	chain, _, err := o.render(ctx, "batch submit", args)
	if err != nil {
		return err
	}
	var jobs []batch.Job
	if batch.Engine(o.Scheduler) == batch.Kubernetes {
		jobs, err = chain.SubmitKubernetes(ctx, o.UntilDone, newProgress(o.stderr, o.Quiet, o.at).Say)
	} else {
		jobs, err = chain.SubmitSlurm(ctx, o.UntilDone)
	}
	if o.JSON && err == nil {
		return o.printJSON(map[string]any{"jobs": jobs})
	}
	for _, j := range jobs { // those that were taken before an error, too: somebody may want to cancel them
		o.printf("%s %s\n", j.Stage, j.ID)
	}
	return err
}

func batchStatusCommand(out console) *cli.Command {
	o := batchOptions{console: out}
	return command(cli.Command{
		Name:      "status",
		Usage:     "say how far an experiment is, from its cache and run directory",
		ArgsUsage: "CONFIG",
		Flags:     []cli.Flag{o.setFlag(), o.jsonFlag()},
		Action:    func(c *cli.Context) error { return runBatchStatus(c.Context, o, c.Args().Slice()) },
	}, onCaches, "rkd batch status examples/mnist-unseen.yaml")
}

func runBatchStatus(ctx context.Context, o batchOptions, args []string) error {
	file, err := one(args, "batch status", "CONFIG")
	if err != nil {
		return err
	}
	r, err := o.load(&o.console, file)
	if err != nil {
		return err
	}
	s, err := r.Status(ctx)
	if err != nil {
		return err
	}
	if s.Troubles, err = troubles(ctx, r); err != nil { // what lies in the folders is the truth without it, too
		r.Progress.Say("%v", err)
	}
	if o.JSON {
		return o.printJSON(s)
	}
	return printStatus(&o.console, s)
}

// troubles asks Kubernetes, where the experiment runs there and kubectl is at hand.
func troubles(ctx context.Context, r *pipeline.Runner) ([]batch.Trouble, error) {
	b := r.Experiment.Batch
	if b.Image == "" {
		return nil, nil
	}
	list, err := (&batch.Chain{Name: r.Experiment.Base.Name, Batch: b}).Troubles(ctx)
	if errors.Is(err, batch.ErrNoEngine) {
		return nil, nil
	}
	return list, err
}

// printStatus prints a line for each stage, then what is the matter with single tasks.
func printStatus(out *console, s *pipeline.Status) error {
	w := out.table(0)
	work := s.Work(true)
	if len(s.Caches) > 0 {
		printCaches(w, s.Caches, work.Precompute)
	}
	for _, stage := range []struct {
		name    string
		missing []int
	}{{"distill", work.Distill}, {"export", work.Export}} {
		fmt.Fprintf(w, "%s\t%d of %d trainings", stage.name, len(s.Trainings)-len(stage.missing), len(s.Trainings))
		if len(stage.missing) > 0 {
			fmt.Fprintf(w, "\tmissing %s", batch.Ranges(stage.missing))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "evaluate\t%s\n", doneOrNot(s.Evaluated))
	if err := w.Flush(); err != nil {
		return err
	}
	for _, t := range s.Trainings {
		switch {
		case t.Problem != "":
			out.printf("training %d, %s seed %d: %s\n", t.Index, t.Variant, t.Seed, t.Problem)
		case t.Step > 0 && !t.Trained:
			out.printf("training %d, %s seed %d: %d of %d steps\n", t.Index, t.Variant, t.Seed, t.Step, t.Steps)
		}
	}
	for _, f := range s.Failures {
		out.printf("%s task %d failed on %s with exit code %d: %s\n", f.Stage, f.Index, f.Host, f.Code, f.Message)
	}
	for _, t := range s.Troubles {
		out.printf("kubernetes: %s\n", t)
	}
	return nil
}

// printCaches prints how far the caches are, all of them in two lines: a task's index counts those of all teachers.
func printCaches(w io.Writer, caches []pipeline.CacheStatus, missing []int) {
	tasks, unplanned, finalized := 0, 0, 0
	for _, c := range caches {
		switch {
		case c.Plan == nil:
			unplanned++
			continue
		case c.Plan.Complete:
			finalized++
		}
		tasks += c.Plan.Tasks
	}
	switch {
	case unplanned == len(caches):
		fmt.Fprintln(w, "precompute\tno plan")
	case unplanned > 0:
		fmt.Fprintf(w, "precompute\tno plan of %d of %d teachers\n", unplanned, len(caches))
	case len(missing) > 0:
		fmt.Fprintf(w, "precompute\t%d of %d tasks\tmissing %s\n", tasks-len(missing), tasks, batch.Ranges(missing))
	default:
		fmt.Fprintf(w, "precompute\t%d of %d tasks\n", tasks, tasks)
	}
	if len(caches) == 1 || finalized == len(caches) {
		fmt.Fprintf(w, "finalize\t%s\n", doneOrNot(finalized == len(caches)))
		return
	}
	fmt.Fprintf(w, "finalize\t%d of %d caches\n", finalized, len(caches))
}

func doneOrNot(done bool) string {
	if done {
		return "done"
	}
	return "not yet"
}

func batchCollectCommand(out console) *cli.Command {
	o := batchOptions{console: out}
	return command(cli.Command{
		Name:      "collect",
		Usage:     "evaluate the students that are there and name those that are missing",
		ArgsUsage: "CONFIG",
		Flags: []cli.Flag{
			&cli.StringFlag{
				Name: "sort", Destination: &o.Sort,
				Usage: "best first by `METRIC`, or cheapest first by bytes, latency_ms or parameters; default as configured",
			},
			&cli.StringFlag{
				Name: "plot", Destination: &o.Plot,
				Usage: "write quality against size and against latency, the Pareto front marked, as SVG files into `DIR`",
			},
			o.setFlag(), o.waitFlag(), o.libraryFlag(), o.jsonFlag(), o.quietFlag(),
		},
		Action: func(c *cli.Context) error { return runBatchCollect(c.Context, o, c.Args().Slice()) },
	}, onRuns, "rkd batch collect examples/mnist-unseen.yaml",
		"rkd batch collect examples/mnist-unseen.yaml --sort recall@1 --plot sweep")
}

func runBatchCollect(ctx context.Context, o batchOptions, args []string) error {
	file, err := one(args, "batch collect", "CONFIG")
	if err != nil {
		return err
	}
	r, err := o.load(&o.console, file)
	if err != nil {
		return err
	}
	if o.Sort != "" { // what cannot be sorted by is found before anything is measured
		if err := (&pipeline.Results{Metrics: r.Experiment.Base.Eval.Metrics}).SortBy(o.Sort); err != nil {
			return err
		}
	}
	res, err := r.Collect(ctx)
	if res == nil || err != nil && !errors.Is(err, pipeline.ErrPartial) {
		return err
	}
	if o.Sort != "" {
		if err := res.SortBy(o.Sort); err != nil {
			return err
		}
	}
	if o.Plot != "" {
		if err := o.plot(res); err != nil {
			return err
		}
	}
	return errors.Join(err, printResults(&o.console, res))
}

// plot writes the plots of a sweep.
func (o *batchOptions) plot(res *pipeline.Results) error {
	plots, err := res.Tradeoffs(o.Sort)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.Plot, 0o755); err != nil {
		return fmt.Errorf("writing plots: %w", err)
	}
	for name, p := range plots {
		var b bytes.Buffer
		if err := p.WriteSVG(&b); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(o.Plot, name), b.Bytes(), 0o644); err != nil {
			return fmt.Errorf("writing plots: %w", err)
		}
	}
	return nil
}
