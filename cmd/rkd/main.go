// Command rkd turns a big frozen embedding model into a small one: it caches the teacher's embeddings, trains a student
// against them with relational knowledge distillation and exports it to ONNX. Each command is a file: an options struct,
// its flags, and a run function that makes one call into package pipeline.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the build.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal ends the run cleanly, a second one at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args, os.Stdout, os.Stderr))
}
