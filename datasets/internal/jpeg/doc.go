// Package jpeg decodes JPEG pictures to the very pixels that libjpeg-turbo 3.2 gives by default on x86-64, and so to
// those of Pillow and of everything trained on it: the accurate integer inverse DCT ("islow"), triangle-filtered
// ("fancy") upsampling of chroma, its rounding of YCbCr to RGB.
//
// It takes baseline, extended sequential and progressive pictures of 8 bits, Huffman or arithmetic coded, every
// sampling that libjpeg-turbo takes, gray, YCbCr, RGB, CMYK and YCCK, and recovers from damaged entropy-coded data as
// libjpeg does. Lossless and hierarchical pictures and 12 bits are refused.
//
// Each loop over pixels stands twice: in Go for any processor, and in AVX2 with the same bits.
//
// Sources: ITU-T Rec. T.81 for the format, and libjpeg-turbo's observable behaviour where the standard leaves a choice.
package jpeg
