package config

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"

	"rkd/teacher"
)

// Values of Config.Paths.
const (
	pathsCurrent = "current"
	pathsFile    = "file"
)

// placePaths makes the paths of a configuration that says `paths: file` relative to where rkd runs, as those of all
// others are. They are the fields with the tag path:"true"; absolute ones and addresses (scheme://) are left alone.
// file is that of the configuration.
func (c *Config) placePaths(file string) error {
	switch c.Paths {
	case "", pathsCurrent:
	case pathsFile:
		if c.Dir == "" && c.Name != "" {
			c.Dir = filepath.Join("runs", c.Name)
		}
		place(reflect.ValueOf(c).Elem(), filepath.Dir(file))
	default:
		return aboutKey("", fmt.Errorf("paths is %q, expected %s or %s", c.Paths, pathsCurrent, pathsFile))
	}
	c.Paths = "" // a resolved configuration has the paths as they are now
	return nil
}

// place joins dir and the paths below v.
func place(v reflect.Value, dir string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			place(v.Elem(), dir)
		}
	case reflect.Slice:
		for i := range v.Len() {
			place(v.Index(i), dir)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			value := reflect.New(v.Type().Elem()).Elem()
			value.Set(v.MapIndex(key))
			place(value, dir)
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Field(i)
			if !field.CanSet() {
				continue
			}
			if v.Type().Field(i).Tag.Get("path") == "" {
				place(field, dir)
				continue
			}
			if path := field.String(); path != "" && path != teacher.NoModel && !filepath.IsAbs(path) &&
				!strings.Contains(path, "://") {
				field.SetString(filepath.Join(dir, path))
			}
		}
	}
}
