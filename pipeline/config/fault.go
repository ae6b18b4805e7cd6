package config

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// fieldError is a fault of a configuration whose key is known.
type fieldError struct {
	field string
	err   error
}

// Error says what is wrong, the key included.
func (e *fieldError) Error() string { return e.err.Error() }

// Unwrap is what is wrong: ErrConfig.
func (e *fieldError) Unwrap() error { return e.err }

// Field is the key, for machines.
func (e *fieldError) Field() string { return e.field }

// fault makes the error about a node that is the value of a key.
func (d *document) fault(node *yaml.Node, field, format string, args ...any) error {
	return &fieldError{field, fmt.Errorf("%w: %s: "+format, append([]any{ErrConfig, d.at(node)}, args...)...)}
}

// incomplete is an error of a configuration as a whole, with the option that its key was given by, where it was.
func (d *document) incomplete(err error) error {
	at := d.name
	if f, ok := errors.AsType[*fieldError](err); ok {
		if i := slices.IndexFunc(d.sets, func(key string) bool {
			return key == f.field || strings.HasPrefix(f.field, key+".")
		}); i >= 0 {
			at = "--set " + d.sets[i]
		}
	}
	return fmt.Errorf("%w: %s: %w", ErrConfig, at, err)
}

// subject is the key at the start of a sentence, or behind what a package puts before its own.
var subject = regexp.MustCompile(`(?:^|: )([a-z][a-z_]*(?:\.[a-z_]+)*) (?:is|are|has|names|of)\b`)

// aboutKey gives an error of a section, empty for the whole, the key that its sentence is about, where that is one.
func aboutKey(section string, err error) error {
	field := section
	for _, m := range subject.FindAllStringSubmatch(err.Error(), -1) {
		if full := strings.TrimPrefix(section+"."+m[1], "."); isKey(reflect.TypeFor[Config](), strings.Split(full, ".")) {
			field = full
			break
		}
	}
	if field == "" {
		return err
	}
	return &fieldError{field, err}
}

// isKey reports whether a section of type t has a key.
func isKey(t reflect.Type, path []string) bool {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct {
		t = t.Elem()
	}
	if len(path) == 0 {
		return true
	}
	if t.Kind() != reflect.Struct {
		return false
	}
	fields := map[string]field{}
	addFields(nil, fields, reflect.New(t).Elem())
	f, ok := fields[path[0]]
	return ok && isKey(f.Type(), path[1:])
}
