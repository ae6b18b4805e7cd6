package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"rkd/datasets"
	"rkd/datasets/fault"
	"rkd/datasets/memory"
	"rkd/datasets/parquetfile"
	"rkd/datasets/regular"
	"rkd/models/onnx"
	"rkd/models/ort" //nolint:depguard // its sentinel errors only
	"rkd/models/quantize"
	"rkd/pipeline"
	"rkd/pipeline/batch"
	"rkd/pipeline/cache"
	"rkd/pipeline/config"
	"rkd/pipeline/eval"
	"rkd/pipeline/exchange"
	"rkd/pipeline/lock"
	"rkd/pipeline/objective"
	"rkd/pipeline/report"
	"rkd/pipeline/snippet"
	"rkd/pipeline/storage"
	"rkd/pipeline/vectors"
	"rkd/student/arch"
	"rkd/student/engine"
	"rkd/student/loss"
	"rkd/student/op"
	"rkd/student/optim"
	"rkd/student/sampler"
	"rkd/student/train"
	"rkd/student/train/record"
	"rkd/student/train/tensorboard"
	"rkd/teacher"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInput       = 3
	exitMismatch    = 4
	exitPartial     = 5
	exitHeld        = 6
	exitUnequipped  = 7
	exitFull        = 8
	exitInterrupted = 130
)

// exitMeanings says what each exit code means, in the order in which help lists them.
var exitMeanings = []struct {
	code    int
	meaning string
}{
	{exitDone, "done"},
	{exitFailed, "the machine or the training failed: too little memory, no connection, diverged loss"},
	{exitUsage, "wrong usage or configuration"},
	{exitInput, "bad input: data, model, cache or checkpoint that is missing, damaged or does not fit"},
	{exitMismatch, "a cache or run folder was made from another model, preprocessing, data set or configuration"},
	{exitPartial, "partly done: some parts of a cache, or some trainings, are missing"},
	{exitHeld, "the folder is held by another process"},
	{exitUnequipped, "this machine lacks a library or program that the command needs: ONNX Runtime, sbatch, kubectl"},
	{exitFull, "no room to write: the disk is full, or a quota is used up"},
	{exitInterrupted, "interrupted"},
}

// sentinels maps every sentinel error of the program to its exit code. An error that wraps several takes the code of
// the first row that holds one of them. The hint says what to do where the errors' own texts do not.
var sentinels = []struct {
	code int
	hint string
	errs []error
}{
	{exitFull, "free space there, or raise the quota; the same command goes on", []error{
		syscall.ENOSPC, syscall.EDQUOT, storage.ErrFull,
	}},
	{exitInput, "docs/storage.md says what a bucket needs", []error{storage.ErrRefused}},
	{exitFailed, "", []error{storage.ErrUnreachable}},
	{exitUsage, "docs/configuration.md explains every key", []error{config.ErrConfig}},
	{exitUsage, "", []error{
		datasets.ErrSource, datasets.ErrViews, datasets.ErrLimits, datasets.ErrPreprocess, onnx.ErrUnknownTensor,
		ort.ErrProvider,
		teacher.ErrOptions, objective.ErrOptions, arch.ErrConfig, sampler.ErrBatch, optim.ErrOptions, train.ErrOptions,
		cache.ErrPlan, cache.ErrTask, storage.ErrLocation, snippet.ErrUnsupported,
		loss.ErrOption, loss.ErrBatch, loss.ErrShape, loss.ErrType, op.ErrOption, op.ErrShape, op.ErrType,
	}},
	{exitMismatch, "", []error{cache.ErrMismatch, pipeline.ErrMismatch, pipeline.ErrDeviates}},
	{exitHeld, "", []error{lock.ErrHeld, lock.ErrLost}},
	{exitPartial, "run 'rkd precompute CONFIG' again: it adds what is missing", []error{cache.ErrIncomplete}},
	{exitPartial, "'rkd batch render CONFIG --missing' makes jobs for them", []error{pipeline.ErrPartial}},
	{exitInput, "'rkd precompute CONFIG' fills a cache", []error{cache.ErrNoCache}},
	{exitInput, "", []error{cache.ErrNoPlan}},
	{exitInput, "'rkd distill CONFIG' makes a checkpoint", []error{train.ErrNoCheckpoint}},
	{exitInput, "", []error{
		datasets.ErrFormat, datasets.ErrDecode, datasets.ErrShape, datasets.ErrChanged, datasets.ErrUnknownSample,
		regular.ErrNotRegular, parquetfile.ErrMalformed, onnx.ErrFormat, onnx.ErrExternal, ort.ErrElement, quantize.ErrModel,
		teacher.ErrShape, teacher.ErrNotFunction, cache.ErrCorrupt, cache.ErrRows, eval.ErrInput, vectors.ErrFormat,
		engine.ErrInput, loss.ErrDegenerate,
		train.ErrCheckpoint, engine.ErrState, record.ErrChecksum, tensorboard.ErrRecord, syscall.ENOTDIR,
		syscall.EISDIR,
	}},
	{
		exitInput, "paths are relative to the folder where rkd runs; those of a configuration with paths: file to its own",
		[]error{fs.ErrNotExist},
	},
	{exitInput, "", []error{exchange.ErrFormat}},
	{exitInput, "", []error{pipeline.ErrNotShared}},
	{exitUnequipped, "", []error{ort.ErrLibraryMissing, ort.ErrLibraryTooOld, batch.ErrNoEngine}},
	{exitPartial, "'rkd batch status CONFIG' says why, 'rkd batch submit CONFIG --missing' makes what is missing", []error{
		batch.ErrStage,
	}},
	{exitFailed, "", []error{memory.ErrShort}},
	{exitFailed, "", []error{
		ort.ErrNotReady, engine.ErrOperator, pipeline.ErrVerify, loss.ErrNotFinite, engine.ErrNotFinite, train.ErrDiverged,
		lock.ErrUnsupported, report.ErrPlot, batch.ErrRefused, batch.ErrStuck,
	}},
}

// exitCode maps an error to the program's exit code, and to a hint where there is one: the one place where this is
// decided.
func exitCode(ctx context.Context, err error) (code int, hint string) {
	var usage *usageError
	var notFinite *teacher.NotFiniteError
	var fault *fault.Error
	switch {
	case err == nil:
		return exitDone, ""
	case ctx.Err() != nil || errors.Is(err, context.Canceled):
		return exitInterrupted, ""
	case errors.As(err, &fault):
		return exitFailed, ""
	case errors.As(err, &usage):
		return exitUsage, ""
	case errors.As(err, &notFinite):
		return exitInput, ""
	}
	for _, row := range sentinels {
		for _, sentinel := range row.errs {
			if errors.Is(err, sentinel) {
				return row.code, row.hint
			}
		}
	}
	return exitFailed, ""
}

// exitCodesHelp lists the given exit codes, or all, with their meanings.
func exitCodesHelp(codes ...int) string {
	text := "Exit codes:\n"
	for _, m := range exitMeanings {
		listed := len(codes) == 0
		for _, code := range codes {
			listed = listed || code == m.code
		}
		if listed {
			text += fmt.Sprintf("\n    %-3d  %s", m.code, m.meaning)
		}
	}
	return text
}

// oneLine is an error's text on one line: some libraries' have several.
func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}
