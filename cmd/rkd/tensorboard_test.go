//go:build tensorboard

package main

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"rkd/student/train/tensorboard"
)

// reader prints what TensorBoard reads in the folders below a run, as JSON: folder → tag → [step, value].
const reader = `
import json, sys
from tensorboard.backend.event_processing import event_multiplexer
m = event_multiplexer.EventMultiplexer().AddRunsFromDirectory(sys.argv[1])
m.Reload()
json.dump({run: {tag: [[e.step, e.value] for e in m.Scalars(run, tag)]
    for tag in tags["scalars"]} for run, tags in m.Runs().items()}, sys.stdout)
`

// TestTensorBoardReads has TensorBoard itself read what a run wrote, every scalar of every epoch.
func TestTensorBoardReads(t *testing.T) {
	dir := workplace(t)
	reportedRun(t, dir)
	c := exec.CommandContext(t.Context(), os.Getenv("PYTHON"), "-c", reader, filepath.Join(dir, "runs/sample"))
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	var seen map[string]map[string][][2]float64
	if err := json.Unmarshal(out, &seen); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 4 {
		t.Errorf("TensorBoard finds %d runs, expected 4", len(seen))
	}
	for run, tags := range seen {
		points, err := tensorboard.Unmarshal(read(t, filepath.Join(dir, "runs/sample", run, tensorboard.FileName)))
		if err != nil {
			t.Fatal(err)
		}
		if len(tags) != len(points[0].Scalars) {
			t.Errorf("%s: TensorBoard finds %d curves, expected %d", run, len(tags), len(points[0].Scalars))
		}
		for i, p := range points {
			for _, s := range p.Scalars {
				curve := tags[s.Tag]
				if len(curve) != len(points) || int64(curve[i][0]) != p.Step ||
					math.Abs(curve[i][1]-s.Value) > 1e-6*math.Abs(s.Value) {
					t.Errorf("%s, %s: TensorBoard reads %v, expected %g at step %d", run, s.Tag, curve, s.Value, p.Step)
				}
			}
		}
	}
}
