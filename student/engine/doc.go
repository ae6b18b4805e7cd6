// Package engine runs the graph of a student: forward, the objective on the embeddings, backward. Gorgonia is the
// reference, Gorgonia's tape machine over the operators of student/op. ONNXRuntime lowers what it can to ONNX models
// and runs the other operators' kernels between them, all on shared memory. lower.go is the only translation of graphs
// to ONNX, for the exporter too (ToONNX). What the objective is and what happens to gradients is student/train's.
package engine
