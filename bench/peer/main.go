// Command peer runs cases of ours and of their peers in turn, prints a table and writes the results that README.md
// beside it quotes. Most peers are PyTorch, in long-lived processes of peer.py; it is a tool of developers, and no
// test or release needs it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime"

	"rkd/models/ort"
)

// threads is what both sides may use.
const threads = 2

// options are the flags.
type options struct {
	python, script string
	pattern        string // of the cases' names
	out            string // where results go, empty for nowhere
	mobilenet      string // the ONNX file of step/mobilenet_v2, empty to leave that case out
}

func main() {
	var o options
	flag.StringVar(&o.python, "python", "python3", "interpreter that has PyTorch")
	flag.StringVar(&o.script, "script", "bench/peer.py", "the peer")
	flag.StringVar(&o.pattern, "case", "", "run only cases whose name matches this regular expression")
	flag.StringVar(&o.out, "out", "", "write the results to this file")
	flag.StringVar(&o.mobilenet, "mobilenet", "",
		"the ONNX file of MobileNetV2 that step/mobilenet_v2 fine-tunes; without one that case is left out")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/peer:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	chosen, err := regexp.Compile(o.pattern)
	if err != nil {
		return fmt.Errorf("flag -case: %w", err)
	}
	dir, err := os.MkdirTemp("", "rkd-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder that stays behind is no reason to lose the results
	runtime.GOMAXPROCS(threads)
	if err := initRuntime(); err != nil {
		return err
	}
	all, err := startPeers(ctx, o.python, o.script)
	if err != nil {
		return err
	}
	defer all.stop()

	var results []result
	for _, c := range cases(dir, o.mobilenet) {
		if !chosen.MatchString(c.name) {
			continue
		}
		if c.setup == nil {
			fmt.Fprintf(os.Stderr, "%s is left out: it needs a model, which MOBILENET=file names (-mobilenet)\n", c.name)
			continue
		}
		r, err := c.compare(ctx, all)
		if err != nil {
			return fmt.Errorf("case %q: %w", c.name, err)
		}
		if len(results) == 0 {
			fmt.Println(header)
		}
		fmt.Println(r)
		results = append(results, r)
	}
	if len(results) == 0 {
		return fmt.Errorf("no case that can run matches %q", o.pattern)
	}
	if o.out == "" {
		return nil
	}
	return os.WriteFile(o.out, encode(results), 0o644)
}

// initRuntime makes ONNX Runtime ready, which trains our side.
func initRuntime() error {
	cacheDir, err := ort.CacheDir()
	if err != nil {
		return err
	}
	path, err := ort.Find("", cacheDir)
	if err != nil {
		return err
	}
	return ort.Init(path)
}
