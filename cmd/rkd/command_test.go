package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// everyCommand lists the words of each command that people can type.
func everyCommand() [][]string {
	var list [][]string
	var walk func(parents []string, commands []*cli.Command)
	walk = func(parents []string, commands []*cli.Command) {
		for _, c := range commands {
			if c.Hidden {
				continue
			}
			words := append(slices.Clone(parents), c.Name)
			list = append(list, words)
			walk(words, c.Subcommands)
		}
	}
	walk(nil, newApp(console{}).Commands)
	return list
}

func TestHelpOfEveryCommandHasAnExampleAndItsExitCodes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if r := must(t, dir, "--help"); !strings.Contains(r.stdout, "Exit codes") {
		t.Errorf("help lacks the exit codes:\n%s", r.stdout)
	}
	for _, words := range everyCommand() {
		if words[0] == "help" {
			continue // its --help is the program's
		}
		r := must(t, dir, append(words, "--help")...)
		for _, part := range []string{
			"Example", "rkd " + strings.Join(words, " "), "Exit codes:", "0    done",
			"2    wrong usage",
		} {
			if !strings.Contains(r.stdout, part) {
				t.Errorf("help of %s lacks %q:\n%s", words, part, r.stdout)
			}
		}
		if h := must(t, dir, append([]string{"help"}, words...)...); h.stdout != r.stdout {
			t.Errorf("rkd help %s differs from --help:\n%s", words, h.stdout)
		}
	}
}

func TestMisspeltWordsAreAnsweredWithTheNearest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, test := range []struct {
		args []string
		says []string
	}{
		{[]string{"destil"}, []string{`unknown command "destil"`, `"distill"`}},
		{[]string{"cache", "inf"}, []string{`unknown command "cache inf"`, `"info"`}},
		{[]string{"help", "destil"}, []string{`unknown command "destil"`, `"distill"`}},
		{[]string{"run", "x.yaml", "--jsn"}, []string{`unknown flag "--jsn"`, `"--json"`, "rkd run --help"}},
		{[]string{"cache", "head", "x", "--row", "3"}, []string{`unknown flag "--row"`, `"--rows"`, "rkd cache head --help"}},
		{[]string{"--verzion"}, []string{`unknown flag "--verzion"`, `"--version"`}},
		{[]string{"completion", "tcsh"}, []string{`"tcsh"`, "bash, zsh or fish"}},
	} {
		r := rkd(t, dir, test.args...)
		if r.code != exitUsage || r.stdout != "" {
			t.Errorf("%v: exit code %d, stdout %q", test.args, r.code, r.stdout)
		}
		for _, part := range test.says {
			if !strings.Contains(r.stderr, part) {
				t.Errorf("%v does not say %q:\n%s", test.args, part, r.stderr)
			}
		}
	}
	if r := rkd(t, dir, "zzz"); strings.Contains(r.stderr, "Did you mean") {
		t.Errorf("nothing is like zzz, but rkd says\n%s", r.stderr)
	}
}

// With --json the last line of stderr is the error, for machines; stdout stays free for results.
func TestErrorsForMachines(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	for _, test := range []struct {
		args []string
		want failure // a message or hint that must be contained
	}{
		{
			[]string{"run", "none.yaml", "--json"},
			failure{Code: exitUsage, Message: "none.yaml", Field: "none.yaml", Hint: "docs/configuration.md"},
		},
		{[]string{"run", "--json", "--fast", "x"}, failure{
			Code: exitUsage, Message: "unknown flag", Field: "--fast",
			Hint: "rkd run --help",
		}},
		{[]string{"distil", "--json"}, failure{
			Code: exitUsage, Message: "unknown command", Field: "distil",
			Hint: `"distill"`,
		}},
		{
			[]string{"cache", "info", "models", "--json"},
			failure{Code: exitInput, Message: "no cache", Hint: "rkd precompute"},
		},
		{[]string{"cache", "head", "x", "-n", "0", "--json"}, failure{Code: exitUsage, Message: "0", Field: "--rows"}},
	} {
		r := rkd(t, dir, test.args...)
		lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
		var got failure
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &got); err != nil {
			t.Errorf("%v: %v in\n%s", test.args, err, r.stderr)
			continue
		}
		if got.Code != test.want.Code || r.code != got.Code || got.Field != test.want.Field ||
			!strings.Contains(got.Message, test.want.Message) || !strings.Contains(got.Hint, test.want.Hint) || r.stdout != "" {
			t.Errorf("%v: exit code %d, %+v, expected %+v; stdout %q", test.args, r.code, got, test.want, r.stdout)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if r := must(t, dir, "version"); !strings.HasPrefix(r.stdout, "rkd "+version) {
		t.Errorf("version is %q", r.stdout)
	}
	var v map[string]string
	if err := json.Unmarshal([]byte(must(t, dir, "version", "--json").stdout), &v); err != nil || v["version"] != version {
		t.Errorf("version is %v (%v)", v, err)
	}
}

// Bash's completion finds commands, flags and, for lack of candidates, files.
func TestBashCompletion(t *testing.T) {
	t.Parallel()
	path := onPath(t)
	for line, want := range map[string]string{
		"rkd dis":                "distill",
		"rkd cache ":             "info verify head status finalize gc report export import",
		"rkd distill --res":      "--restart",
		"rkd distill x.yaml --p": "--profile --provider --provider-option",
		"rkd run exa":            "",
	} {
		words := strings.Split(line, " ")
		script := fmt.Sprintf(`source <(rkd completion bash); COMP_WORDS=(%s); COMP_CWORD=%d; _rkd; echo "${COMPREPLY[@]}"`,
			"'"+strings.Join(words, "' '")+"'", len(words)-1)
		c := exec.CommandContext(t.Context(), "bash", "-c", script)
		c.Env = append(os.Environ(), "RKD_BE_THE_PROGRAM=1", path)
		out, err := c.CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%q completes to %q (%v), expected %q", line, out, err, want)
		}
	}
}
