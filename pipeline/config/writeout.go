package config

import (
	"encoding"
	"fmt"
	"reflect"
	"regexp"

	"go.yaml.in/yaml/v3"

	"rkd/pipeline/objective"
	"rkd/teacher"
)

// defaulted is a section of several forms or kinds: the keys of its own that may be left out, and what they then stand
// for. All others are not in use.
type defaulted interface{ Defaults() map[string]any }

// notes say what a key stands for that follows from other values, or whose value, written out, would be that of another
// training: it is null in a resolved configuration, with the note beside it.
var notes = []struct {
	path *regexp.Regexp
	text string
}{
	{regexp.MustCompile(`^student\.embedding_dim$`), "that of the teacher, or of the model's tensor"},
	{regexp.MustCompile(`^train\.steps_per_epoch$`), "one visit to every row on average"},
	{regexp.MustCompile(`^loss\..*normalize$`), "none"},
	{regexp.MustCompile(`^loss\..*decay$`), "none"},
	{regexp.MustCompile(`^loss\..*project$`), "where the widths differ"},
	{regexp.MustCompile(`^data\.scratch_dir$`), "the run directory"},
	{regexp.MustCompile(`^teacher\.(input|output)$`), "the model's only one"},
	{regexp.MustCompile(`color$`), "the image's own"},
}

// writeOut adds to the mapping of a section what it leaves out: zeros, false, and null for what has no value.
func writeOut(node *yaml.Node, v reflect.Value, path string) {
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	switch {
	case isLeaf(v) && v.Type() != reflect.TypeFor[objective.LabelLoss]():
		return
	case v.Kind() == reflect.Slice && node.Kind == yaml.SequenceNode:
		for i, item := range node.Content {
			writeOut(item, v.Index(i), path)
		}
		return
	case v.Kind() == reflect.Map && node.Kind == yaml.MappingNode:
		for _, key := range v.MapKeys() {
			if item := lookup(node, key.String()); item != nil {
				value := reflect.New(v.Type().Elem()).Elem()
				value.Set(v.MapIndex(key))
				writeOut(item, value, path)
			}
		}
		return
	case v.Kind() != reflect.Struct || node.Kind != yaml.MappingNode:
		return
	}
	if t, ok := v.Interface().(teacher.Options); ok && (t.Model == "" || t.Model == teacher.NoModel) {
		return // there is none, or several in a section of their own
	}
	fields := map[string]field{}
	known := addFields(nil, fields, v)
	if l, ok := v.Interface().(objective.LabelLoss); ok {
		known = addFields(known, fields, reflect.ValueOf(l.Options).Elem())
	}
	section, several := v.Interface().(defaulted)
	for _, key := range known {
		at := key
		if path != "" {
			at = path + "." + key
		}
		value := lookup(node, key)
		if value == nil {
			note := noteOf(at)
			if several {
				stands, own := section.Defaults()[key]
				if !own {
					continue
				}
				note = fmt.Sprint(stands)
			}
			if value = leftOut(fields[key]); value == nil {
				continue
			}
			if value.Tag == "!!null" {
				value.LineComment = note
			}
			setValue(node, key, value)
		}
		writeOut(value, fields[key].Value, at)
	}
}

func noteOf(path string) string {
	for _, n := range notes {
		if n.path.MatchString(path) {
			return n.text
		}
	}
	return ""
}

// isLeaf says whether a value is read as a whole, not key by key.
func isLeaf(v reflect.Value) bool {
	if !v.CanAddr() {
		return false
	}
	switch v.Addr().Interface().(type) {
	case *yaml.Node, yaml.Unmarshaler, encoding.TextUnmarshaler:
		return true
	}
	return false
}

// leftOut is the value of a key that a section leaves out, nil where it has none in a resolved configuration.
func leftOut(f field) *yaml.Node {
	null := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	scalar := func(tag, text string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: text} }
	switch {
	case f.Type() == reflect.TypeFor[yaml.Node](), f.Type() == reflect.TypeFor[Batch]():
		return nil // variants and grid are written out, batch is kept elsewhere
	case isLeaf(f.Value):
		return null
	case f.Kind() == reflect.Bool:
		return scalar("!!bool", "false")
	case f.CanInt(), f.CanUint(), f.CanFloat():
		if bounds, err := parseInterval(f.within); f.within != "" && (err != nil || !bounds.holds(0)) {
			return null
		}
		return scalar("!!int", "0")
	case f.Kind() == reflect.Struct:
		if short, ok := f.Addr().Interface().(shorthand); ok && short.Shorthand() == "weight" {
			return scalar("!!int", "0") // a loss that is not computed
		} else if ok {
			return null
		}
		return &yaml.Node{Kind: yaml.MappingNode}
	}
	return null
}
