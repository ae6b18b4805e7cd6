// Package resample resizes 8-bit pictures with the arithmetic of Pillow's Image.resize, to the bit: two passes,
// horizontal then vertical, each with coefficients of 22 fractional bits and a result of 8 bits. It also has the plain
// bilinear and bicubic interpolation of PyTorch and OpenCV, which looks at the nearest two or four pixels however much
// a picture shrinks.
//
// It knows neither files nor configuration. The passes stand in portable Go and, with the same bits, in AVX2.
package resample

// Version changes when any picture is resized to other pixels than before; caches name it. Version 1 was
// golang.org/x/image/draw, which rounds once.
const Version = 2
