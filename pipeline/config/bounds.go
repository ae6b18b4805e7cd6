package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"rkd/datasets/regular"
	"rkd/pipeline/storage"
)

// Bounds of a document: what a person writes is far below them, and what is above them was made to exhaust memory.
const (
	maxDocument = 1 << 20 // bytes
	maxNodes    = 1 << 16 // values, those behind aliases counted as often as they are named
	maxDepth    = 100
)

// readFile reads a configuration of at most maxDocument bytes.
func readFile(name string) ([]byte, error) {
	name, err := storage.Mirror(context.Background(), name)
	if err != nil {
		return nil, err
	}
	f, err := regular.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxDocument+1))
	return data, errors.Join(err, f.Close())
}

// checkSize refuses documents whose values, aliases followed, are too many or too deep, or hold themselves.
func checkSize(root *yaml.Node) error {
	nodes := 0
	open := map[*yaml.Node]bool{} // anchors on the way to a node
	var walk func(n *yaml.Node, depth int) error
	walk = func(n *yaml.Node, depth int) error {
		nodes++
		switch {
		case nodes > maxNodes:
			return fmt.Errorf("more than %d values, aliases followed", maxNodes)
		case depth > maxDepth:
			return fmt.Errorf("line %d: sections in more than %d others", n.Line, maxDepth)
		}
		if n.Kind == yaml.AliasNode {
			if open[n.Alias] {
				return fmt.Errorf("line %d: alias %q stands for a value that holds it", n.Line, n.Value)
			}
			open[n.Alias] = true
			defer delete(open, n.Alias)
			return walk(n.Alias, depth+1)
		}
		if n.Anchor != "" {
			open[n] = true
			defer delete(open, n)
		}
		for _, inner := range n.Content {
			if err := walk(inner, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return walk(root, 0)
}

// interval is a field's tag `within:"(0,1]"`: what the file may give it, a parenthesis leaving the end out. It holds
// for values that are given, so that a field whose zero value stands for its default refuses a zero that a user writes.
type interval struct {
	text            string
	low, high       float64
	openLow, isOpen bool
}

func parseInterval(text string) (i interval, err error) {
	low, high, ok := strings.Cut(strings.Trim(text, "()[]"), ",")
	if !ok || len(text) < 5 {
		return i, fmt.Errorf("interval %q, expected for example (0,1]", text)
	}
	i = interval{text: text, openLow: text[0] == '(', isOpen: text[len(text)-1] == ')'}
	if i.low, err = strconv.ParseFloat(low, 64); err == nil {
		i.high, err = strconv.ParseFloat(high, 64)
	}
	return i, err
}

func (i interval) holds(v float64) bool {
	return (v > i.low || v == i.low && !i.openLow) && (v < i.high || v == i.high && !i.isOpen)
}

// String says the interval as a sentence does.
func (i interval) String() string {
	number := func(v float64) string {
		if math.Abs(v) < 1e15 {
			return strconv.FormatFloat(v, 'f', -1, 64)
		}
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	switch {
	case i.openLow && i.isOpen:
		return fmt.Sprintf("more than %s and less than %s", number(i.low), number(i.high))
	case i.openLow:
		return fmt.Sprintf("more than %s, at most %s", number(i.low), number(i.high))
	case i.isOpen:
		return fmt.Sprintf("%s to less than %s", number(i.low), number(i.high))
	}
	return fmt.Sprintf("%s to %s", number(i.low), number(i.high))
}

// checkGiven holds a field that was read against its tag.
func (d *document) checkGiven(node *yaml.Node, field reflect.Value, tag, path string) error {
	if tag == "" || node.Tag == "!!null" {
		return nil
	}
	bounds, err := parseInterval(tag)
	if err != nil {
		return err
	}
	for field.Kind() == reflect.Pointer && !field.IsNil() {
		field = field.Elem()
	}
	values := []reflect.Value{field}
	if field.Kind() == reflect.Slice {
		values = values[:0]
		for i := range field.Len() {
			values = append(values, field.Index(i))
		}
	}
	for _, v := range values {
		x := 0.0
		switch {
		case v.CanInt():
			x = float64(v.Int())
		case v.CanFloat():
			x = v.Float()
		default:
			continue
		}
		if !bounds.holds(x) {
			return d.fault(node, path, "%s is %v, expected %s", path, v.Interface(), bounds)
		}
	}
	return nil
}

// isFinite says whether v, where it is a floating-point number, is one.
func isFinite(v reflect.Value) bool {
	return !v.CanFloat() || !math.IsNaN(v.Float()) && !math.IsInf(v.Float(), 0)
}
