// Command precompute measures how fast a teacher's embeddings of photographs are computed, end to end, beside the
// bare ONNX Runtime session with its input in memory, beside each half of the work alone, and beside a loop in Python
// that does the same with torch's DataLoader, Pillow, torchvision and the onnxruntime package. `make bench-precompute`
// runs it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"rkd/datasets"
	"rkd/models/ort"
	"rkd/pipeline"
	"rkd/pipeline/config"
	"rkd/teacher"
)

// options are the flags.
type options struct {
	photographs, model, output string
	python, script             string
	repeat, rounds             int
	batch, threads             int
}

func main() {
	var o options
	flag.StringVar(&o.photographs, "photographs", "", "folder of pictures")
	flag.StringVar(&o.model, "model", "", "ONNX file of a teacher that takes 224 × 224 pixels as ImageNet's networks do")
	flag.StringVar(&o.output, "output", "", "its tensor that is the embedding; default the only output")
	flag.StringVar(&o.python, "python", "",
		"interpreter with torchvision and onnxruntime; without one that row is left out")
	flag.StringVar(&o.script, "script", "bench/precompute.py", "the loop in Python")
	flag.IntVar(&o.repeat, "repeat", 4, "times that each picture is computed")
	flag.IntVar(&o.rounds, "rounds", 5, "measurements of each, taken in turn; medians count")
	flag.IntVar(&o.batch, "batch", 32, "pictures of a batch")
	flag.IntVar(&o.threads, "threads", runtime.NumCPU(), "threads of the teacher")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/precompute:", err)
		os.Exit(1)
	}
}

// tolerance is the relative difference at which two ways no longer compute the same.
const tolerance = 1e-3

// rate is pictures a second, and what was computed of them, to be compared.
type rate struct{ perSecond, value float64 }

// way is one of those that are compared.
type way struct {
	name string
	run  func(ctx context.Context) (rate, error)
	got  []rate
}

