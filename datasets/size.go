package datasets

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// Size is a size in pixels as it stands in a configuration: nothing, one number, or height and width. What one number
// means is said where it is used. In YAML it is a number (0 for nothing) or a list of two, [height, width].
type Size []int

// maxSide bounds each number of a Size.
const maxSide = 1 << 14

// UnmarshalYAML reads a number or a list of two.
func (s *Size) UnmarshalYAML(node *yaml.Node) error {
	*s = nil
	var one int
	if node.Kind == yaml.ScalarNode && node.Decode(&one) == nil {
		if one != 0 {
			*s = Size{one}
		}
		return nil
	}
	var two []int
	if node.Kind == yaml.SequenceNode && node.Decode(&two) == nil && len(two) == 2 {
		*s = two
		return nil
	}
	return fmt.Errorf("line %d: size is %s, expected one number or [height, width]", node.Line, describe(node))
}

// describe shows a node in a message.
func describe(node *yaml.Node) string {
	switch node.Kind {
	case yaml.ScalarNode:
		return fmt.Sprintf("%q", node.Value)
	case yaml.SequenceNode:
		return fmt.Sprintf("a list of %d", len(node.Content))
	default:
		return "a mapping"
	}
}

// MarshalYAML writes the size the way it is read.
func (s Size) MarshalYAML() (any, error) {
	if len(s) == 1 {
		return s[0], nil
	}
	var node yaml.Node
	if err := node.Encode([]int(s)); err != nil {
		return nil, err
	}
	node.Style = yaml.FlowStyle
	return &node, nil
}

// check tells what is wrong with a size, if anything.
func (s Size) check() error {
	if len(s) > 2 {
		return fmt.Errorf("%d numbers, expected one or [height, width]", len(s))
	}
	for _, n := range s {
		if n < 1 || n > maxSide {
			return fmt.Errorf("%d, expected 1 to %d pixels", n, maxSide)
		}
	}
	return nil
}
