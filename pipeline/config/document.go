package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"go.yaml.in/yaml/v3"
)

// document is a YAML file as nodes, so that values can be replaced and every error names its line.
type document struct {
	name string // of the file, for errors
	root *yaml.Node
	kind string // of a section whose keys depend on its kind and that names none
	// sets lists the keys of --set; a node from the i-th of them, from 0, is on line −(i+1).
	sets []string
}

func parseDocument(name string, data []byte) (*document, error) {
	if len(data) > maxDocument {
		return nil, fmt.Errorf("%w: %s: expected at most %d bytes of YAML", ErrConfig, name, maxDocument)
	}
	var top yaml.Node
	if err := yaml.Unmarshal(data, &top); err != nil {
		return nil, fmt.Errorf("%w: %s: %s", ErrConfig, name, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := checkSize(&top); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrConfig, name, err)
	}
	if len(top.Content) == 0 || top.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%w: %s: expected a YAML mapping with the sections of an experiment", ErrConfig, name)
	}
	return &document{name: name, root: top.Content[0]}, nil
}

// override sets the value at a dotted key from text of the form "a.b.c=value"; value is YAML.
func (d *document) override(assignment string) error {
	key, text, ok := strings.Cut(assignment, "=")
	if !ok || key == "" {
		return fmt.Errorf("%w: --set %q: expected KEY=VALUE", ErrConfig, assignment)
	}
	var value yaml.Node
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		return fmt.Errorf("%w: --set %s: %q is no YAML value", ErrConfig, key, text)
	}
	if err := checkSize(&value); err != nil {
		return fmt.Errorf("%w: --set %s: %w", ErrConfig, key, err)
	}
	if len(value.Content) == 0 { // an empty text is an empty string
		value.Content = []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str"}}
	}
	d.sets = append(d.sets, key)
	line := -len(d.sets)
	moveTo(value.Content[0], line)
	node := d.root
	parts := strings.Split(key, ".")
	for i, part := range parts {
		if node.Kind != yaml.MappingNode {
			return fmt.Errorf("%w: --set %s: %q is no section", ErrConfig, key, strings.Join(parts[:i], "."))
		}
		if i == len(parts)-1 {
			setValue(node, part, value.Content[0])
			break
		}
		next := lookup(node, part)
		if next == nil {
			next = &yaml.Node{Kind: yaml.MappingNode, Line: line}
			setValue(node, part, next)
		}
		node = next
	}
	return nil
}

// moveTo puts a node and all below it on a line.
func moveTo(n *yaml.Node, line int) {
	n.Line = line
	for _, inner := range n.Content {
		moveTo(inner, line)
	}
}

// lookup returns the value of key in a mapping, or nil.
func lookup(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

func setValue(mapping *yaml.Node, key string, value *yaml.Node) {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			mapping.Content[i+1] = value
			return
		}
	}
	mapping.Content = append(mapping.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key, Line: value.Line}, value)
}

// merge returns base with the keys of change laid over it: mappings are merged, everything else is replaced. Neither is
// changed.
func merge(base, change *yaml.Node) *yaml.Node {
	if base == nil || base.Kind != yaml.MappingNode || change.Kind != yaml.MappingNode {
		return change
	}
	merged := *base
	merged.Content = slices.Clone(base.Content)
	for i := 0; i+1 < len(change.Content); i += 2 {
		key := change.Content[i].Value
		setValue(&merged, key, merge(lookup(base, key), change.Content[i+1]))
	}
	return &merged
}

// architectures are the keys of student.arch of which there is one.
var architectures = []string{"conv", "mlp", "layers", "preset", "onnx"}

// clearFor returns base without its student.arch where the change names another kind of architecture: the keys of one
// kind mean nothing to another. base is not changed.
func clearFor(change, base *yaml.Node) *yaml.Node {
	was, becomes := named(base, "student", "arch"), named(change, "student", "arch")
	for _, kind := range architectures {
		if becomes != nil && lookup(becomes, kind) != nil {
			if was == nil || lookup(was, kind) != nil {
				return base
			}
			return merge(base, mapping("student", mapping("arch", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"})))
		}
	}
	return base
}

// named returns the section of these names, one below the other, or nil where one of them is none.
func named(node *yaml.Node, names ...string) *yaml.Node {
	for _, name := range names {
		if node == nil || node.Kind != yaml.MappingNode {
			return nil
		}
		node = lookup(node, name)
	}
	if node == nil || node.Kind != yaml.MappingNode {
		return nil
	}
	return node
}

// mapping is a section of one key.
func mapping(key string, value *yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: key}, value}}
}