func (w *way) median() float64 {
	var all []float64
	for _, r := range w.got {
		all = append(all, r.perSecond)
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func run(ctx context.Context, o options) error {
	if o.photographs == "" || o.model == "" {
		return errors.New("-photographs and -model are missing: make bench-precompute PHOTOGRAPHS=folder MOBILENET=file.onnx")
	}
	cacheDir, err := ort.CacheDir()
	if err != nil {
		return err
	}
	b := &bench{options: o, machine: pipeline.Machine{CacheDir: cacheDir, Progress: pipeline.Quiet{}}}
	if err := b.open(ctx); err != nil {
		return err
	}
	defer b.teacher.Close()
	ours := &way{name: "ours, end to end", run: b.precompute}
	decode := &way{name: "our half: decode, resize, crop", run: b.decode}
	infer := &way{name: "the bare session, input in memory", run: b.infer}
	ways := []*way{ours, infer, decode}
	var python []*way
	for workers := 0; o.python != "" && workers <= o.threads; workers++ {
		python = append(python, &way{name: fmt.Sprintf("Python, %d workers", workers), run: b.python(workers)})
	}
	ways = append(ways, python...)
	for range o.rounds {
		for _, w := range ways {
			r, err := w.run(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
			w.got = append(w.got, r)
			if want := ours.got[0].value; r.value != 0 && !(math.Abs(r.value-want) <= tolerance*math.Abs(want)) {
				return fmt.Errorf("%s computes %g, ours %g, expected the same", w.name, r.value, want)
			}
		}
	}
	print(os.Stdout, b, ours, infer, decode, python)
	return nil
}

// print writes the table. Both halves run on the same cores, so that together they allow 1/(1/a + 1/b).
func print(w io.Writer, b *bench, ours, infer, decode *way, python []*way) {
	together := 1 / (1/infer.median() + 1/decode.median())
	fmt.Fprintf(w,
		"%d pictures, %d threads, medians of %d rounds\n\n| | pictures a second | ours to it |\n|---|---|---|\n",
		b.pictures(), b.threads, b.rounds)
	row := func(name string, rate float64) {
		fmt.Fprintf(w, "| %s | %.1f | %.2f |\n", name, rate, ours.median()/rate)
	}
	row(ours.name, ours.median())
	row(infer.name, infer.median())
	row(decode.name, decode.median())
	row("what the halves allow together", together)
	for _, p := range python {
		row(p.name, p.median())
	}
}

// bench is what all measurements share.
type bench struct {
	options
	machine pipeline.Machine
	teacher *teacher.Model
	data    datasets.Dataset
	full    *datasets.Batch // a batch in memory
}

const preprocess = `{resize: 256, crop: 224, color: rgb, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}`

// configuration is that of an experiment in dir.
func (b *bench) configuration(dir string) (*config.Experiment, error) {
	folder, err := filepath.Abs(b.photographs)
	if err != nil {
		return nil, err
	}
	model, err := filepath.Abs(b.model)
	if err != nil {
		return nil, err
	}
	source := fmt.Sprintf("{source: folder, dir: %q, labels: none}", folder)
	output := ""
	if b.output != "" {
		output = fmt.Sprintf("output: %q, ", b.output)
	}
	text := fmt.Sprintf("name: bench\ndir: %q\ndata: {train: [%s]}\n"+
		"teacher: {model: %q, %spreprocess: %s, batch: %d, threads: %d}\n"+
		"student: {arch: {conv: [8]}, embedding_dim: 16, preprocess: {resize: [32, 32], color: rgb}}\n"+
		"loss: {rkd_distance: 1}\ntrain: {batch: {size: 8}}\n",
		dir, strings.Join(slices.Repeat([]string{source}, b.repeat), ", "), model, output, preprocess, b.batch, b.threads)
	return config.Parse("bench", []byte(text), nil)
}

func (b *bench) pictures() int { return b.data.Len() }

// open opens data and teacher, and reads a batch.
func (b *bench) open(ctx context.Context) error {
	e, err := b.configuration(os.TempDir())
	if err != nil {
		return err
	}
	if b.data, err = datasets.OpenAll(ctx, e.Base.Data.Train, datasets.Resources{}); err != nil {
		return err
	}
	sample, _, err := datasets.First(ctx, b.data)
	if err != nil {
		return err
	}
	path, err := ort.Find("", b.machine.CacheDir)
	if err == nil {
		err = ort.Init(path)
	}
	if err != nil {
		return err
	}
	if b.teacher, err = teacher.Open(ctx, e.Base.Teacher, sample); err != nil {
		return err
	}
	for batch, err := range b.loader().Batches(ctx, b.loader().InOrder(0, b.batch)) {
		if err != nil {
			return err
		}
		b.full = batch
		break
	}
	return nil
}

func (b *bench) loader() *datasets.Loader {
	return datasets.NewLoader(b.data, nil, b.teacher.Transform(), datasets.LoaderOptions{Batch: b.batch})
}

// watch notes when the stage of computing begins.
type watch struct {
	pipeline.Quiet
	start time.Time
}

func (w *watch) Start(stage, _ string, _, _ int) {
	if stage == "precompute" {
		w.start = time.Now()
	}
}

// precompute fills a cache. What comes before, reading the configuration, opening the teacher and fingerprinting the
// data, is left out, as it is for the others; writing the cache is not.
func (b *bench) precompute(ctx context.Context) (rate, error) {
	dir, err := os.MkdirTemp("", "rkd-bench-")
	if err != nil {
		return rate{}, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder that stays behind is no reason to lose the results
	e, err := b.configuration(dir)
	if err != nil {
		return rate{}, err
	}
	w := &watch{}
	machine := b.machine
	machine.Progress = w
	filled, err := (&pipeline.Runner{Machine: machine, Experiment: e}).Precompute(ctx)
	if err != nil {
		return rate{}, err
	}
	taken := time.Since(w.start)
	table, err := filled[0].Load(ctx)
	if err != nil {
		return rate{}, err
	}
	return rate{float64(b.pictures()) / taken.Seconds(), meanLength(table.Embeddings, table.Dim)}, table.Close()
}

// meanLength is the mean of the rows' lengths, by which ways are compared.
func meanLength(rows []float32, dim int) float64 {
	sum := 0.0
	for row := range slices.Chunk(rows, dim) {
		squares := 0.0
		for _, v := range row {
			squares += float64(v) * float64(v)
		}
		sum += math.Sqrt(squares)
	}
	return sum / float64(len(rows)/dim)
}

// decode reads all pictures as the teacher takes them.
func (b *bench) decode(ctx context.Context) (rate, error) {
	loader, start := b.loader(), time.Now()
	for _, err := range loader.Batches(ctx, loader.InOrder(0, loader.Len())) {
		if err != nil {
			return rate{}, err
		}
	}
	return rate{perSecond: float64(b.pictures()) / time.Since(start).Seconds()}, nil
}

// infer runs the teacher on one batch again and again.
func (b *bench) infer(ctx context.Context) (rate, error) {
	start, done := time.Now(), 0
	for ; done < b.pictures(); done += b.full.Len() {
		if _, err := b.teacher.Run(ctx, b.full); err != nil {
			return rate{}, err
		}
	}
	return rate{perSecond: float64(done) / time.Since(start).Seconds()}, nil
}

// python runs the loop in Python.
func (b *bench) python(workers int) func(ctx context.Context) (rate, error) {
	return func(ctx context.Context) (rate, error) {
		args := []string{
			b.script, "--photographs", b.photographs, "--model", b.model, "--repeat", fmt.Sprint(b.repeat),
			"--batch", fmt.Sprint(b.batch), "--threads", fmt.Sprint(b.threads), "--workers", fmt.Sprint(workers),
		}
		if b.output != "" {
			args = append(args, "--output", b.output)
		}
		cmd := exec.CommandContext(ctx, b.options.python, args...)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return rate{}, err
		}
		var got struct {
			PerSecond float64 `json:"per_second"`
			Value     float64 `json:"value"`
		}
		err = json.Unmarshal(out, &got)
		return rate{got.PerSecond, got.Value}, err
	}
}
