package main

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"rkd/datasets"
	"rkd/models/onnx"
	"rkd/pipeline/cache"
	"rkd/pipeline/config"
	"rkd/pipeline/eval"
	"rkd/pipeline/objective"
	"rkd/student/arch"
	"rkd/student/loss"
	"rkd/student/optim"
	"rkd/student/sampler"
	"rkd/student/train"
	"rkd/teacher"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInput       = 3
	exitMismatch    = 4
	exitInterrupted = 130
)

const exitCodesHelp = `Exit codes:
   0    done
   1    the machine or the training failed: disk full, no usable ONNX Runtime library, diverged loss
   2    wrong usage or configuration
   3    bad input: data, model, cache or checkpoint that is missing or damaged
   4    the cache was made from another model, preprocessing or data set
   130  interrupted`

// exitCode maps an error to the program's exit code: the one place where this is decided.
func exitCode(ctx context.Context, err error) int {
	is := func(targets ...error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
	var usage usageError
	var notFinite *teacher.NotFiniteError
	switch {
	case ctx.Err() != nil || is(context.Canceled):
		return exitInterrupted
	case errors.As(err, &usage), is(config.ErrConfig, objective.ErrOptions, datasets.ErrSource, teacher.ErrOptions, onnx.ErrUnknownTensor, train.ErrOptions, optim.ErrOptions,
		arch.ErrConfig, sampler.ErrBatch, loss.ErrOption, loss.ErrBatch, loss.ErrShape):
		return exitUsage
	case is(cache.ErrMismatch):
		return exitMismatch
	case errors.As(err, &notFinite), is(onnx.ErrFormat, teacher.ErrShape, datasets.ErrFormat, datasets.ErrDecode,
		cache.ErrNoCache, cache.ErrCorrupt, cache.ErrRows, train.ErrNoCheckpoint, train.ErrCheckpoint, loss.ErrDegenerate, eval.ErrInput, fs.ErrNotExist):
		return exitInput
	}
	return exitFailed
}

// oneLine is an error's text on one line: some libraries' have several.
func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}
