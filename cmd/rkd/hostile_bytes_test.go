//go:build hostile

package main

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"rkd/pipeline"
)

// TestHostileBytes flips bytes of every file that the program reads. It ends with a documented exit code and one
// sentence; where a checksum guards the file, it never takes it for whole and goes on with another result.
func TestHostileBytes(t *testing.T) {
	finished := workplace(t)
	must(t, finished, shortly("run")...)
	must(t, finished, "export", seed1, "--output", "exported.onnx")
	exported := string(read(t, filepath.Join(finished, "exported.onnx")))
	var want pipeline.Results
	if err := json.Unmarshal(read(t, filepath.Join(finished, "runs/sample/results.json")), &want); err != nil {
		t.Fatal(err)
	}
	checkpoint, err := filepath.Glob(filepath.Join(finished, seed1, "best-*.safetensors"))
	if err != nil || len(checkpoint) != 1 {
		t.Fatalf("weights are %v, %v", checkpoint, err)
	}
	sameExport := func(t *testing.T, dir string, r result) {
		if r.code == exitDone && string(read(t, filepath.Join(dir, "out.onnx"))) != exported {
			t.Error("another student is exported")
		}
	}
	refused := func(t *testing.T, _ string, r result) {
		if r.code == exitDone {
			t.Errorf("taken for whole:\n%s%s", r.stdout, r.stderr)
		}
	}
	verify := []string{"cache", "verify", "runs/sample/cache"}
	export := []string{"export", seed1, "--output", "out.onnx"}
	for name, test := range map[string]struct {
		file  string // that bytes are flipped of
		args  []string
		check func(t *testing.T, dir string, r result) // beside expectAnswer
	}{
		"configuration":   {"config.yaml", []string{"arch", "show", "config.yaml"}, nil},
		"shard":           {"runs/sample/cache/shard-00001-of-00004.parquet", verify, refused},
		"manifest":        {"runs/sample/cache/manifest.json", verify, refused},
		"checkpoint.json": {seed1 + "/checkpoint.json", export, sameExport},
		"safetensors":     {seed1 + "/" + filepath.Base(checkpoint[0]), export, refused},
		"student.onnx":    {sampleStudent, shortly("eval"), refused},
		"results.json": {"runs/sample/results.json", shortly("eval", "--json"), func(t *testing.T, _ string, r result) {
			var got pipeline.Results
			if r.code != exitDone {
				return
			}
			if err := json.Unmarshal([]byte(r.stdout), &got); err != nil {
				t.Fatal(err)
			}
			if measured(got) != measured(want) {
				t.Errorf("figures are %s, expected %s", measured(got), measured(want))
			}
		}},
		"JPEG": {"photographs/dogs/a.jpg", onSample(t, "precompute", "dir=new",
			"data.train={source: folder, dir: photographs, classes: [dogs]}",
			"teacher.preprocess={resize: [28, 28], color: gray}"), nil},
		"PNG": {"pictures/a/0.png", onSample(t, "precompute", "dir=new",
			"data.train={source: folder, dir: pictures}"), nil},
		"teacher":     {"teacher.onnx", onSample(t, "precompute", "dir=new", "teacher.model=teacher.onnx"), nil},
		"a new model": {"teacher.onnx", []string{"inspect", "teacher.onnx"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := chance(t)
			dir := workplace(t)
			if err := os.CopyFS(filepath.Join(dir, "runs"), os.DirFS(filepath.Join(finished, "runs"))); err != nil {
				t.Fatal(err)
			}
			photographs(t, dir)
			if err := os.Remove(filepath.Join(dir, "photographs/dogs/broken.jpg")); err != nil {
				t.Fatal(err)
			}
			mkdir(t, filepath.Join(dir, "pictures/a"))
			for i := range 4 {
				write(t, filepath.Join(dir, fmt.Sprintf("pictures/a/%d.png", i)), grayPNG(28, 28, make([]byte, 28*29)))
			}
			write(t, filepath.Join(dir, "config.yaml"), read(t, filepath.Join(dir, sampleConfig)))
			write(t, filepath.Join(dir, "teacher.onnx"), read(t, filepath.Join(dir, "models/mnist-teacher.onnx")))
			path := filepath.Join(dir, test.file)
			whole := read(t, path)
			codes := map[int]int{}
			for range rounds(t, 500) {
				data := bytes.Clone(whole)
				at, by := r.IntN(len(data)), byte(1+r.IntN(255))
				data[at] ^= by
				write(t, path, data)
				_ = os.Remove(filepath.Join(dir, "out.onnx"))
				_ = os.RemoveAll(filepath.Join(dir, "new"))
				answer := rkd(t, dir, test.args...)
				what := fmt.Sprintf("byte %d of %s xor %#02x", at, test.file, by)
				before := t.Failed()
				expectAnswer(t, what, answer)
				if test.check != nil {
					test.check(t, dir, answer)
				}
				if t.Failed() && !before {
					t.Log(what)
				}
				codes[answer.code]++
				if name == "results.json" { // a repair is no damage for the next round
					continue
				}
				write(t, path, whole)
			}
			t.Logf("exit codes of %d flips: %v", rounds(t, 500), codes)
		})
	}
}

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
			script := fmt.Sprintf(`ulimit -v %d; exec timeout -s INT 20 "$0" "$@"`, limit)
			c.Args = append([]string{"sh", "-c", script, c.Path}, c.Args[1:]...)
			c.Path = "/bin/sh"
			answer := finish(t, c)
			expectAnswer(t, name, answer)
			t.Logf("exit code %d: %s", answer.code, lastLine(answer.stderr))
		})
	}
}

func lastLine(text string) string {
	lines := bytes.Split(bytes.TrimSpace([]byte(text)), []byte("\n"))
	return string(lines[max(len(lines)-2, 0)])
}
