package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxGrid bounds the number of variants of a grid: a larger one is a mistake.
const maxGrid = 10_000

// gridValue is what a value looks like that stands in a variant's name as it is; others are numbered.
var gridValue = regexp.MustCompile(`^[A-Za-z0-9.-]+$`)

// axis is a key of the grid with its values.
type axis struct {
	key    string // student.embedding_dim
	name   string // in variants' names: embedding_dim, or the whole key where that is not unique
	values []*yaml.Node
}

// spread returns changes, the `variants` section, with each variant once for each combination of the grid's values, the
// last key's changing fastest. Its name goes on with keys and values: plain_embedding_dim-8_lr-0.001. Without variants
// the grid alone makes them.
func spread(doc *document, grid, changes *yaml.Node) (*yaml.Node, error) {
	if grid.Kind == 0 || grid.Tag == "!!null" {
		return changes, nil
	}
	axes, err := gridAxes(doc, grid)
	if err != nil || len(axes) == 0 {
		return changes, err
	}
	if changes.Kind != 0 && changes.Kind != yaml.MappingNode && changes.Tag != "!!null" {
		return changes, nil // which expand refuses
	}
	variants := changes.Content
	if len(variants) == 0 {
		variants = []*yaml.Node{{Kind: yaml.ScalarNode, Line: grid.Line}, {Kind: yaml.MappingNode, Line: grid.Line}}
	}
	all := &yaml.Node{Kind: yaml.MappingNode, Line: grid.Line}
	for i := 0; i+1 < len(variants); i += 2 {
		points := []*yaml.Node{variants[i], variants[i+1]}
		for _, a := range axes {
			if len(points)/2*len(a.values) > maxGrid {
				return nil, fmt.Errorf("%w: %s: grid makes more than %d variants", ErrConfig, doc.at(grid), maxGrid)
			}
			points = a.spread(points)
		}
		all.Content = append(all.Content, points...)
	}
	return all, nil
}

// gridAxes reads the keys of a grid and their values.
func gridAxes(doc *document, grid *yaml.Node) ([]axis, error) {
	if grid.Kind != yaml.MappingNode {
		return nil, doc.wrong(grid, "grid", "a section of keys, each with a list of values")
	}
	var axes []axis
	names := map[string]int{}
	for i := 0; i+1 < len(grid.Content); i += 2 {
		key, values := grid.Content[i], grid.Content[i+1]
		section, _, _ := strings.Cut(key.Value, ".")
		if !slices.Contains(variable, section) {
			return nil, fmt.Errorf("%w: %s: grid changes %q: variants share data, teacher and cache, and differ in %v only",
				ErrConfig,
				doc.at(key), key.Value, variable)
		}
		if values.Kind != yaml.SequenceNode || len(values.Content) == 0 {
			return nil, doc.wrong(values, "grid."+key.Value, "a list of values")
		}
		a := axis{key: key.Value, name: key.Value[strings.LastIndex(key.Value, ".")+1:], values: values.Content}
		for j, v := range a.values {
			if slices.ContainsFunc(a.values[:j], func(w *yaml.Node) bool { return sameText(v, w) }) {
				return nil, fmt.Errorf("%w: %s: grid.%s lists %q twice", ErrConfig, doc.at(v), a.key, v.Value)
			}
		}
		names[a.name]++
		axes = append(axes, a)
	}
	for i := range axes {
		if names[axes[i].name] > 1 {
			axes[i].name = axes[i].key
		}
	}
	return axes, nil
}

// sameText says whether two nodes are the same single value.
func sameText(v, w *yaml.Node) bool {
	return v.Kind == yaml.ScalarNode && w.Kind == yaml.ScalarNode && v.Value == w.Value
}

// spread returns variants, names and changes in turn, once for each of the axis's values.
func (a axis) spread(variants []*yaml.Node) []*yaml.Node {
	var all []*yaml.Node
	for i := 0; i+1 < len(variants); i += 2 {
		for j, value := range a.values {
			name := *variants[i]
			if name.Value != "" {
				name.Value += "_"
			}
			text := fmt.Sprint(j + 1)
			if value.Kind == yaml.ScalarNode && gridValue.MatchString(value.Value) {
				text = value.Value
			}
			name.Value += a.name + "-" + text
			all = append(all, &name, merge(variants[i+1], a.change(value)))
		}
	}
	return all
}

// change is the section that gives the axis's key a value.
func (a axis) change(value *yaml.Node) *yaml.Node {
	parts := strings.Split(a.key, ".")
	for _, part := range slices.Backward(parts) {
		section := &yaml.Node{Kind: yaml.MappingNode, Line: value.Line}
		setValue(section, part, value)
		value = section
	}
	return value
}
