// Command cachecost measures what storing a teacher's embeddings in a smaller form costs a student: it runs one
// experiment with a cache of each form and prints a table of sizes and of the students' MAP@R. `make cache-cost` runs
// it.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"

	"rkd/pipeline"
	"rkd/pipeline/cache"
)

// form is a way to store embeddings: values of the cache section.
type form struct {
	name string
	set  []string
}

// forms are what is compared; the first one is what the others are held against.
func forms(pca []string) []form {
	all := []form{{"float32", nil}}
	for _, dtype := range cache.DTypes[1:] {
		all = append(all, form{dtype, []string{"cache.dtype=" + dtype}})
	}
	for _, n := range pca {
		all = append(all, form{"float32, pca " + n, []string{"cache.pca=" + n}})
	}
	if len(pca) > 0 {
		n := pca[0]
		all = append(all, form{"int8, pca " + n, []string{"cache.dtype=int8", "cache.pca=" + n}})
	}
	return all
}

// sets are the values of --set.
type sets []string

func (s *sets) String() string { return strings.Join(*s, " ") }

func (s *sets) Set(v string) error {
	*s = append(*s, v)
	return nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "cachecost:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var set sets
	flags := flag.NewFlagSet("cachecost", flag.ContinueOnError)
	program := flags.String("rkd", "bin/rkd", "the program")
	config := flags.String("config", "examples/mnist-unseen.yaml", "configuration of the experiment")
	variant := flags.String("variant", "rkd-da", "variant whose student is looked at")
	dir := flags.String("dir", "runs/cache-cost", "folder for the runs")
	pca := flags.String("pca", "64,32", "numbers of principal components")
	flags.Var(&set, "set", "further values of the configuration, KEY=VALUE")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	fmt.Println("| stored as | bytes a row | bytes a number | student's MAP@R | difference |\n|---|---|---|---|---|")
	first := 0.0
	for i, f := range forms(strings.Split(*pca, ",")) {
		to := filepath.Join(*dir, strings.NewReplacer(", ", "-", " ", "").Replace(f.name))
		args := []string{"run", *config, "--quiet", "--set", "dir=" + to, "--set", "cache.dir=" + filepath.Join(to, "cache")}
		for _, s := range append(f.set, set...) {
			args = append(args, "--set", s)
		}
		cmd := exec.CommandContext(ctx, *program, args...)
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		if err := row(ctx, f, to, *variant, &first, i == 0); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

// row prints what came of a form.
func row(ctx context.Context, f form, dir, variant string, first *float64, isFirst bool) error {
	data, err := os.ReadFile(filepath.Join(dir, pipeline.ResultsFile))
	if err != nil {
		return err
	}
	var results pipeline.Results
	if err := json.Unmarshal(data, &results); err != nil {
		return err
	}
	figure, ok := results.Models[variant].Metrics["map@r"]
	if !ok {
		return fmt.Errorf("no MAP@R of variant %q", variant)
	}
	c, err := cache.Open(ctx, filepath.Join(dir, "cache"))
	if err != nil {
		return err
	}
	bytes := int64(0)
	for _, s := range c.Manifest().Shards {
		bytes += s.Bytes
	}
	difference := "–"
	if isFirst {
		*first = figure.Mean
	} else {
		difference = fmt.Sprintf("%+.4f", figure.Mean-*first)
	}
	perRow := float64(bytes) / float64(c.Rows())
	fmt.Printf("| %s | %.0f | %.2f | %.4f ± %.4f | %s |\n", f.name, perRow, perRow/float64(c.Dim()), figure.Mean,
		figure.Std, difference)
	return nil
}
