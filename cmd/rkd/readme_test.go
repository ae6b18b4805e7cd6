package main

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"rkd/pipeline/config"
)

// block matches a fenced block of Markdown with its language, code a span of code on one line.
var (
	block  = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")
	code   = regexp.MustCompile("`([^`\n]+)`")
	indent = regexp.MustCompile(`(?m)^    (rkd .*)$`)
)

// TestReadme runs every example of the README, and of what it leads to: commands of rkd in order in a fresh folder,
// through a shell; configurations through the parser; what `make` is asked for must be a target. Python is run by
// `make test-snippets`.
func TestReadme(t *testing.T) {
	t.Parallel()
	for document, least := range map[string]int{"README.md": 10, "docs/use.md": 6, "docs/tuning.md": 3} {
		t.Run(document, func(t *testing.T) {
			t.Parallel()
			dir := workplace(t)
			tourFolders(t, dir)
			runDocument(t, dir, document, least)
		})
	}
}

// TestCommandsOfTheTuningGuide runs what docs/tuning.md mentions of rkd, placeholders filled in; a command that it
// comes to mention is missing here.
func TestCommandsOfTheTuningGuide(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	drawings(t, filepath.Join(dir, "pictures"), 1)
	must(t, dir, shortly("run")...)
	const imported = "student={arch: {onnx: models/mnist-teacher.onnx}, embedding_dim: 8}"
	known := map[string][]string{
		"rkd init":                       {"init", "pictures", "--model", "models/mnist-teacher.onnx"},
		"rkd report RUN":                 {"report", "runs/sample"},
		"rkd inspect teacher.onnx --all": {"inspect", "models/mnist-teacher.onnx", "--all"},
		"rkd arch show":                  {"arch", "show", sampleConfig},
		"rkd arch show CONFIG --set student.arch.output=TENSOR": {
			"arch", "show", sampleConfig, "--set", imported, "--set", "student.arch.output=embedding",
		},
		"rkd cache export": {"cache", "export", "runs/sample/cache", "--out", "vectors.npy"},
		"rkd embed":        {"embed", "runs/sample", "{source: sample, split: test}"},
	}
	text := block.ReplaceAllString(string(read(t, filepath.Join("..", "..", "docs/tuning.md"))), "")
	mentioned := regexp.MustCompile("`(rkd [^`]+)`").FindAllStringSubmatch(text, -1)
	if len(mentioned) < 5 {
		t.Errorf("%d commands are mentioned", len(mentioned))
	}
	for _, m := range mentioned {
		name := strings.Join(strings.Fields(m[1]), " ")
		if known[name] == nil {
			t.Errorf("nothing runs %q", name)
			continue
		}
		_ = os.Remove(filepath.Join(dir, "rkd.yaml"))
		must(t, dir, known[name]...)
	}
}

// tourFolders stand in for what the README's tour begins with: a folder of pictures, gray ones and coloured ones,
// another one to search in, and an exported model.
func tourFolders(t *testing.T, dir string) {
	t.Helper()
	for folder, count := range map[string]int{"photographs": 40, "more": 8} {
		mkdir(t, filepath.Join(dir, folder))
		for n := range count {
			img, gray := image.NewNRGBA(image.Rect(0, 0, 30+n, 40)), image.NewGray(image.Rect(0, 0, 30+n, 40))
			for i := range img.Pix {
				img.Pix[i], gray.Pix[i/4] = uint8(i*(n+3)/7), uint8(i*(n+3)/11)
			}
			var picture image.Image = img
			if n%3 == 0 {
				picture = gray
			}
			var b bytes.Buffer
			if err := jpeg.Encode(&b, picture, nil); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, folder, fmt.Sprintf("%d.jpg", n)), b.Bytes())
		}
	}
	if err := os.Symlink(filepath.Join("models", "mnist-teacher.onnx"), filepath.Join(dir, "resnet18.onnx")); err != nil {
		t.Fatal(err)
	}
}

