package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"rkd/pipeline"
)

// newProgress reports progress on w: a bar on a terminal, plain lines otherwise, nothing when quiet. In at it keeps
// where the last stage is.
func newProgress(w io.Writer, quiet bool, at *position) pipeline.Progress {
	if quiet {
		return &counted{pipeline.Quiet{}, at}
	}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &counted{&barProgress{w: w}, at}
	}
	return &counted{&lineProgress{w: w}, at}
}

// position is where the last stage is, for what is said of a run that was interrupted.
type position struct {
	stage, unit string
	done, total int
	again       string // what the same command does after an interruption; "": it starts again
}

// counted keeps the position of a progress.
type counted struct {
	pipeline.Progress
	at *position
}

// Start begins a stage.
func (c *counted) Start(stage, unit string, done, total int) {
	*c.at = position{stage: stage, unit: unit, done: done, total: total, again: c.at.again}
	c.Progress.Start(stage, unit, done, total)
}

// Add counts units.
func (c *counted) Add(n int) {
	c.at.done += n
	c.Progress.Add(n)
}

// barProgress draws a bar with rate and time left.
type barProgress struct {
	w   io.Writer
	bar *progressbar.ProgressBar
}

// Start begins a bar.
func (p *barProgress) Start(stage, unit string, done, total int) {
	p.bar = progressbar.NewOptions(total,
		progressbar.OptionSetWriter(p.w), progressbar.OptionSetDescription(stage), progressbar.OptionSetItsString(unit),
		progressbar.OptionShowIts(), progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
		// Clears the whole line, with the ^C that a terminal has written behind the bar.
		progressbar.OptionUseANSICodes(true))
	if done > 0 {
		_ = p.bar.Set(done)
	}
}

// Add moves the bar.
func (p *barProgress) Add(n int) { _ = p.bar.Add(n) }

// Finish removes the bar.
func (p *barProgress) Finish() {
	if p.bar != nil {
		_ = p.bar.Clear()
		p.bar = nil
	}
}

// Say prints a line above the bar.
func (p *barProgress) Say(format string, args ...any) {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	fmt.Fprintf(p.w, format+"\n", args...)
}

// lineProgress prints a line every few seconds.
type lineProgress struct {
	w            io.Writer
	stage, unit  string
	first        int // units that were there at the start
	done, total  int
	start, spoke time.Time
}

// lineInterval keeps logs short.
const lineInterval = 10 * time.Second

// Start begins a stage.
func (p *lineProgress) Start(stage, unit string, done, total int) {
	now := time.Now()
	*p = lineProgress{w: p.w, stage: stage, unit: unit, first: done, done: done, total: total, start: now, spoke: now}
	fmt.Fprintf(p.w, "%s: %d of %d %s\n", stage, done, total, unit)
}

// Add counts units and prints a line when it is due.
func (p *lineProgress) Add(n int) {
	p.done += n
	if time.Since(p.spoke) >= lineInterval {
		p.spoke = time.Now()
		p.tell()
	}
}

// Finish prints where the stage ended.
func (p *lineProgress) Finish() {
	if p.stage != "" && p.done < p.total {
		fmt.Fprintf(p.w, "%s: stopped after %d of %d %s\n", p.stage, p.done, p.total, p.unit)
	} else if p.stage != "" {
		p.tell()
	}
	p.stage = ""
}

func (p *lineProgress) tell() {
	elapsed := time.Since(p.start).Seconds()
	rate := float64(p.done-p.first) / max(elapsed, 1e-9)
	line := fmt.Sprintf("%s: %d of %d %s, %.0f a second", p.stage, p.done, p.total, p.unit, rate)
	if p.done < p.total && rate > 0 {
		line += fmt.Sprintf(", %s left", time.Duration(float64(p.total-p.done)/rate*float64(time.Second)).Round(time.Second))
	}
	fmt.Fprintln(p.w, line)
}

// Say prints a line.
func (p *lineProgress) Say(format string, args ...any) { fmt.Fprintf(p.w, format+"\n", args...) }
