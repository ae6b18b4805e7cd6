package config

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed recipe/*.yaml
var recipeFiles embed.FS

// Recipes lists the names of the sets of defaults that a configuration can start from.
func Recipes() []string {
	entries, _ := recipeFiles.ReadDir("recipe") // embedded: it is there
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), path.Ext(e.Name())))
	}
	return names
}

// whole are sections that a file gives as a whole or not at all: what a recipe has beside its own keys would not fit
// them.
var whole = [][]string{{"student", "arch"}, {"student", "preprocess"}, {"data", "augment"}, {"train", "batch"}}

// useRecipe lays the document over the recipe that it names, if it names one. The key itself is gone then: all that the
// recipe says is written out.
func (d *document) useRecipe() error {
	node := lookup(d.root, "recipe")
	if node == nil {
		return nil
	}
	own := &yaml.Node{Kind: yaml.MappingNode, Tag: d.root.Tag, Line: d.root.Line, Column: d.root.Column}
	for i := 0; i+1 < len(d.root.Content); i += 2 {
		if d.root.Content[i] != node && d.root.Content[i].Value != "recipe" {
			own.Content = append(own.Content, d.root.Content[i:i+2]...)
		}
	}
	if node.Tag == "!!null" {
		d.root = own
		return nil
	}
	if node.Kind != yaml.ScalarNode || !slices.Contains(Recipes(), node.Value) {
		return d.wrong(node, "recipe", "one of "+strings.Join(Recipes(), ", "))
	}
	text, err := recipeFiles.ReadFile("recipe/" + node.Value + ".yaml")
	if err != nil {
		return fmt.Errorf("reading recipe %s: %w", node.Value, err)
	}
	recipe, err := parseDocument("recipe "+node.Value, text)
	if err != nil {
		return err
	}
	for _, section := range whole {
		parent, mine := lookup(recipe.root, section[0]), lookup(own, section[0])
		if parent != nil && mine != nil && lookup(mine, section[1]) != nil {
			remove(parent, section[1])
		}
	}
	if student := lookup(own, "student"); student != nil && isTrue(lookup(student, "drop_in")) {
		for _, key := range notOfDropIns {
			if section := lookup(recipe.root, key[0]); section != nil {
				remove(section, key[1])
			}
		}
	}
	d.root = merge(recipe.root, own)
	return nil
}

// notOfDropIns are keys of a recipe that a drop-in student follows its teacher in.
var notOfDropIns = [][]string{
	{"cache", "pca"}, {"cache", "whiten"}, {"student", "embedding_dim"}, {"student", "normalize"},
}

// isTrue says whether a key is there and true.
func isTrue(node *yaml.Node) bool {
	on := false
	return node != nil && node.Decode(&on) == nil && on
}

// remove takes a key out of a mapping.
func remove(node *yaml.Node, key string) {
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			node.Content = slices.Delete(node.Content, i, i+2)
			return
		}
	}
}
