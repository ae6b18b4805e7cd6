// Package pipeline runs experiments: it reads a configuration and carries out its stages, precompute, distill, export
// and evaluate, each skipped where its result is there and up to date. It is the only place where teacher, student,
// cache and data sets meet. Command lines, terminals and exit codes are cmd/rkd's.
package pipeline
