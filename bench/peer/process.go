package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// process is a peer: a program that is asked and answers in lines of JSON.
type process struct {
	in  *json.Encoder
	out *json.Decoder
	end func() error
}

// array is a row-major array that the peer gets too.
type array struct {
	values []float32
	shape  []int
}

// MarshalJSON writes the values little-endian in base64.
func (a array) MarshalJSON() ([]byte, error) {
	data, err := binary.Append(nil, binary.LittleEndian, a.values)
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{"shape": a.shape, "data": data})
}

// peers are processes of the peer that differ in how OpenMP's idle threads wait. Which of them is faster depends on the
// case, by a factor of two in some.
type peers []*process

func startPeers(ctx context.Context, python, script string) (peers, error) {
	var all peers
	for _, env := range [][]string{nil, {"OMP_WAIT_POLICY=passive"}} {
		p, err := startPeer(ctx, python, script, env)
		if err != nil {
			all.stop()
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// prepare gets all peers ready to run work on arrays, and returns them.
func (all peers) prepare(work string, arrays ...array) ([]side, error) {
	var sides []side
	for _, p := range all {
		if err := p.prepare(work, arrays...); err != nil {
			return nil, err
		}
		sides = append(sides, p)
	}
	return sides, nil
}

// stop ends the peers. How they end does not matter: every answer that counts has been read.
func (all peers) stop() {
	for _, p := range all {
		_ = p.end()
	}
}

func startPeer(ctx context.Context, python, script string, env []string) (*process, error) {
	cmd := exec.CommandContext(ctx, python, script, "--threads", fmt.Sprint(threads))
	cmd.Env = append(cmd.Environ(), env...)
	for _, library := range []string{"OMP", "OPENBLAS", "MKL"} {
		cmd.Env = append(cmd.Env, fmt.Sprintf("%s_NUM_THREADS=%d", library, threads))
	}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the peer: %w", err)
	}
	p := newProcess(in, out)
	p.end = func() error {
		if err := in.Close(); err != nil {
			return err
		}
		return cmd.Wait()
	}
	return p, nil
}

func newProcess(in io.Writer, out io.Reader) *process {
	return &process{in: json.NewEncoder(in), out: json.NewDecoder(bufio.NewReader(out)), end: func() error { return nil }}
}

// prepare gets it ready to run work on arrays.
func (p *process) prepare(work string, arrays ...array) error {
	return p.ask(map[string]any{"work": work, "arrays": arrays}, new(struct{}))
}

// run implements side for what was prepared last.
func (p *process) run(repeat int) (sample, error) {
	var s sample
	return s, p.ask(map[string]int{"repeat": repeat}, &s)
}

func (p *process) ask(request, answer any) error {
	if err := p.in.Encode(request); err != nil {
		return fmt.Errorf("asking the peer: %w", err)
	}
	if err := p.out.Decode(answer); err != nil {
		return fmt.Errorf("reading the peer's answer: %w", err)
	}
	return nil
}
