// Package onnx is the ONNX document: the messages of a model file, reading and writing them, and surgery on the graph.
//
// A Model is a file in memory. It can be checked, tapped at any tensor inside, folded, hashed, given metadata and
// saved; a Builder makes a new one node by node. Nothing here computes: models/ort runs what this package describes.
// Bad input is an error, never a panic.
package onnx

//go:generate protoc -I ../.. --go_out=../.. --go_opt=paths=source_relative models/onnx/onnx.proto
