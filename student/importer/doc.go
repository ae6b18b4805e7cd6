// Package importer makes the body of a student's network (arch.Body) from an ONNX file: one file for each group of ONNX
// operators, the folding of constants, and the freezing of weights.
//
// Reading and checking the file belong to models/onnx, the operators that a node becomes to student/op, the head and
// the first weights to student/arch.
package importer
