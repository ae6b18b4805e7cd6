// Package config is an experiment as its YAML file describes it: strict reading, sections, defaults and variants. The
// sections whose subject is another package's, such as `train`, `student.arch` and `loss`, are that package's own.
// Nothing is opened here but the file itself.
package config
