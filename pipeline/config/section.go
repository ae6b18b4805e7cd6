package config

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"rkd/datasets"
)

// ParseSection fills v, a pointer to a struct, from text, YAML or JSON, as strictly as a configuration is read; name
// serves for messages.
func ParseSection(name string, text []byte, v any) error {
	doc, err := parseDocument(name, text)
	if err != nil {
		return err
	}
	return doc.decode(v)
}

// Values returns a section as nested maps and lists by the names of the file.
func Values(section any) (map[string]any, error) {
	data, err := yaml.Marshal(section)
	values := map[string]any{}
	if err == nil {
		err = yaml.Unmarshal(data, &values)
	}
	return values, err
}

// StudentPreprocess reads the section student.preprocess, and nothing else, of a resolved configuration.
func StudentPreprocess(name string, text []byte) (p datasets.Preprocess, err error) {
	doc, err := parseDocument(name, text)
	if err != nil {
		return p, err
	}
	node := doc.root
	for _, key := range []string{"student", "preprocess"} {
		if node = lookup(node, key); node == nil || node.Kind != yaml.MappingNode {
			return p, fmt.Errorf("%w: %s: expected a section student.preprocess", ErrConfig, name)
		}
	}
	return p, (&document{name: name, root: node}).decode(&p)
}