// decode fills v, a pointer to a struct, strictly: an unknown key is an error that names the nearest known one, and a
// value of the wrong kind one that names what was expected.
func (d *document) decode(v any) error {
	return d.decodeInto(d.root, reflect.ValueOf(v).Elem(), "")
}

func (d *document) decodeInto(node *yaml.Node, v reflect.Value, path string) error {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	switch v.Addr().Interface().(type) {
	case *yaml.Node, yaml.Unmarshaler, encoding.TextUnmarshaler:
		return d.decodeLeaf(node, v, path)
	}
	switch v.Kind() {
	case reflect.Pointer:
		if node.Tag == "!!null" {
			v.SetZero()
			return nil
		}
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		return d.decodeInto(node, v.Elem(), path)
	case reflect.Struct:
		return d.decodeStruct(node, v, path)
	case reflect.Slice:
		if node.Tag == "!!null" {
			v.SetZero()
			return nil
		}
		if _, ok := v.Addr().Interface().(single); ok && node.Kind == yaml.MappingNode {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			return d.decodeInto(node, v.Index(0), path)
		}
		if node.Kind != yaml.SequenceNode {
			return d.wrong(node, path, "a list")
		}
		v.Set(reflect.MakeSlice(v.Type(), len(node.Content), len(node.Content)))
		for i, item := range node.Content {
			if err := d.decodeInto(item, v.Index(i), fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
		return nil
	case reflect.Map:
		if v.Type().Elem().Kind() == reflect.Struct {
			return d.decodeSections(node, v, path)
		}
		return d.decodeLeaf(node, v, path)
	default:
		return d.decodeLeaf(node, v, path)
	}
}

// decodeSections fills a map of sections by their names.
func (d *document) decodeSections(node *yaml.Node, v reflect.Value, path string) error {
	if node.Tag == "!!null" {
		v.SetZero()
		return nil
	}
	if node.Kind != yaml.MappingNode {
		return d.wrong(node, path, "a section of names, each with keys")
	}
	v.Set(reflect.MakeMap(v.Type()))
	for i := 0; i+1 < len(node.Content); i += 2 {
		name := reflect.ValueOf(node.Content[i].Value)
		if v.MapIndex(name).IsValid() {
			return fmt.Errorf("%w: %s: %q is given twice", ErrConfig, d.at(node.Content[i]), path+"."+name.String())
		}
		section := reflect.New(v.Type().Elem()).Elem()
		if err := d.decodeInto(node.Content[i+1], section, path+"."+name.String()); err != nil {
			return err
		}
		v.SetMapIndex(name, section)
	}
	return nil
}

// shorthand is a section that may be written as a single value: that of the key it names.
type shorthand interface{ Shorthand() string }

// preset is a section whose key "preset" names values for the others, which the keys beside it replace.
type preset interface{ UsePreset(name string) error }

// expectant is a value of a form of its own, which it describes.
type expectant interface{ Expects() string }

// single is a list that may be written as its only element.
type single interface{ Single() }

// checked is a section that wants to know which of its keys were given, for those whose zero value stands for a
// default.
type checked interface {
	CheckGiven(given func(key string) bool) error
}

// kinded is a section whose kind decides which keys it has beside those of all kinds.
type kinded interface {
	// OfKind makes the section one of a kind and returns a pointer to the struct of that kind's keys.
	OfKind(kind string) (any, error)
	// KindsWith lists the kinds that have a key.
	KindsWith(key string) []string
}

func (d *document) decodeStruct(node *yaml.Node, v reflect.Value, path string) error {
	section, isKinded := v.Addr().Interface().(kinded)
	if node.Tag == "!!null" && !isKinded {
		return nil
	}
	if node.Tag == "!!null" {
		node = &yaml.Node{Kind: yaml.MappingNode, Line: node.Line}
	}
	if short, ok := v.Addr().Interface().(shorthand); ok && node.Kind == yaml.ScalarNode {
		node = &yaml.Node{
			Kind:    yaml.MappingNode,
			Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: short.Shorthand()}, node},
		}
	}
	if node.Kind != yaml.MappingNode {
		return d.wrong(node, path, "a section with keys")
	}
	fields := map[string]field{}
	known := addFields(nil, fields, v)
	kind := d.kind
	if isKinded {
		if given := lookup(node, "kind"); given != nil && given.Tag != "!!null" {
			kind = given.Value
		}
		keys, err := section.OfKind(kind)
		if err != nil {
			return d.fault(node, path+".kind", "%s.kind is %s", path, err.Error())
		}
		known = addFields(known, fields, reflect.ValueOf(keys).Elem())
	}
	if p, ok := v.Addr().Interface().(preset); ok {
		if name := lookup(node, "preset"); name != nil && name.Value != "" && name.Tag != "!!null" {
			if err := p.UsePreset(name.Value); err != nil {
				return d.fault(name, path+".preset", "%s: %w", path, err)
			}
		}
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		full := strings.TrimPrefix(path+"."+key.Value, ".")
		field, ok := fields[key.Value]
		if !ok && isKinded {
			if kinds := section.KindsWith(key.Value); len(kinds) > 0 {
				return d.fault(key, full, "%s belongs to kind %s, but kind is %q", full, strings.Join(kinds, " or "), kind)
			}
		}
		if !ok {
			return d.fault(key, full, "unknown key %q, did you mean %q?", full, nearest(key.Value, known))
		}
		if seen[key.Value] {
			return d.fault(key, full, "%q is given twice", full)
		}
		seen[key.Value] = true
		err := d.decodeInto(node.Content[i+1], field.Value, full)
		if err == nil {
			err = d.checkGiven(node.Content[i+1], field.Value, field.within, full)
		}
		if err != nil {
			return err
		}
	}
	if s, ok := v.Addr().Interface().(checked); ok {
		if err := s.CheckGiven(func(key string) bool { return seen[key] && lookup(node, key).Tag != "!!null" }); err != nil {
			return d.fault(node, path, "%s: %w", path, err)
		}
	}
	return nil
}

