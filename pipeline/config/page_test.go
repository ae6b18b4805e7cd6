package config_test

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"rkd/pipeline/config"
	"rkd/pipeline/objective"
)

var (
	pageHeading = regexp.MustCompile(`^##+ (.*)$`)
	pageCode    = regexp.MustCompile("`([^`]+)`")
	pageName    = regexp.MustCompile(`[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*`)
)

// pageSection is a part of docs/configuration.md under one heading.
type pageSection struct {
	paths []string // the sections of the configuration that it documents; none at the top level
	names map[string]bool
	keys  []string // that its tables document
}

// documents reports whether a key can be documented in the section.
func (s pageSection) documents(key string) bool {
	parts := strings.Split(key, ".")
	if len(parts) == 1 {
		return len(s.paths) == 0
	}
	return slices.ContainsFunc(s.paths, func(p string) bool {
		first, _, _ := strings.Cut(p, ".")
		return first == parts[0] || slices.Contains(parts[:len(parts)-1], p)
	})
}

// has reports whether the section names the key, alone or behind the section that it stands in.
func (s pageSection) has(key string) bool {
	for at := 0; at >= 0; {
		if s.names[key[at:]] {
			return true
		}
		next := strings.Index(key[at:], ".")
		if next < 0 {
			break
		}
		at += next + 1
	}
	return false
}

// readPage splits docs/configuration.md into its sections up to the exit codes.
func readPage(t *testing.T) []pageSection {
	t.Helper()
	data, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	text, _, found := strings.Cut(string(data), "\n## Exit codes")
	if !found {
		t.Fatal("docs/configuration.md has no section on exit codes")
	}
	var sections []pageSection
	var columns []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if m := pageHeading.FindStringSubmatch(line); m != nil {
			s := pageSection{names: map[string]bool{}}
			for _, code := range pageCode.FindAllStringSubmatch(m[1], -1) {
				s.paths = append(s.paths, code[1])
			}
			sections = append(sections, s)
			continue
		}
		if len(sections) == 0 {
			continue
		}
		s := &sections[len(sections)-1]
		for _, code := range pageCode.FindAllStringSubmatch(line, -1) {
			for _, name := range pageName.FindAllString(code[1], -1) {
				s.names[name] = true
			}
		}
		if !strings.HasPrefix(line, "|") {
			columns = nil
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if columns == nil {
			columns = cells
			continue
		}
		for i, cell := range cells {
			column := strings.TrimSpace(columns[i])
			for _, code := range pageCode.FindAllStringSubmatch(cell, -1) {
				name, _, option := strings.Cut(code[1], ":")
				if strings.HasPrefix(column, "key") || column == "further keys and their defaults" ||
					column == "options, with defaults" && option {
					s.keys = append(s.keys, name)
				}
			}
		}
	}
	return sections
}

// configurationKeys lists the paths of all keys, with those of the kinds of a loss on labels.
func configurationKeys(t *testing.T) []string {
	t.Helper()
	var keys []string
	var walk func(at string, of reflect.Type, within []reflect.Type)
	walk = func(at string, of reflect.Type, within []reflect.Type) {
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct || slices.Contains(within, of) {
			return
		}
		for i := range of.NumField() {
			field := of.Field(i)
			name, how, _ := strings.Cut(field.Tag.Get("yaml"), ",")
			switch {
			case how == "inline":
				walk(at, field.Type, append(within, of))
			case name != "" && name != "-":
				keys = append(keys, at+name)
				walk(at+name+".", field.Type, append(within, of))
			}
		}
		if of == reflect.TypeFor[objective.LabelLoss]() {
			for _, kind := range labelLossKinds(t) {
				options, err := new(objective.LabelLoss).OfKind(kind)
				if err != nil {
					t.Fatal(err)
				}
				walk(at, reflect.TypeOf(options), within)
			}
		}
	}
	walk("", reflect.TypeFor[config.Config](), nil)
	return keys
}

// labelLossKinds lists the kinds that a wrong one is answered with.
func labelLossKinds(t *testing.T) []string {
	t.Helper()
	_, err := new(objective.LabelLoss).OfKind("none of them")
	if err == nil {
		t.Fatal("an unknown kind is accepted")
	}
	_, list, _ := strings.Cut(err.Error(), "[")
	return strings.Fields(strings.TrimSuffix(list, "]"))
}

// docs/configuration.md documents every key with a value, and no key that does not exist.
func TestPageDocumentsEveryKey(t *testing.T) {
	sections, keys := readPage(t), configurationKeys(t)
	if len(keys) < 100 {
		t.Fatalf("the configuration has %d keys, expected 100 and more", len(keys))
	}
	for _, key := range keys {
		section := slices.ContainsFunc(keys, func(k string) bool { return strings.HasPrefix(k, key+".") })
		if !section && !slices.ContainsFunc(sections, func(s pageSection) bool { return s.documents(key) && s.has(key) }) {
			t.Errorf("docs/configuration.md does not document %s", key)
		}
	}
	for _, kind := range labelLossKinds(t) {
		if !slices.ContainsFunc(sections, func(s pageSection) bool { return s.documents("loss.task") && s.names[kind] }) {
			t.Errorf("docs/configuration.md does not document loss.task of kind %s", kind)
		}
	}
	for _, s := range sections {
		for _, documented := range s.keys {
			if !slices.ContainsFunc(keys, func(key string) bool {
				return s.documents(key) && (key == documented || strings.HasSuffix(key, "."+documented))
			}) {
				t.Errorf("docs/configuration.md, section %v, documents %s, which is no key", s.paths, documented)
			}
		}
	}
}

// A resolved configuration has every key of the sections that it uses. Sections of several forms or kinds have those of
// their own.
func TestResolvedConfigurationHasEveryKey(t *testing.T) {
	several := []string{
		"data.train", "data.test", "student.arch", "student.arch.layers", "train.batch",
		"train.schedule", "loss.task", "batch", "variants", "grid",
	}
	e, err := config.Parse("x.yaml", []byte(text), []string{"loss.cc=1", "data.augment={blur: {}}", "student.head=linear"})
	if err != nil {
		t.Fatal(err)
	}
	data, err := e.Resolved()
	if err != nil {
		t.Fatal(err)
	}
	var resolved map[string]any
	if err := yaml.Unmarshal(data, &resolved); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, key := range configurationKeys(t) {
		if slices.ContainsFunc(several, func(s string) bool { return key == s || strings.HasPrefix(key, s+".") }) {
			continue
		}
		parts, section, used := strings.Split(key, "."), resolved, true
		for _, part := range parts[:len(parts)-1] {
			if section, used = section[part].(map[string]any); !used {
				break // null, or a number: the section is not in use
			}
		}
		if !used {
			continue
		}
		if _, ok := section[parts[len(parts)-1]]; !ok {
			t.Errorf("%s is missing", key)
		}
		found++
	}
	if found < 80 {
		t.Errorf("%d keys are looked for, expected 80 and more", found)
	}
}
