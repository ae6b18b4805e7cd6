//go:build browser

package main

import (
	"bytes"
	"flag"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

var updatePictures = flag.Bool("update-pictures", false, "write the pictures of the report into docs")

// TestReportInABrowser looks at a report in headless Chromium, in light and dark: it is drawn, in colours that can be
// told from the background, and asks for nothing from a network.
func TestReportInABrowser(t *testing.T) {
	dir := workplace(t)
	reportedRun(t, dir, "seeds=[1, 2, 3]", "train={epochs: 8, steps_per_epoch: 20, schedule: {kind: cosine}}",
		"variants={rkd-da: {}, info-nce: {loss: {info_nce: 1}}, triplet: {loss: {rkd_distance: 0, rkd_angle: 0, "+
			"task: {weight: 1}}}}")
	must(t, dir, "report", "runs/sample")
	for _, look := range []struct {
		name, scheme string // Chromium's number of a colour scheme
		dark         bool
	}{{"report.png", "1", false}, {"report-dark.png", "0", true}} {
		file, log := filepath.Join(dir, look.name), filepath.Join(dir, "network.json")
		c := exec.CommandContext(t.Context(), "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
			"--disable-background-networking", "--window-size=1200,1720", "--blink-settings=preferredColorScheme="+look.scheme,
			"--log-net-log="+log, "--screenshot="+file, "file://"+filepath.Join(dir, "runs/sample/report.html"))
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("chromium: %v\n%s", err, out)
		}
		data := read(t, file)
		picture, err := png.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		background, ink, colours := shades(picture)
		if dark := background < 0x60; dark != look.dark {
			t.Errorf("%s: the background has lightness %d", look.name, background)
		}
		if contrast := max(ink-background, background-ink); contrast < 0x80 || colours < 200 {
			t.Errorf("%s: text differs from the background by %d, and there are %d colours", look.name, contrast, colours)
		}
		if found := regexp.MustCompile(`"url":"(https?|wss?)://[^"]*report[^"]*"`).Find(read(t, log)); found != nil {
			t.Errorf("%s: the page asks for %s", look.name, found)
		}
		if *updatePictures {
			if err := os.WriteFile(filepath.Join("..", "..", "docs", look.name), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// shades returns the lightness of the commonest colour, that which is farthest from it in 100 pixels or more, and the
// number of colours.
func shades(picture image.Image) (background, ink, colours int) {
	counts := map[int]int{}
	seen := map[[3]uint32]bool{}
	b := picture.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			red, green, blue, _ := picture.At(x, y).RGBA()
			counts[int(red+green+blue)/3>>8]++
			seen[[3]uint32{red, green, blue}] = true
		}
	}
	for lightness, n := range counts {
		if n > counts[background] {
			background = lightness
		}
	}
	ink = background
	for lightness, n := range counts {
		if n >= 100 && max(lightness-background, background-lightness) > max(ink-background, background-ink) {
			ink = lightness
		}
	}
	return background, ink, len(seen)
}
