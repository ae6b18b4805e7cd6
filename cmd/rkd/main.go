// Command rkd turns a big frozen embedding model into a small one: it caches the teacher's embeddings, trains a student
// against them with relational knowledge distillation and exports it to ONNX. Each command is a file: an options
// struct, its flags, and a run function that makes one call into package pipeline.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"rkd/datasets/memory"
)

// version is set by the build.
var version = "dev"

func main() {
	memory.LimitHeap()
	os.Exit(untilSignal(func(ctx context.Context) int { return run(ctx, os.Args, os.Stdout, os.Stderr) }))
}

// untilSignal runs f with a context that ends with the first Ctrl-C or SIGTERM; a second one ends the process at once.
func untilSignal(f func(context.Context) int) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // from then on signals do what they do to any process
	return f(ctx)
}
