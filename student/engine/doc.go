// Package engine trains and runs the graph of a student: forward, an objective on the embeddings, backward, and the
// update of the weights. Gorgonia is the reference, Gorgonia's tape machine over the operators of student/op.
// ONNXRuntime lowers operators to ONNX models where that is fast and runs the kernels of the others between them, all
// on shared memory. lower.go is the only translation of graphs to ONNX, for the exporter too (ToONNX).
//
// What is minimised, batches, schedules and checkpoints belong to student/train and student/loss, the formulas of
// optimisers to student/optim.
package engine
