// Package conv computes two-dimensional convolutions and their gradients on slices. Forward, InputGrad and WeightGrad
// are the reference: im2col and a matrix product, for both element types. Plan prepares one of them on fixed memory, in
// float32: as direct kernels where the processor has AVX-512, else as blocked im2col with an engine's matrix product.
// Graphs, shape checks and gradients' derivation are package op's.
//
// How a batch is partitioned, and with it every rounding error, is a function of the shapes, not of the number of
// workers.
package conv
