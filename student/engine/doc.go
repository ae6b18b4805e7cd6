// Package engine runs the graph of a student: forward, the objective on the embeddings, backward. Gorgonia is the
// reference, Gorgonia's tape machine over the operators of student/op. ToONNX lowers an inference graph to an ONNX model;
// it is the only translation from one to the other. What the objective is and what happens to gradients is
// student/train's.
package engine
