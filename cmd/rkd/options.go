package main

import (
	"context"
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"rkd/pipeline"
	"rkd/pipeline/batch"
	"rkd/pipeline/config"
)

// experimentOptions change the configuration that a command runs on, and say which ONNX Runtime runs it.
type experimentOptions struct {
	Set             cli.StringSlice
	Engine          string
	Provider        string
	ProviderOptions cli.StringSlice
	Library         string
	Wait            bool
}

func (o *experimentOptions) setFlag() cli.Flag {
	return &cli.StringSliceFlag{
		Name:  "set",
		Usage: "replace the value of a configuration key, `KEY=VALUE`, e.g. --set student.embedding_dim=64 (may be repeated)",
		// Values are YAML, in which spaces count.
		KeepSpace:   true,
		Destination: &o.Set,
	}
}

func (o *experimentOptions) engineFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "engine", Usage: "`ENGINE` that trains students: onnxruntime or gorgonia; short for --set engine.kind",
		Destination: &o.Engine,
	}
}

func (o *experimentOptions) providerFlag() cli.Flag {
	return &cli.StringFlag{
		Name:        "provider",
		Usage:       "execution `PROVIDER` of teacher and students, e.g. cpu, cuda, tensorrt, coreml (rkd doctor lists them)",
		Destination: &o.Provider,
	}
}

func (o *experimentOptions) providerOptionFlag() cli.Flag {
	return &cli.StringSliceFlag{
		Name: "provider-option", Usage: "`KEY=VALUE` of the provider, by the runtime's names (may be repeated)",
		Destination: &o.ProviderOptions,
	}
}

func (o *experimentOptions) libraryFlag() cli.Flag {
	return &cli.StringFlag{
		Name:        "onnxruntime-lib",
		Usage:       "`PATH` of ONNX Runtime's library (else $ONNXRUNTIME_LIB, the cache folder, the system's)",
		Destination: &o.Library,
	}
}

func (o *experimentOptions) waitFlag() cli.Flag {
	return &cli.BoolFlag{
		Name: "wait", Usage: "wait while another process holds the run directory", DisableDefaultText: true,
		Destination: &o.Wait,
	}
}

// overrides lists the configuration keys that the command line replaces: those of --set, and those that flags are short
// for.
func (o *experimentOptions) overrides() []string {
	list := slices.Clone(o.Set.Value())
	if o.Engine != "" {
		list = append(list, "engine.kind="+o.Engine)
	}
	for _, section := range []string{"teacher", "engine"} {
		if o.Provider != "" {
			list = append(list, section+".provider="+o.Provider)
		}
		for _, option := range o.ProviderOptions.Value() {
			list = append(list, section+".provider_options."+option)
		}
	}
	return list
}

// machine describes this computer to the stages of a command: ONNX Runtime's library, the cache folder, progress.
func (o *experimentOptions) machine(out *console) (pipeline.Machine, error) {
	cacheDir, err := pipeline.CacheDir()
	return pipeline.Machine{
		Library: o.Library, CacheDir: cacheDir, Version: version,
		Progress: newProgress(out.stderr, out.Quiet, out.at), Wait: o.Wait,
	}, err
}

// load reads the configuration in file and makes its runner.
func (o *experimentOptions) load(out *console, file string) (*pipeline.Runner, error) {
	e, err := config.Load(file, o.overrides())
	if err != nil {
		return nil, err
	}
	m, err := o.machine(out)
	if err != nil {
		return nil, err
	}
	r := &pipeline.Runner{Machine: m, Experiment: e}
	if mark := os.Getenv(batch.MarkVariable); mark != "" {
		return r, r.CheckMark(context.Background(), mark)
	}
	return r, nil
}

// taskOptions choose among the trainings of an experiment.
type taskOptions struct {
	indexOptions
	Variants cli.StringSlice
	Seeds    cli.Uint64Slice
}

func (o *taskOptions) variantFlag() cli.Flag {
	return &cli.StringSliceFlag{
		Name: "variant", Usage: "only the variant of this `NAME` (may be repeated)", Destination: &o.Variants,
	}
}

func (o *taskOptions) seedFlag() cli.Flag {
	return &cli.Uint64SliceFlag{Name: "seed", Usage: "only this `SEED` (may be repeated)", Destination: &o.Seeds}
}

// choose returns the experiment's tasks that --variant and --seed leave.
func (o *taskOptions) choose(e *config.Experiment) ([]pipeline.Task, error) {
	variants, seeds := o.Variants.Value(), o.Seeds.Value()
	all := pipeline.Tasks(e)
	chosen := slices.DeleteFunc(slices.Clone(all), func(t pipeline.Task) bool {
		return len(variants) > 0 && !slices.Contains(variants, t.Variant) || len(seeds) > 0 && !slices.Contains(seeds, t.Seed)
	})
	if len(chosen) == 0 {
		return nil, usage("--variant", "no training has variant %v and seed %v, expected some of %v", variants, seeds, all)
	}
	return chosen, nil
}

// chooseIndexed is choose, or where neither flag is given the one task of --task-index or of a scheduler's index, which
// is returned too, -1 without one.
func (o *taskOptions) chooseIndexed(e *config.Experiment) (tasks []pipeline.Task, index int, err error) {
	if len(o.Variants.Value())+len(o.Seeds.Value()) > 0 {
		if o.Index != "" {
			return nil, -1, usage("--task-index", "--task-index counts all trainings, and goes without --variant and --seed")
		}
		tasks, err = o.choose(e)
		return tasks, -1, err
	}
	all := pipeline.Tasks(e)
	index, named, err := o.index()
	switch {
	case err != nil:
		return nil, -1, err
	case !named:
		return all, -1, nil
	case index >= len(all):
		return nil, -1, usage("--task-index",
			"the index of the task is %d, expected 0 to %d: there are %d trainings, %v", index,
			len(all)-1, len(all), all)
	}
	return all[index : index+1], index, nil
}

// trainingOptions say what becomes of trainings that are there already.
type trainingOptions struct {
	Restart, Overwrite bool
}

func (o *trainingOptions) restartFlag() cli.Flag {
	return &cli.BoolFlag{
		Name: "restart", Usage: "train again from the first step, even what is finished", DisableDefaultText: true,
		Destination: &o.Restart,
	}
}

func (o *trainingOptions) overwriteFlag() cli.Flag {
	return &cli.BoolFlag{
		Name: "overwrite", Usage: "replace students that were trained from another configuration", DisableDefaultText: true,
		Destination: &o.Overwrite,
	}
}

// one returns a command's only argument.
func one(args []string, command, what string) (string, error) {
	if len(args) != 1 {
		return "", usage(what, "%s takes one argument, %s, but got %d", command, what, len(args))
	}
	return args[0], nil
}
