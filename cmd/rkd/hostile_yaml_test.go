//go:build hostile

package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestHostileYAML changes a configuration at random, by bytes, by lines and by values that mean trouble: it is read or
// refused, at once.
func TestHostileYAML(t *testing.T) {
	dir := workplace(t)
	t.Chdir(dir)
	r := chance(t)
	text := string(read(t, sampleConfig))
	troubles := []string{
		"0", "-1", "1e309", ".nan", ".inf", "-.inf", "9223372036854775808", "18446744073709551616", "null", "~", "''",
		"[]", "{}", "[[[[[[]]]]]]", "&a [*a]", "*a", "!!binary AAAA", "!!float x", "0x7fffffffffffffff", "2026-01-01",
		"yes", "\"\\0\"", strings.Repeat("[", 200), strings.Repeat("x", 1<<21), "{a: &a {b: *a}}",
		"[&x [1,1,1,1,1,1,1,1,1],&y [*x,*x,*x,*x,*x,*x,*x,*x,*x],&z [*y,*y,*y,*y,*y,*y,*y,*y,*y]]",
	}
	lines := strings.Split(text, "\n")
	codes := map[int]int{}
	slowest := time.Duration(0)
	for range rounds(t, 2000) {
		changed := slices.Clone(lines)
		at := r.IntN(len(changed))
		switch r.IntN(4) {
		case 0: // a value is another
			if key, _, ok := strings.Cut(changed[at], ":"); ok {
				changed[at] = key + ": " + troubles[r.IntN(len(troubles))]
			}
		case 1: // a number is another
			changed[at] = digits.ReplaceAllLiteralString(changed[at], troubles[r.IntN(len(troubles))])
		case 2: // a line is missing or twice
			changed = slices.Insert(changed, at, changed[r.IntN(len(changed))])
		case 3: // bytes are others
			line := []byte(changed[at])
			for i := range line {
				if r.IntN(8) == 0 {
					line[i] = byte(r.IntN(256))
				}
			}
			changed[at] = string(line)
		}
		write(t, "changed.yaml", []byte(strings.Join(changed, "\n")))
		begun := time.Now()
		answer := inProcess(t, []string{"arch", "show", "changed.yaml"})
		slowest = max(slowest, time.Since(begun))
		expectAnswer(t, fmt.Sprintf("%.2000s", strings.Join(changed, "\n")), answer)
		codes[answer.code]++
	}
	t.Logf("exit codes of %d configurations: %v; the slowest took %v", rounds(t, 2000), codes,
		slowest.Round(time.Millisecond))
}

var digits = regexp.MustCompile(`[0-9]+`)
