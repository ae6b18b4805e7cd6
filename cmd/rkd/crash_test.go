//go:build crash || hostile

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// kills is the number of random moments at which each stage is killed.
const kills = 20

// TestCrash kills precompute and distill with SIGKILL at random moments, runs the same command again, and requires the
// bytes of an undisturbed run.
func TestCrash(t *testing.T) {
	precompute := []string{
		"precompute", "examples/mnist-unseen.yaml", "--set", "data.train.limit=8000", "--set", "cache.rows_per_shard=1000",
	}
	distill := append([]string{
		"distill", "examples/mnist-unseen.yaml", "--variant", "rkd-da", "--set", "train.epochs=3", "--set",
		"train.steps_per_epoch=30", "--set", "train.checkpoint_steps=7",
	}, precompute[2:]...)

	undisturbed := workplace(t)
	took := timed(t, undisturbed, precompute)
	cache := digests(t, filepath.Join(undisturbed, "runs/mnist-unseen/cache"), "")
	t.Run("precompute", func(t *testing.T) {
		crash(t, precompute, took, "runs/mnist-unseen/cache", "", cache, workplace)
	})

	took = timed(t, undisturbed, distill)
	weights := digests(t, filepath.Join(undisturbed, "runs/mnist-unseen/rkd-da/seed-1"), ".safetensors")
	t.Run("distill", func(t *testing.T) {
		crash(t, distill, took, "runs/mnist-unseen/rkd-da/seed-1", ".safetensors", weights, func(t *testing.T) string {
			dir := workplace(t)
			source := filepath.Join(undisturbed, "runs/mnist-unseen/cache")
			if err := os.CopyFS(filepath.Join(dir, "runs/mnist-unseen/cache"), os.DirFS(source)); err != nil {
				t.Fatal(err)
			}
			return dir
		})
	})
}

// crash runs args in fresh folders, kills it after a random share of the time that it takes, runs it again and compares
// the files in folder that end with suffix.
func crash(t *testing.T, args []string, took time.Duration, folder, suffix string, want map[string]string,
	fresh func(*testing.T) string,
) {
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	for range kills {
		dir := fresh(t)
		after := time.Duration(r.Float64() * float64(took))
		c := program(t, dir, args...)
		var stderr bytes.Buffer
		c.Stderr = &stderr
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(after, func() { _ = c.Process.Kill() })
		killed := c.Wait() != nil
		timer.Stop()
		files := strings.Join(names(t, filepath.Join(dir, folder)), " ")
		t.Logf("killed %v after %v of %v, leaving %s", killed, after.Round(time.Millisecond),
			took.Round(time.Millisecond), files)
		must(t, dir, args...)
		got := digests(t, filepath.Join(dir, folder), suffix)
		if len(got) != len(want) {
			t.Errorf("killed after %v: files are %v, expected %v", after, got, want)
		}
		for name, digest := range want {
			if got[name] != digest {
				t.Errorf("killed after %v: %s differs from an undisturbed run", after, name)
			}
		}
	}
}

func timed(t *testing.T, dir string, args []string) time.Duration {
	t.Helper()
	start := time.Now()
	must(t, dir, args...)
	return time.Since(start)
}

// digests returns the SHA-256 of every file in dir that ends with suffix, hidden ones included.
func digests(t *testing.T, dir, suffix string) map[string]string {
	t.Helper()
	sums := map[string]string{}
	for _, name := range names(t, dir) {
		if strings.HasSuffix(name, suffix) {
			sum := sha256.Sum256(read(t, filepath.Join(dir, name)))
			sums[name] = hex.EncodeToString(sum[:])
		}
	}
	return sums
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}
