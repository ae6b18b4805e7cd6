//go:build hostile

package main

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"strings"
	"testing"
)

// grayPNG is a PNG file of 8-bit gray pixels that claims a size; rows have a byte for their filter in front.
func grayPNG(width, height int, rows []byte) []byte {
	var b, packed bytes.Buffer
	b.WriteString("\x89PNG\r\n\x1a\n")
	chunk := func(kind string, data []byte) {
		body := append([]byte(kind), data...)
		_ = binary.Write(&b, binary.BigEndian, uint32(len(data)))
		b.Write(body)
		_ = binary.Write(&b, binary.BigEndian, crc32.ChecksumIEEE(body))
	}
	header := binary.BigEndian.AppendUint32(nil, uint32(width))
	header = binary.BigEndian.AppendUint32(header, uint32(height))
	chunk("IHDR", append(header, 8, 0, 0, 0, 0))
	w := zlib.NewWriter(&packed)
	_, _ = w.Write(rows)
	_ = w.Close()
	chunk("IDAT", packed.Bytes())
	chunk("IEND", nil)
	return b.Bytes()
}

// TestHostileBombs gives the program what claims more memory than there is, under a limit on its address space: it says
// so and ends.
func TestHostileBombs(t *testing.T) {
	const limit = 6 << 20 // KiB
	bomb := func(t *testing.T, dir string) {
		mkdir(t, filepath.Join(dir, "bombs/a"))
		rows := make([]byte, 50001*2000)
		for i := range 8 {
			write(t, filepath.Join(dir, fmt.Sprintf("bombs/a/%d.png", i)), grayPNG(50000, 50000, rows))
		}
	}
	for name, test := range map[string]struct {
		prepare func(t *testing.T, dir string)
		args    []string
	}{
		"pictures": {bomb, onSample(t, "precompute", "data.train={source: folder, dir: bombs}",
			"teacher.preprocess={resize: [28, 28]}")},
		"skipped": {bomb, onSample(t, "precompute", "data.train={source: folder, dir: bombs, on_error: skip}",
			"teacher.preprocess={resize: [28, 28]}")},
		"wide layers": {precomputed, onSample(t, "distill", "student.arch={mlp: [16384, 16384, 16384, 16384]}")},
		"channels":    {precomputed, onSample(t, "distill", "student.arch={conv: [4096, 4096, 4096], pool: none}")},
		"embedding":   {precomputed, onSample(t, "distill", "student.embedding_dim=65536", "student.arch={mlp: [16384]}")},
		"batch":       {precomputed, onSample(t, "distill", "train.batch={kind: shuffled, size: 16384}")},
		"resize":      {nil, onSample(t, "precompute", "teacher.preprocess={resize: [16384, 16384]}")},
		"shards": {nil, onSample(t, "precompute", "cache.rows_per_shard=16777216", "cache.views=2000",
			"data.train.limit=8")},
		"teacher": {nil, onSample(t, "precompute", "teacher.batch=65536")},
	} {
		t.Run(name, func(t *testing.T) {
			dir := workplace(t)
			if test.prepare != nil {
				test.prepare(t, dir)
			}
			c := program(t, dir, test.args...)
			script := fmt.Sprintf(`ulimit -v %d; exec timeout -s INT 120 "$0" "$@"`, limit)
			c.Args = append([]string{"sh", "-c", script, c.Path}, c.Args[1:]...)
			c.Path = "/bin/sh"
			answer := finish(t, c)
			if strings.Contains(answer.stderr, ": stopped after ") {
				answer.code = exitInterrupted // it computes within the limit, and timeout's own exit code says nothing
			}
			expectAnswer(t, name, answer)
			t.Logf("exit code %d: %s", answer.code, lastLine(answer.stderr))
		})
	}
}

// TestHostileWidths trains networks that need about as much memory as a limit on the address space leaves, from well
// below to well above: each is trained, or refused with a sentence.
func TestHostileWidths(t *testing.T) {
	dir := workplace(t)
	precomputed(t, dir)
	r := chance(t)
	done, refused, slow := 0, 0, 0
	for range rounds(t, 60) {
		limit := 2<<20 + r.IntN(4<<20) // KiB
		width := 16 << r.IntN(9)
		width += r.IntN(width)
		form := []string{"{conv: [%[1]d, %[1]d]}", "{conv: [%d], pool: none}", "{mlp: [%[1]d, %[1]d]}"}[r.IntN(3)]
		engine := []string{"onnxruntime", "gorgonia"}[r.IntN(2)]
		set := fmt.Sprintf("student.arch="+form, width)
		c := program(t, dir, onSample(t, "distill", set, "engine.kind="+engine, "train.epochs=1",
			"train.steps_per_epoch=1")...)
		c.Args = append(c.Args, "--overwrite")
		script := fmt.Sprintf(`ulimit -v %d; exec timeout -s KILL 300 "$0" "$@"`, limit)
		c.Args = append([]string{"sh", "-c", script, c.Path}, c.Args[1:]...)
		c.Path = "/bin/sh"
		answer := finish(t, c)
		if answer.code < 0 { // killed: the reference engine takes minutes for a wide convolution
			slow++
			continue
		}
		expectAnswer(t, fmt.Sprintf("%s by %s in %d KiB", set, engine, limit), answer)
		if answer.code == exitDone {
			done++
		} else {
			refused++
		}
	}
	t.Logf("%d trainings: %d are done, %d refused, %d take longer than five minutes", done+refused+slow, done, refused,
		slow)
}

func lastLine(text string) string {
	lines := bytes.Split(bytes.TrimSpace([]byte(text)), []byte("\n"))
	return string(lines[max(len(lines)-2, 0)])
}
