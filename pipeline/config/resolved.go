package config

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"

	"rkd/datasets"
	"rkd/pipeline/objective"
	"rkd/student/train"
	"rkd/teacher"
)

// Resolved returns the configuration as YAML: every key of the sections in use with its value, a section for each
// variant. null stands for no value, or for one that follows from others, which a comment then names. It reads back as
// the same trainings.
func (e *Experiment) Resolved() ([]byte, error) {
	base := e.Base.resolved()
	shared, err := changeable(base)
	if err != nil {
		return nil, fmt.Errorf("writing out the configuration: %w", err)
	}
	variants := yaml.Node{Kind: yaml.MappingNode}
	for _, v := range e.Variants {
		change, err := changeable(v.Config.resolved())
		if err != nil {
			return nil, fmt.Errorf("writing out variant %q: %w", v.Name, err)
		}
		withNulls(change, shared)
		setValue(&variants, v.Name, change)
	}
	base.Variants = variants
	var node yaml.Node
	if err := node.Encode(&base); err != nil {
		return nil, fmt.Errorf("writing out the configuration: %w", err)
	}
	writeOut(&node, reflect.ValueOf(&base), "")
	data, err := yaml.Marshal(&node)
	if err != nil {
		return nil, fmt.Errorf("writing out the configuration: %w", err)
	}
	return data, nil
}

// changeable writes out the sections that variants may change.
func changeable(c Config) (*yaml.Node, error) {
	var node yaml.Node
	sections := struct {
		Student Student          `yaml:"student"`
		Loss    objective.Losses `yaml:"loss"`
		Train   train.Options    `yaml:"train"`
		Engine  Engine           `yaml:"engine"`
		Export  Export           `yaml:"export"`
	}{c.Student, c.Loss, c.Train, c.Engine, c.Export}
	err := node.Encode(&sections)
	if err == nil {
		writeOut(&node, reflect.ValueOf(&sections), "")
	}
	return &node, err
}

// withNulls gives change a null for every key that base has and change has not, so that change laid over base is
// change.
func withNulls(change, base *yaml.Node) {
	if change.Kind != yaml.MappingNode || base.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(base.Content); i += 2 {
		key := base.Content[i].Value
		if own := lookup(change, key); own != nil {
			withNulls(own, base.Content[i+1])
		} else {
			setValue(change, key, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"})
		}
	}
}

// resolved writes out the defaults that complete leaves to the packages whose options they are.
func (c Config) resolved() Config {
	c.Data.Train, c.Data.Test = resolvedSources(c.Data.Train), resolvedSources(c.Data.Test)
	if c.Data.Split != (datasets.Division{}) {
		c.Data.Split.By = cmp.Or(c.Data.Split.By, datasets.BySample)
	}
	limits := c.Data.Limits
	c.Data.Limits = limits.Resolved()
	c.Data.Augment = c.Data.Augment.Resolved()
	if len(c.Teachers) == 0 && !c.Untaught() {
		c.Teacher = resolvedTeacher(c.Teacher)
	}
	c.Teachers = maps.Clone(c.Teachers)
	for name, t := range c.Teachers {
		t.Options = resolvedTeacher(t.Options)
		c.Teachers[name] = t
	}
	preprocess := c.Student.Preprocess.Resolved()
	c.Student.Preprocess = &preprocess
	c.Student.Arch = c.Student.Arch.Resolved()
	if c.Loss.OnLogits() {
		c.Student.Head = c.Student.Head.Resolved()
	}
	c.Loss = c.Loss.Resolved()
	steps := c.Train.StepsPerEpoch
	c.Train = c.Train.Resolved()
	c.Train.StepsPerEpoch = steps
	c.Engine.Provider = cmp.Or(c.Engine.Provider, providerCPU)
	return c
}

func resolvedTeacher(o teacher.Options) teacher.Options {
	o.Preprocess = o.Preprocess.Resolved()
	o.Normalize = cmp.Or(o.Normalize, teacher.NormalizeNone)
	o.Batch = cmp.Or(o.Batch, teacher.DefaultBatch)
	o.Provider = cmp.Or(o.Provider, providerCPU)
	return o
}

func resolvedSources(sources datasets.Sources) datasets.Sources {
	sources = slices.Clone(sources)
	for i := range sources {
		sources[i].OnError = cmp.Or(sources[i].OnError, "fail")
	}
	return sources
}

// providerCPU is the execution provider where none is named.
const providerCPU = "cpu"
