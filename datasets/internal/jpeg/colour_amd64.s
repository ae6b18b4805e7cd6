#include "textflag.h"

// FILL fills the 32 bytes of a constant.
#define FILL(name, x) \
	DATA name<>+0(SB)/8, x  \
	DATA name<>+8(SB)/8, x  \
	DATA name<>+16(SB)/8, x \
	DATA name<>+24(SB)/8, x \
	GLOBL name<>(SB), RODATA|NOPTR, $32

FILL(sign, $0x8080808080808080)
FILL(unit, $0x0001000100010001)
FILL(red, $0x66e966e966e966e9)       // (1.402 − 1)·2¹⁶
FILL(blue, $0xc5a2c5a2c5a2c5a2)      // (1.772 − 2)·2¹⁶
FILL(green, $0x492ea7e6492ea7e6) // of Cb −0.34414·2¹⁶, of Cr (1 − 0.71414)·2¹⁶
FILL(half, $0x0000800000008000)

// shuffleCP places the bytes of channel C of 16 pixels in the P-th 16 bytes of the interleaved ones.
DATA shuffleR0<>+0(SB)/8, $0x8002808001808000
DATA shuffleR0<>+8(SB)/8, $0x0580800480800380
DATA shuffleR0<>+16(SB)/8, $0x8002808001808000
DATA shuffleR0<>+24(SB)/8, $0x0580800480800380
GLOBL shuffleR0<>(SB), RODATA|NOPTR, $32
DATA shuffleR1<>+0(SB)/8, $0x8080078080068080
DATA shuffleR1<>+8(SB)/8, $0x800a808009808008
DATA shuffleR1<>+16(SB)/8, $0x8080078080068080
DATA shuffleR1<>+24(SB)/8, $0x800a808009808008
GLOBL shuffleR1<>(SB), RODATA|NOPTR, $32
DATA shuffleR2<>+0(SB)/8, $0x0d80800c80800b80
DATA shuffleR2<>+8(SB)/8, $0x80800f80800e8080
DATA shuffleR2<>+16(SB)/8, $0x0d80800c80800b80
DATA shuffleR2<>+24(SB)/8, $0x80800f80800e8080
GLOBL shuffleR2<>(SB), RODATA|NOPTR, $32
DATA shuffleG0<>+0(SB)/8, $0x0280800180800080
DATA shuffleG0<>+8(SB)/8, $0x8080048080038080
DATA shuffleG0<>+16(SB)/8, $0x0280800180800080
DATA shuffleG0<>+24(SB)/8, $0x8080048080038080
GLOBL shuffleG0<>(SB), RODATA|NOPTR, $32
DATA shuffleG1<>+0(SB)/8, $0x8007808006808005
DATA shuffleG1<>+8(SB)/8, $0x0a80800980800880
DATA shuffleG1<>+16(SB)/8, $0x8007808006808005
DATA shuffleG1<>+24(SB)/8, $0x0a80800980800880
GLOBL shuffleG1<>(SB), RODATA|NOPTR, $32
DATA shuffleG2<>+0(SB)/8, $0x80800c80800b8080
DATA shuffleG2<>+8(SB)/8, $0x800f80800e80800d
DATA shuffleG2<>+16(SB)/8, $0x80800c80800b8080
DATA shuffleG2<>+24(SB)/8, $0x800f80800e80800d
GLOBL shuffleG2<>(SB), RODATA|NOPTR, $32
DATA shuffleB0<>+0(SB)/8, $0x8080018080008080
DATA shuffleB0<>+8(SB)/8, $0x8004808003808002
DATA shuffleB0<>+16(SB)/8, $0x8080018080008080
DATA shuffleB0<>+24(SB)/8, $0x8004808003808002
GLOBL shuffleB0<>(SB), RODATA|NOPTR, $32
DATA shuffleB1<>+0(SB)/8, $0x0780800680800580
DATA shuffleB1<>+8(SB)/8, $0x8080098080088080
DATA shuffleB1<>+16(SB)/8, $0x0780800680800580
DATA shuffleB1<>+24(SB)/8, $0x8080098080088080
GLOBL shuffleB1<>(SB), RODATA|NOPTR, $32
DATA shuffleB2<>+0(SB)/8, $0x800c80800b80800a
DATA shuffleB2<>+8(SB)/8, $0x0f80800e80800d80
DATA shuffleB2<>+16(SB)/8, $0x800c80800b80800a
DATA shuffleB2<>+24(SB)/8, $0x0f80800e80800d80
GLOBL shuffleB2<>(SB), RODATA|NOPTR, $32

