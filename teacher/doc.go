// Package teacher is a frozen ONNX model as a function from samples to embeddings: preprocessing, the tap of a tensor
// inside the graph, batches, normalisation.
//
// Anything with one image-like input will do, an exported student too. The package knows neither where samples come
// from nor where embeddings go, and nothing of students; pipeline connects them.
package teacher
