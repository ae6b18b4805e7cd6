package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"rkd/pipeline/config"
)

// block matches a fenced block of the README with its language.
var block = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")

// TestReadme runs every example of the README: commands of rkd in order in a fresh folder, configurations through the
// parser; what `make` is asked for must be a target.
func TestReadme(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	makefile := string(read(t, filepath.Join("..", "..", "Makefile")))
	ran := 0
	for _, match := range block.FindAllStringSubmatch(string(read(t, filepath.Join("..", "..", "README.md"))), -1) {
		language, text := match[1], match[2]
		switch language {
		case "yaml":
			if _, err := config.Parse("README.md", []byte(text), nil); err != nil {
				t.Error(err)
			}
			ran++
		case "sh":
			for line := range strings.Lines(text) {
				words := strings.Fields(strings.Split(line, "#")[0])
				switch {
				case len(words) > 1 && words[0] == "rkd":
					if r := rkd(t, dir, words[1:]...); r.code != exitDone {
						t.Errorf("%s: exit code %d\n%s", strings.Join(words, " "), r.code, r.stderr)
					}
				case len(words) > 1 && words[0] == "make":
					if !regexp.MustCompile(`(?m)^` + words[1] + `:`).MatchString(makefile) {
						t.Errorf("make %s: no such target", words[1])
					}
				default:
					t.Errorf("nothing runs %q", line)
				}
				ran++
			}
		default:
			t.Errorf("a block of %s is run by nothing", language)
		}
	}
	if ran < 10 {
		t.Errorf("%d examples found, expected more", ran)
	}
}

// Every configuration under examples/ can be read.
func TestExamplesParse(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", "examples", "*.yaml"))
	if err != nil || len(files) < 2 {
		t.Fatalf("examples are %v (%v)", files, err)
	}
	for _, f := range files {
		if _, err := config.Load(f, nil); err != nil {
			t.Error(err)
		}
	}
}
