package teacher

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// Names are one tensor or several, in order. In YAML they are a text or a list of texts.
type Names []string

// UnmarshalYAML reads a name or a list of names.
func (n *Names) UnmarshalYAML(node *yaml.Node) error {
	var one string
	var several []string
	switch {
	case node.Kind == yaml.ScalarNode && node.Tag != "!!null" && node.Decode(&one) == nil:
		*n = nil
		if one != "" {
			*n = Names{one}
		}
	case node.Kind == yaml.SequenceNode && node.Decode(&several) == nil:
		*n = several
	case node.Tag == "!!null":
		*n = nil
	default:
		return fmt.Errorf("line %d: expected %s", node.Line, n.Expects())
	}
	return nil
}

// Expects describes the values that UnmarshalYAML reads.
func (Names) Expects() string { return "a tensor's name or a list of names" }

// MarshalYAML writes one name as a text, as files had it before there were lists.
func (n Names) MarshalYAML() (any, error) {
	if len(n) == 1 {
		return n[0], nil
	}
	return []string(n), nil
}

// Constants are values of a model's inputs beside the one that takes the samples, by their names: a number for all
// elements, or the elements in row-major order. See onnx.Model.Fix.
type Constants map[string]Numbers

// Numbers are one number or several. In YAML they are a number or a list of numbers.
type Numbers []float64

// UnmarshalYAML reads a number or a list of numbers; true and false are 1 and 0.
func (n *Numbers) UnmarshalYAML(node *yaml.Node) error {
	nodes := []*yaml.Node{node}
	if node.Kind == yaml.SequenceNode {
		nodes = node.Content
	}
	*n = nil
	for _, item := range nodes {
		var number float64
		var truth bool
		switch {
		case item.Tag == "!!bool" && item.Decode(&truth) == nil:
			if truth {
				number = 1
			}
		case item.Kind != yaml.ScalarNode || item.Tag == "!!null" || item.Decode(&number) != nil:
			return fmt.Errorf("line %d: expected %s", item.Line, n.Expects())
		}
		*n = append(*n, number)
	}
	if len(*n) == 0 {
		return fmt.Errorf("line %d: expected %s", node.Line, n.Expects())
	}
	return nil
}

// Expects describes the values that UnmarshalYAML reads.
func (Numbers) Expects() string { return "a number or a list of numbers" }

// MarshalYAML writes one number as such.
func (n Numbers) MarshalYAML() (any, error) {
	if len(n) == 1 {
		return n[0], nil
	}
	var node yaml.Node
	err := node.Encode([]float64(n))
	node.Style = yaml.FlowStyle
	return &node, err
}
