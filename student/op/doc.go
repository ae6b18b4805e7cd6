// Package op holds the student's operators: convolution, dense layer, batch normalisation, pooling and what goes
// between them, each in one file with its gradient, in float32 and float64. A public function checks shapes and adds a
// node to a Gorgonia graph. Losses are not here (student/loss), nor are parameters, architectures (student/arch) and
// the running of graphs (student/engine); the kernels of convolutions are in student/internal/conv.
//
// To Gorgonia an operator is what computes (Do) and is differentiated (SymDiff). To an engine and to the exporter it is
// an [Operator], the one interface for all that they may ask: whether it has an ONNX form, whether its kernel or a plan
// on fixed memory is faster, whether it is a view, and with which producers it fuses. The rules of fusion are one
// table, in fuse.go.
//
// Operators are pure: no state is kept between two executions but scratch buffers. Results do not depend on the number
// of threads. The operator of a gradient is not differentiable itself.
//
// gorgonia.Backpropagate makes every gradient that can be made, that of the network's input too. A program compiled
// from the whole graph computes them all: compile the wanted ones with gorgonia.CompileFunction.
package op
