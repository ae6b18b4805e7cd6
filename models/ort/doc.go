// Package ort runs ONNX models with ONNX Runtime: finding its shared library, the one environment of the process,
// sessions, and the tensors that go in and out.
//
// It is the only package that knows the binding underneath. What a model file holds is models/onnx's subject; what
// a model's numbers mean is its caller's.
package ort
