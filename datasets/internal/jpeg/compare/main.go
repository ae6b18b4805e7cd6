// Command compare decodes the JPEG files below some folders here and in Pillow, in turn, says how many pictures are
// equal to the bit, and how long both take. It is a tool of developers: neither tests nor releases need it.
//
//	go run ./datasets/internal/jpeg/compare -python python3 FOLDER...
package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"rkd/datasets/internal/jpeg"
)

func main() {
	python := flag.String("python", "python3", "interpreter that has Pillow")
	script := flag.String("script", "datasets/internal/jpeg/compare/peer.py", "the peer")
	rounds := flag.Int("rounds", 5, "how often each picture is decoded; its shortest time counts")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *python, *script, *rounds, flag.Args())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

// outcome is what one side makes of a picture: dimensions and hash, or "error" and the reason.
type outcome struct {
	text string
	cpu  time.Duration
}

func (o outcome) failed() bool { return strings.HasPrefix(o.text, "error") }

func run(ctx context.Context, python, script string, rounds int, folders []string) error {
	peer := exec.CommandContext(ctx, python, script)
	peer.Stderr = os.Stderr
	in, err := peer.StdinPipe()
	if err != nil {
		return err
	}
	out, err := peer.StdoutPipe()
	if err != nil {
		return err
	}
	if err := peer.Start(); err != nil {
		return fmt.Errorf("starting the peer: %w", err)
	}
	lines := bufio.NewScanner(out)
	var equal, refused, different int
	var ours, theirs time.Duration
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if ext := strings.ToLower(filepath.Ext(path)); err != nil || !strings.HasPrefix(ext, ".jp") || entry.IsDir() {
				return err
			}
			mine, other, err := both(path, rounds, in, lines)
			if err != nil {
				return err
			}
			switch {
			case mine.failed() && other.failed():
				refused++
			case mine.text != other.text:
				different++
				fmt.Printf("%s: %s, in Pillow %s\n", path, mine.text, other.text)
			default:
				equal++
				ours += mine.cpu
				theirs += other.cpu
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if err := errors.Join(in.Close(), peer.Wait()); err != nil {
		return fmt.Errorf("ending the peer: %w", err)
	}
	fmt.Printf("%d equal, %d refused by both, %d different\n", equal, refused, different)
	if n := time.Duration(equal); n > 0 {
		ratio := float64(ours) / float64(theirs)
		fmt.Printf("processor time a picture: %v, in Pillow %v, ratio %.2f\n", ours/n, theirs/n, ratio)
	}
	return nil
}

// both decodes a file on either side in turn.
func both(path string, rounds int, in io.Writer, lines *bufio.Scanner) (mine, other outcome, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return mine, other, err
	}
	var pixels []uint8
	for round := range rounds {
		start := processorTime()
		img, err := jpeg.Decode(data, jpeg.Options{Pixels: pixels})
		cpu := processorTime() - start
		if round == 0 || cpu < mine.cpu {
			mine.cpu = cpu
		}
		if mine.text = fmt.Sprintf("error %v", err); err == nil {
			pixels = img.Pixels
			mine.text = fmt.Sprintf("%d×%d×%d %x", img.Height, img.Width, img.Channels, sha256.Sum256(img.Pixels))
		}
		if _, err := fmt.Fprintln(in, path); err != nil {
			return mine, other, fmt.Errorf("asking the peer: %w", err)
		}
		if !lines.Scan() {
			err := errors.Join(lines.Err(), io.ErrUnexpectedEOF)
			return mine, other, fmt.Errorf("the peer says nothing to %q: %w", path, err)
		}
		var ns int64
		head, text, _ := strings.Cut(lines.Text(), " ")
		if _, err := fmt.Sscan(head, &ns); err != nil {
			return mine, other, fmt.Errorf("the peer says %q: %w", lines.Text(), err)
		}
		if other.text = text; round == 0 || time.Duration(ns) < other.cpu {
			other.cpu = time.Duration(ns)
		}
	}
	return mine, other, nil
}

// processorTime is what this process has used of its processors.
func processorTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0 // it fails for another argument than this one only
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
