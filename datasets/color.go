package datasets

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// RGB is a colour as it stands in a configuration: nothing, or red, green and blue from 0 to 255. In YAML it is black,
// white, one number for a gray, a list of three, or "#rrggbb".
type RGB []int

// UnmarshalYAML reads a colour.
func (c *RGB) UnmarshalYAML(node *yaml.Node) error {
	var gray int
	var three []int
	switch {
	case node.Kind == yaml.SequenceNode && node.Decode(&three) == nil && len(three) == 3:
		*c = three
		return nil
	case node.Kind == yaml.ScalarNode && node.Value == "black":
		*c = RGB{0, 0, 0}
		return nil
	case node.Kind == yaml.ScalarNode && node.Value == "white":
		*c = RGB{255, 255, 255}
		return nil
	case node.Kind == yaml.ScalarNode && node.Tag == "!!int" && node.Decode(&gray) == nil:
		*c = RGB{gray, gray, gray}
		return nil
	case node.Kind == yaml.ScalarNode:
		if hex, ok := strings.CutPrefix(node.Value, "#"); ok && len(hex) == 6 {
			if n, err := strconv.ParseUint(hex, 16, 32); err == nil {
				*c = RGB{int(n >> 16), int(n >> 8 & 255), int(n & 255)}
				return nil
			}
		}
	}
	return fmt.Errorf("line %d: colour is %s, expected %s", node.Line, describe(node), c.Expects())
}

// Expects describes the values that UnmarshalYAML reads.
func (RGB) Expects() string { return `black, white, a number, [red, green, blue] or "#rrggbb"` }

// MarshalYAML writes the colour as a list.
func (c RGB) MarshalYAML() (any, error) {
	var node yaml.Node
	if err := node.Encode([]int(c)); err != nil {
		return nil, err
	}
	node.Style = yaml.FlowStyle
	return &node, nil
}

// check tells what is wrong with a colour, if anything.
func (c RGB) check() error {
	if len(c) != 0 && len(c) != 3 {
		return fmt.Errorf("%d numbers, expected three", len(c))
	}
	for _, v := range c {
		if v < 0 || v > 255 {
			return fmt.Errorf("%d, expected 0 to 255", v)
		}
	}
	return nil
}

// bytes is the colour, black where there is none.
func (c RGB) bytes() [3]uint8 {
	if len(c) == 0 {
		return [3]uint8{}
	}
	return [3]uint8{uint8(c[0]), uint8(c[1]), uint8(c[2])}
}

// gray reports whether the three values are one.
func (c RGB) gray() bool { return len(c) == 0 || c[0] == c[1] && c[1] == c[2] }

// Alpha is what becomes of transparency: nothing, the default, drops the channel and keeps the colours under it; a
// colour is laid below the picture. In YAML it is drop or a colour.
type Alpha RGB

// UnmarshalYAML reads drop or a colour.
func (a *Alpha) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode && node.Value == "drop" {
		*a = nil
		return nil
	}
	if (*RGB)(a).UnmarshalYAML(node) != nil {
		return fmt.Errorf("line %d: alpha is %s, expected %s", node.Line, describe(node), a.Expects())
	}
	return nil
}

// Expects describes the values that UnmarshalYAML reads.
func (Alpha) Expects() string { return "drop, " + RGB{}.Expects() }

// MarshalYAML writes what UnmarshalYAML reads.
func (a Alpha) MarshalYAML() (any, error) {
	if len(a) == 0 {
		return "drop", nil
	}
	return RGB(a).MarshalYAML()
}
