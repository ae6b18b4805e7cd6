// Package op holds the student's operators: convolution, dense layer, batch normalisation, pooling and what goes between
// them, each in one file with its gradient, in float32 and float64. A public function checks shapes and adds a node to a
// Gorgonia graph; the node's operator computes (Do), is differentiated (SymDiff) and, where it can stand in an inference
// graph, says which ONNX nodes compute the same (Lower). Losses are not here (student/loss), nor are parameters,
// architectures (student/arch) and the running of graphs (student/engine).
//
// An engine prepares convolutions once on fixed memory (Planner): as sums of moved planes where the processor has AVX-512,
// else as products of column matrices, for which it brings a faster product than gonum's. It may compute an operator in
// one pass with those before it (Fuser).
//
// Operators are pure: no state is kept between two executions but buffers to work in. Results do not depend on the
// number of processors. An operator's gradient operators are not differentiable themselves.
//
// gorgonia.Backpropagate makes every gradient that can be made, that of the network's input too. A program compiled from
// the whole graph computes them all: compile the wanted ones with gorgonia.CompileFunction.
package op
