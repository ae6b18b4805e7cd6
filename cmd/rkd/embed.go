package main

import (
	"context"
	"strings"

	"github.com/urfave/cli/v2"

	"rkd/pipeline"
	"rkd/pipeline/config"
	"rkd/teacher"
)

// openOptions say how a model is opened that embeds pictures.
type openOptions struct {
	experimentOptions
	Config, Model, Input, Pool, Preprocess, Normalize string
	Output                                            cli.StringSlice
	Batch                                             int
}

// openFlags are those of all commands that embed pictures.
func (o *openOptions) openFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{
			Name: "config", Usage: "`CONFIG` whose teacher section says how a model is opened that rkd did not export",
			Destination: &o.Config,
		},
		&cli.StringFlag{
			Name: "preprocess", Usage: "preprocessing of such a model: `YAML` as in a configuration, or a preset",
			Destination: &o.Preprocess,
		},
		&cli.StringFlag{Name: "input", Usage: "`TENSOR` that takes its pictures", Destination: &o.Input},
		&cli.StringSliceFlag{
			Name: "output", Usage: "`TENSOR` that is its embedding (may be repeated: one behind the other)",
			Destination: &o.Output,
		},
		&cli.StringFlag{Name: "pool", Usage: "`HOW` an output of several vectors becomes one", Destination: &o.Pool},
		&cli.StringFlag{Name: "normalize", Usage: "l2: its vectors get length 1", Destination: &o.Normalize},
		&cli.IntFlag{Name: "batch", Usage: "pictures in one run", Value: teacher.DefaultBatch, Destination: &o.Batch},
		o.setFlag(), o.providerFlag(), o.providerOptionFlag(), o.libraryFlag(),
	}
}

// embedding describes the model that is to embed pictures.
func (o *openOptions) embedding(model, student string) (pipeline.EmbedOptions, error) {
	e := pipeline.EmbedOptions{Model: model, Student: student}
	if o.Config != "" {
		experiment, err := config.Load(o.Config, o.overrides())
		if err != nil {
			return e, err
		}
		e.As, e.Described = experiment.Base.Teacher, true
	}
	if o.Preprocess != "" {
		var section teacher.Options
		if err := config.ParseSection("--preprocess", []byte("preprocess: "+o.Preprocess), &section); err != nil {
			return e, err
		}
		e.As.Preprocess, e.Described = section.Preprocess, true
	}
	for _, v := range []struct {
		value string
		field *string
	}{
		{o.Input, &e.As.Input}, {o.Pool, &e.As.Pool}, {o.Normalize, &e.As.Normalize}, {o.Provider, &e.As.Provider},
	} {
		if v.value != "" {
			*v.field = v.value
		}
	}
	if len(o.Output.Value()) > 0 {
		e.As.Output = o.Output.Value()
	}
	e.As.Batch = o.Batch
	for _, option := range o.ProviderOptions.Value() {
		if e.As.ProviderOptions == nil {
			e.As.ProviderOptions = map[string]string{}
		}
		name, value, _ := strings.Cut(option, "=")
		e.As.ProviderOptions[name] = value
	}
	return e, nil
}

// embedOptions are those of `rkd embed`.
type embedOptions struct {
	console
	openOptions
	Out string
}

func embedCommand(out console) *cli.Command {
	o := embedOptions{console: out}
	return command(cli.Command{
		Name:      "embed",
		Usage:     "embed pictures with a student or another model, and write vectors with paths",
		ArgsUsage: "MODEL.onnx|RUN SOURCE",
		Flags: append([]cli.Flag{
			&cli.StringFlag{
				Name: "out", Aliases: []string{"o"}, Usage: "`FILE` of vectors, .parquet or .npy", Value: "vectors.parquet",
				Destination: &o.Out,
			},
			&cli.StringFlag{
				Name: "model", Usage: "`NAME` of a run's student: VARIANT or VARIANT/seed-N, with /int8 or /float16 behind it " +
					"of a quantised one; or " +
					"teacher. Default the best student",
				Destination: &o.Model,
			},
			o.jsonFlag(), o.quietFlag(),
		}, o.openFlags()...),
		Action: func(c *cli.Context) error { return runEmbed(c.Context, o, c.Args().Slice()) },
	}, onStages, "rkd embed runs/mnist-unseen photographs --out vectors.parquet",
		"rkd embed teacher.onnx photographs --preprocess '{resize: 256, crop: 224, color: rgb}' --output embedding")
}

func runEmbed(ctx context.Context, o embedOptions, args []string) error {
	if len(args) != 2 {
		return usage("MODEL SOURCE", "embed takes two arguments, MODEL.onnx or RUN and SOURCE, but got %d", len(args))
	}
	e, err := o.embedding(args[0], o.Model)
	if err != nil {
		return err
	}
	e.Source, e.Out = args[1], o.Out
	m, err := o.machine(&o.console)
	if err != nil {
		return err
	}
	done, err := m.Embed(ctx, e)
	if err != nil {
		return err
	}
	if o.JSON {
		return o.printJSON(done)
	}
	o.printf("%s: %d vectors of %d numbers, by %s\n", done.File, done.Rows, done.Dim, done.Model)
	return nil
}