// field is a field of a section, and the tag that says what the file may give it.
type field struct {
	reflect.Value
	within string
}

// addFields adds the fields of a struct by their keys, those of inlined structs too, and appends the keys to known.
func addFields(known []string, fields map[string]field, v reflect.Value) []string {
	for i := range v.NumField() {
		name, option, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		switch {
		case option == "inline":
			known = addFields(known, fields, v.Field(i))
		case name != "" && name != "-":
			fields[name] = field{v.Field(i), v.Type().Field(i).Tag.Get("within")}
			known = append(known, name)
		}
	}
	return known
}

func (d *document) decodeLeaf(node *yaml.Node, v reflect.Value, path string) error {
	if err := node.Decode(v.Addr().Interface()); err != nil {
		if e, ok := v.Addr().Interface().(expectant); ok {
			return d.wrong(node, path, e.Expects())
		}
		return d.wrong(node, path, expected(v.Type()))
	}
	if !isFinite(v) {
		return d.wrong(node, path, "a finite number")
	}
	return nil
}

func (d *document) wrong(node *yaml.Node, path, expected string) error {
	value := node.Value
	if node.Kind != yaml.ScalarNode {
		text, _ := yaml.Marshal(node)
		value = strings.TrimSpace(string(text))
	}
	return d.fault(node, path, "%s is %q, expected %s", path, value, expected)
}

// at is the position of a node in the file, or the option that it comes from.
func (d *document) at(node *yaml.Node) string {
	if i := -node.Line - 1; i >= 0 && i < len(d.sets) {
		return "--set " + d.sets[i]
	}
	if node.Line <= 0 {
		return d.name
	}
	return fmt.Sprintf("%s:%d", d.name, node.Line)
}

func expected(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint64:
		return "a whole number from 0 up"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Map:
		return "a section of names and values"
	case reflect.String:
		return "a text"
	}
	return "a number, or a list of numbers"
}

// nearest returns the known name with the smallest edit distance to name.
func nearest(name string, known []string) string {
	return slices.MinFunc(known, func(a, b string) int {
		return levenshtein.ComputeDistance(name, a) - levenshtein.ComputeDistance(name, b)
	})
}
