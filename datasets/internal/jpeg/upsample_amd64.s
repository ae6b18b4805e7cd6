#include "textflag.h"

// WORDS fills the 32 bytes of a constant with one word.
#define WORDS(name, x) \
	DATA name<>+0(SB)/8, x  \
	DATA name<>+8(SB)/8, x  \
	DATA name<>+16(SB)/8, x \
	DATA name<>+24(SB)/8, x \
	GLOBL name<>(SB), RODATA|NOPTR, $32

WORDS(one, $0x0001000100010001)
WORDS(two, $0x0002000200020002)
WORDS(seven, $0x0007000700070007)
WORDS(eight, $0x0008000800080008)

// TRIPLE makes x three times as large.
#define TRIPLE(x, scratch) \
	VPADDW x, x, scratch \
	VPADDW scratch, x, x

// func widenAVX2(dst, src *uint8, n int)
TEXT ·widenAVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	VMOVDQU one<>(SB), Y14
	VMOVDQU two<>(SB), Y15

widen16:
	VPMOVZXBW (SI), Y0
	VPMOVZXBW 1(SI), Y1
	VPMOVZXBW 2(SI), Y2
	TRIPLE(Y1, Y3)
	VPADDW Y1, Y0, Y0
	VPADDW Y1, Y2, Y2
	VPADDW Y14, Y0, Y0
	VPADDW Y15, Y2, Y2
	VPSRLW $2, Y0, Y0
	VPSRLW $2, Y2, Y2
	VPSLLW $8, Y2, Y2
	VPOR Y0, Y2, Y0
	VMOVDQU Y0, (DI)
	ADDQ $16, SI
	ADDQ $32, DI
	SUBQ $16, CX
	JG   widen16
	VZEROUPPER
	RET

// func blendAVX2(dst, near, far *uint8, n int, bias int)
TEXT ·blendAVX2(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ near+8(FP), SI
	MOVQ far+16(FP), DX
	MOVQ n+24(FP), CX
	MOVQ bias+32(FP), AX
	VMOVQ AX, X15
	VPBROADCASTW X15, Y15

blend16:
	VPMOVZXBW (SI), Y0
	VPMOVZXBW (DX), Y1
	TRIPLE(Y0, Y2)
	VPADDW Y1, Y0, Y0
	VPADDW Y15, Y0, Y0
	VPSRLW $2, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPACKUSWB X1, X0, X0
	VMOVDQU X0, (DI)
	ADDQ $16, SI
	ADDQ $16, DX
	ADDQ $16, DI
	SUBQ $16, CX
	JG   blend16
	VZEROUPPER
	RET

// MIX is 3·near + far of 16 samples.
#define MIX(offset, sum, scratch) \
	VPMOVZXBW offset(SI), sum     \
	TRIPLE(sum, scratch)          \
	VPMOVZXBW offset(DX), scratch \
	VPADDW scratch, sum, sum

// func widenBlendAVX2(dst, near, far *uint8, n int)
TEXT ·widenBlendAVX2(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ near+8(FP), SI
	MOVQ far+16(FP), DX
	MOVQ n+24(FP), CX
	VMOVDQU eight<>(SB), Y14
	VMOVDQU seven<>(SB), Y15

widenBlend16:
	MIX(0, Y0, Y4)
	MIX(1, Y1, Y4)
	MIX(2, Y2, Y4)
	TRIPLE(Y1, Y4)
	VPADDW Y1, Y0, Y0
	VPADDW Y1, Y2, Y2
	VPADDW Y14, Y0, Y0
	VPADDW Y15, Y2, Y2
	VPSRLW $4, Y0, Y0
	VPSRLW $4, Y2, Y2
	VPSLLW $8, Y2, Y2
	VPOR Y0, Y2, Y0
	VMOVDQU Y0, (DI)
	ADDQ $16, SI
	ADDQ $16, DX
	ADDQ $32, DI
	SUBQ $16, CX
	JG   widenBlend16
	VZEROUPPER
	RET