// runDocument runs the examples of a document, least of them or more, in a folder.
func runDocument(t *testing.T, dir, document string, least int) {
	t.Helper()
	path := onPath(t)
	makefile := string(read(t, filepath.Join("..", "..", "Makefile")))
	ran := 0
	for _, match := range block.FindAllStringSubmatch(string(read(t, filepath.Join("..", "..", document))), -1) {
		language, text := match[1], match[2]
		switch language {
		case "yaml":
			if _, err := config.Parse(document, []byte(text), nil); err != nil {
				t.Error(err)
			}
			ran++
		case "sh":
			for line := range strings.Lines(text) {
				line = strings.TrimSpace(strings.Split(line, " #")[0])
				words := strings.Fields(line)
				switch {
				case len(words) > 1 && words[0] == "rkd":
					c := exec.CommandContext(t.Context(), "bash", "-c", line)
					c.Dir, c.Env = dir, append(os.Environ(), "RKD_BE_THE_PROGRAM=1", path)
					if r := finish(t, c); r.code != exitDone {
						t.Errorf("%s: exit code %d\n%s", line, r.code, r.stderr)
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
		case "python":
			if document != "docs/use.md" && document != "README.md" { // the README's is run by `make test-torch`
				t.Error("a block of Python is run by nothing")
			}
		default:
			t.Errorf("a block of %s is run by nothing", language)
		}
	}
	if ran < least {
		t.Errorf("%d examples found, expected more", ran)
	}
}

// Whatever the documents and the help mention of rkd and make exists, and zsh leaves it as it is: brackets, braces and
// stars are quoted.
func TestDocumentsMentionWhatExists(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	files := []string{"README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "bench/README.md"}
	for _, pattern := range []string{"docs/*.md", "docs/decisions/*.md", "models/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			name, _ := filepath.Rel(root, f)
			files = append(files, name)
		}
	}
	makefile := string(read(t, filepath.Join(root, "Makefile")))
	for _, name := range files {
		text := string(read(t, filepath.Join(root, name)))
		var mentions []string
		for _, match := range block.FindAllStringSubmatch(text, -1) {
			for line := range strings.Lines(match[2]) {
				mentions = append(mentions, strings.TrimSpace(strings.Split(line, " #")[0]))
			}
		}
		for _, pattern := range []*regexp.Regexp{code, indent} {
			for _, match := range pattern.FindAllStringSubmatch(block.ReplaceAllString(text, ""), -1) {
				mentions = append(mentions, match[1])
			}
		}
		for _, m := range mentions {
			m, _, _ = strings.Cut(m, "; ") // another program's command
			words := strings.Fields(m)
			switch {
			case len(words) > 1 && words[0] == "make":
				if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(words[1]) + `:`).MatchString(makefile) {
					t.Errorf("%s: %q: no such target", name, m)
				}
			case len(words) > 1 && words[0] == "rkd":
				if problem := mention(words[1:]); problem != "" {
					t.Errorf("%s: %q: %s", name, m, problem)
				}
				bare := regexp.MustCompile(`'[^']*'|\[flags\]|\[[A-Z]+…?\]`).ReplaceAllString(m, "")
				if strings.ContainsAny(bare, "[]{}*?") {
					t.Errorf("%s: %q is taken apart by zsh, expected quotes", name, m)
				}
			}
		}
	}
}

// mention says what is wrong with the words of a command line; "" is nothing.
func mention(words []string) string {
	app := newApp(console{})
	var found *cli.Command
	commands, flags := app.Commands, []cli.Flag{cli.HelpFlag, cli.VersionFlag}
	for len(words) > 0 && len(commands) > 0 && !strings.HasPrefix(words[0], "-") {
		names := strings.Split(words[0], "|") // "cache info|verify|head"
		for _, n := range names {
			if found = find(commands, n); found == nil {
				return "no command " + n
			}
		}
		commands, flags, words = found.Subcommands, append(found.Flags, cli.HelpFlag), words[1:]
	}
	for _, w := range words {
		name := strings.TrimLeft(strings.Split(w, "=")[0], "-")
		if strings.HasPrefix(w, "-") &&
			!slices.ContainsFunc(flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) }) {
			return "no flag " + w
		}
	}
	return ""
}

// onPath returns a PATH, as an environment variable, on which this program is called rkd.
func onPath(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(dir, "rkd")); err != nil {
		t.Fatal(err)
	}
	return "PATH=" + dir + string(os.PathListSeparator) + os.Getenv("PATH")
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