// CONVERT makes red, green and blue of 16 pixels, as words in Y0, Y1 and Y2: luma in Y0, Cb and Cr around 0 in Y1 and
// Y2. A product with a factor f is rounded as ((2·x·f >> 16) + 1) >> 1 = (x·f + 2¹⁵) >> 16. Y3 to Y6 are scratch; Y15
// is one.
#define CONVERT \
	VPADDW Y2, Y2, Y3             \
	VPMULHW red<>(SB), Y3, Y3     \
	VPADDW Y15, Y3, Y3            \
	VPSRAW $1, Y3, Y3             \
	VPADDW Y2, Y3, Y3             \ // 1.402·Cr
	VPADDW Y1, Y1, Y4             \
	VPMULHW blue<>(SB), Y4, Y5    \
	VPADDW Y15, Y5, Y5            \
	VPSRAW $1, Y5, Y5             \
	VPADDW Y4, Y5, Y5             \ // 1.772·Cb
	VPUNPCKLWD Y2, Y1, Y4         \
	VPUNPCKHWD Y2, Y1, Y6         \
	VPMADDWD green<>(SB), Y4, Y4  \
	VPMADDWD green<>(SB), Y6, Y6  \
	VPADDD half<>(SB), Y4, Y4     \
	VPADDD half<>(SB), Y6, Y6     \
	VPSRAD $16, Y4, Y4            \
	VPSRAD $16, Y6, Y6            \
	VPACKSSDW Y6, Y4, Y4          \
	VPSUBW Y2, Y4, Y4             \ // −0.34414·Cb − 0.71414·Cr
	VPADDW Y0, Y4, Y1             \
	VPADDW Y0, Y5, Y2             \
	VPADDW Y0, Y3, Y0

// PLACE is 16 bytes of the interleaved pixels of each lane.
#define PLACE(r, g, b, out) \
	VPSHUFB r<>(SB), Y0, out \
	VPSHUFB g<>(SB), Y1, Y5  \
	VPSHUFB b<>(SB), Y2, Y6  \
	VPOR Y5, out, out        \
	VPOR Y6, out, out

// func yccToRGBAVX2(dst, y, cb, cr *uint8, n int)
TEXT ·yccToRGBAVX2(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ y+8(FP), SI
	MOVQ cb+16(FP), BX
	MOVQ cr+24(FP), DX
	MOVQ n+32(FP), CX
	VMOVDQU sign<>(SB), Y14
	VMOVDQU unit<>(SB), Y15
	VPXOR Y13, Y13, Y13

pixels32:
	VMOVDQU (SI), Y10
	VPXOR (BX), Y14, Y11
	VPXOR (DX), Y14, Y12
	VPUNPCKLBW Y13, Y10, Y0
	VPUNPCKLBW Y11, Y13, Y1
	VPUNPCKLBW Y12, Y13, Y2
	VPSRAW $8, Y1, Y1
	VPSRAW $8, Y2, Y2
	CONVERT
	VMOVDQU Y0, Y7
	VMOVDQU Y1, Y8
	VMOVDQU Y2, Y9
	VPUNPCKHBW Y13, Y10, Y0
	VPUNPCKHBW Y11, Y13, Y1
	VPUNPCKHBW Y12, Y13, Y2
	VPSRAW $8, Y1, Y1
	VPSRAW $8, Y2, Y2
	CONVERT
	VPACKUSWB Y0, Y7, Y0
	VPACKUSWB Y1, Y8, Y1
	VPACKUSWB Y2, Y9, Y2
	PLACE(shuffleR0, shuffleG0, shuffleB0, Y3)
	PLACE(shuffleR1, shuffleG1, shuffleB1, Y4)
	PLACE(shuffleR2, shuffleG2, shuffleB2, Y7)
	VMOVDQU X3, (DI)
	VMOVDQU X4, 16(DI)
	VMOVDQU X7, 32(DI)
	VEXTRACTI128 $1, Y3, 48(DI)
	VEXTRACTI128 $1, Y4, 64(DI)
	VEXTRACTI128 $1, Y7, 80(DI)
	SUBQ $32, CX
	JLE  done
	ADDQ $32, SI
	ADDQ $32, BX
	ADDQ $32, DX
	ADDQ $96, DI
	CMPQ CX, $32
	JGE  pixels32

	// The last pixels once more with some before them: never beyond the end.
	SUBQ $32, CX
	ADDQ CX, SI
	ADDQ CX, BX
	ADDQ CX, DX
	LEAQ (CX)(CX*2), AX
	ADDQ AX, DI
	MOVQ $32, CX
	JMP  pixels32

done:
	VZEROUPPER
	RET
