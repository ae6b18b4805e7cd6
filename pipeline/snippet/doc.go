// Package snippet writes programs that embed a picture with an exported model: in Python, for Node and in Go, short
// enough to be read and taken over. They decode with a library of their language, preprocess as the model's metadata
// say, run ONNX Runtime and print the embedding as JSON.
//
// It knows no model file: whoever calls it says what the model takes and gives.
package snippet
