// Package quantize makes smaller forms of ONNX models: int8, with activations and weights of 8 bits in QDQ form, and
// float16, with weights of 16 bits. It finds the layers, watches the activations on samples, chooses their ranges and
// rewrites the graph.
//
// It knows neither data sets nor what quality is: which samples are watched and whether the result is good enough is
// its caller's to say.
package quantize
