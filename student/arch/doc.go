// Package arch turns the architecture of a configuration into a student: the list of its layers, written out or named
// by a short form or a preset, its parameters with their first values, and its Gorgonia graph, for training and for
// inference. It says what is computed; the operators themselves are in student/op, and running a graph is
// student/engine's.
package arch
