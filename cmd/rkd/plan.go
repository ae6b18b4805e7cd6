package main

import (
	"context"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"rkd/pipeline"
)

// planOptions are those of `rkd plan`.
type planOptions struct {
	console
	experimentOptions
}

func planCommand(out console) *cli.Command {
	o := planOptions{console: out}
	return command(cli.Command{
		Name: "plan",
		Usage: "check everything that can be checked before the teacher runs, and predict its hours, the cache's bytes and " +
			"when that pays",
		ArgsUsage: "CONFIG",
		Flags: []cli.Flag{
			o.setFlag(), o.engineFlag(), o.providerFlag(), o.providerOptionFlag(), o.libraryFlag(), o.jsonFlag(), o.quietFlag(),
		},
		Action: func(c *cli.Context) error { return runPlan(c.Context, o, c.Args().Slice()) },
	}, onStages, "rkd plan examples/sample.yaml")
}

func runPlan(ctx context.Context, o planOptions, args []string) error {
	file, err := one(args, "plan", "CONFIG")
	if err != nil {
		return err
	}
	r, err := o.load(&o.console, file)
	if err != nil {
		return err
	}
	f, err := r.Forecast(ctx)
	if err != nil {
		return err
	}
	if o.JSON {
		return o.printJSON(f)
	}
	o.printCounted("training data", &f.Train)
	if f.Test != nil {
		o.printCounted("test data", f.Test)
	} else {
		o.printf("test data: none: checkpoints are chosen, and nothing else is measured\n")
	}
	for i := range f.Teachers {
		o.printTeacher(&f.Teachers[i])
	}
	for _, s := range f.Students {
		o.printf("student %s: %v, %d parameters, %d epochs of %d steps of %d rows, about %s of memory\n", s.Variant, s.Input,
			s.Parameters, s.Epochs, s.StepsPerEpoch, s.BatchRows, humanize.IBytes(uint64(s.MemoryBytes)))
		for _, note := range s.Notes {
			o.printf("  %s\n", note)
		}
	}
	o.printf("%d trainings; %s\n", f.Trainings, paid(f))
	return nil
}

func (o *planOptions) printTeacher(t *pipeline.TeacherForecast) {
	title := "teacher"
	if t.Name != "" {
		title += " " + t.Name
	}
	o.printf("%s: %d numbers", title, t.Dim)
	if t.LogitsDim > 0 {
		o.printf(", %d logits", t.LogitsDim)
	}
	o.printf(", %.2f ms a sample, measured on %d", t.SampleMillis, t.Probed)
	if t.Cache.Missing > 0 {
		o.printf("; %s for %d rows\n", hours(t.Hours), t.Cache.Missing)
	} else {
		o.printf("; the cache is there\n")
	}
	o.printf("cache: %d rows, about %s in %q, where %s are free\n", t.Cache.Rows, humanize.IBytes(uint64(t.Cache.Bytes)),
		t.Cache.Dir, humanize.IBytes(uint64(t.Cache.FreeBytes)))
}

func (o *planOptions) printCounted(title string, c *pipeline.Counted) {
	labels := ""
	if c.Unlabelled > 0 {
		labels = fmt.Sprintf(", %d without a label", c.Unlabelled)
	}
	o.printf("%s: %d samples of %d classes%s (%s)\n", title, c.Samples, c.Classes, labels, c.Ledger)
}

// paid says when caching pays.
func paid(f *pipeline.Forecast) string {
	if len(f.Teachers) == 0 {
		return "no teacher"
	}
	instead := fmt.Sprintf("a teacher in every step would take %s in all", hours(f.TeacherInEveryStepHours))
	switch {
	case f.PaidAtEpoch == 0:
		return instead
	case f.PaidAtEpoch < 0:
		return instead + ", less than the cache: these trainings see fewer rows than it holds"
	}
	return fmt.Sprintf("the cache has paid for itself at epoch %.1f; %s", f.PaidAtEpoch, instead)
}

// hours writes a duration as people say it.
func hours(h float64) string {
	d := time.Duration(h * float64(time.Hour))
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}
