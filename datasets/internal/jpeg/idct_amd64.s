#include "textflag.h"

// FOUR fills the 32 bytes of a constant.
#define FOUR(name, x) \
	DATA name<>+0(SB)/8, x  \
	DATA name<>+8(SB)/8, x  \
	DATA name<>+16(SB)/8, x \
	DATA name<>+24(SB)/8, x \
	GLOBL name<>(SB), RODATA|NOPTR, $32

// Pairs of factors, cosines times 2¹³, for VPMADDWD.
FOUR(even2, $0xd6301151d6301151) // c2·0.541 + c6·(0.541 − 1.848)
FOUR(even3, $0x115129cf115129cf) // c2·(0.541 + 0.765) + c6·0.541
FOUR(odd3, $0x25a1e6dc25a1e6dc) // (c3 + c7)·(1.176 − 1.962) + (c1 + c5)·1.176
FOUR(odd4, $0x192525a1192525a1) // (c3 + c7)·1.176 + (c1 + c5)·(1.176 − 0.390)
FOUR(part0, $0xe333ecc1e333ecc1) // c7·(0.299 − 0.900) − c1·0.900
FOUR(part3, $0x133ee333133ee333) // −c7·0.900 + c1·(1.501 − 0.900)
FOUR(part1, $0xadfdefb0adfdefb0) // c5·(2.053 − 2.563) − c3·2.563
FOUR(part2, $0x1051adfd1051adfd) // −c5·2.563 + c3·(3.073 − 2.563)
FOUR(round1, $0x0000040000000400) // half of the last place that the first pass keeps
FOUR(round2, $0x0002000000020000) // half of a level
FOUR(centre, $0x8080808080808080)

// spread0 to spread3 repeat word k in the lower half of a lane and word k+4 in the upper one, four times each.
DATA spread0<>+0(SB)/8, $0x0100010001000100
DATA spread0<>+8(SB)/8, $0x0908090809080908
DATA spread0<>+16(SB)/8, $0x0100010001000100
DATA spread0<>+24(SB)/8, $0x0908090809080908
GLOBL spread0<>(SB), RODATA|NOPTR, $32
DATA spread1<>+0(SB)/8, $0x0302030203020302
DATA spread1<>+8(SB)/8, $0x0b0a0b0a0b0a0b0a
DATA spread1<>+16(SB)/8, $0x0302030203020302
DATA spread1<>+24(SB)/8, $0x0b0a0b0a0b0a0b0a
GLOBL spread1<>(SB), RODATA|NOPTR, $32
DATA spread2<>+0(SB)/8, $0x0504050405040504
DATA spread2<>+8(SB)/8, $0x0d0c0d0c0d0c0d0c
DATA spread2<>+16(SB)/8, $0x0504050405040504
DATA spread2<>+24(SB)/8, $0x0d0c0d0c0d0c0d0c
GLOBL spread2<>(SB), RODATA|NOPTR, $32
DATA spread3<>+0(SB)/8, $0x0706070607060706
DATA spread3<>+8(SB)/8, $0x0f0e0f0e0f0e0f0e
DATA spread3<>+16(SB)/8, $0x0706070607060706
DATA spread3<>+24(SB)/8, $0x0f0e0f0e0f0e0f0e
GLOBL spread3<>(SB), RODATA|NOPTR, $32

// TRANSFORM is the inverse DCT of 8 points, for 8 columns at once. Lane 0 is columns 0 to 3, lane 1 columns 4 to 7. Y0
// to Y3 hold coefficients 0 to 3 in the lower halves of the lanes, 4 to 7 in the upper ones. Points 0 and 1, 2 and 3, 4
// and 5, 6 and 7 come back in Y0 to Y3 alike, saturated to 16 bits. Y14 is half of the last place that is kept, the
// places above it are shifted down. Y4 to Y13 are scratch.
#define TRANSFORM(shift) \
	VPSHUFD $0x4e, Y0, Y4             \ // coefficients 4 to 7 below
	VPSHUFD $0x4e, Y1, Y5             \
	VPSHUFD $0x4e, Y2, Y6             \
	VPSHUFD $0x4e, Y3, Y7             \
	VPADDW Y4, Y0, Y8                 \ // c0 + c4, c0 − c4, times 2¹³
	VPSUBW Y4, Y0, Y9                 \
	VPXOR Y4, Y4, Y4                  \
	VPUNPCKLWD Y8, Y4, Y8             \
	VPUNPCKLWD Y9, Y4, Y9             \
	VPSRAD $3, Y8, Y8                 \
	VPSRAD $3, Y9, Y9                 \
	VPUNPCKLWD Y6, Y2, Y2             \ // c2, c6
	VPMADDWD even3<>(SB), Y2, Y10     \
	VPMADDWD even2<>(SB), Y2, Y11     \
	VPADDD Y10, Y8, Y12               \ // even parts: of points 0 and 7 in Y12, 1 and 6 in Y13,
	VPSUBD Y10, Y8, Y8                \ // 2 and 5 in Y9, 3 and 4 in Y8
	VPADDD Y11, Y9, Y13               \
	VPSUBD Y11, Y9, Y9                \
	VPADDW Y7, Y3, Y10                \ // c3 + c7
	VPADDW Y5, Y1, Y11                \ // c1 + c5
	VPUNPCKLWD Y11, Y10, Y10          \
	VPMADDWD odd3<>(SB), Y10, Y11     \
	VPMADDWD odd4<>(SB), Y10, Y10     \
	VPUNPCKLWD Y1, Y7, Y7             \ // c7, c1
	VPUNPCKLWD Y3, Y5, Y5             \ // c5, c3
	VPMADDWD part0<>(SB), Y7, Y0      \
	VPMADDWD part3<>(SB), Y7, Y7      \
	VPMADDWD part1<>(SB), Y5, Y1      \
	VPMADDWD part2<>(SB), Y5, Y5      \
	VPADDD Y11, Y0, Y0                \ // odd parts: of points 3 and 4 in Y0, 2 and 5 in Y1,
	VPADDD Y10, Y1, Y1                \ // 1 and 6 in Y5, 0 and 7 in Y7
	VPADDD Y11, Y5, Y5                \
	VPADDD Y10, Y7, Y7                \
	VPADDD Y14, Y12, Y12              \
	VPADDD Y14, Y13, Y13              \
	VPADDD Y14, Y9, Y9                \
	VPADDD Y14, Y8, Y8                \
	VPADDD Y7, Y12, Y2                \ // the points
	VPSUBD Y7, Y12, Y12               \
	VPADDD Y5, Y13, Y3                \
	VPSUBD Y5, Y13, Y13               \
	VPADDD Y1, Y9, Y4                 \
	VPSUBD Y1, Y9, Y9                 \
	VPADDD Y0, Y8, Y6                 \
	VPSUBD Y0, Y8, Y8                 \
	VPSRAD $shift, Y2, Y2             \
	VPSRAD $shift, Y3, Y3             \
	VPSRAD $shift, Y4, Y4             \
	VPSRAD $shift, Y6, Y6             \
	VPSRAD $shift, Y8, Y8             \
	VPSRAD $shift, Y9, Y9             \
	VPSRAD $shift, Y12, Y12           \
	VPSRAD $shift, Y13, Y13           \
	VPACKSSDW Y3, Y2, Y0              \
	VPACKSSDW Y6, Y4, Y1              \
	VPACKSSDW Y9, Y8, Y2              \
	VPACKSSDW Y12, Y13, Y3

// TRANSPOSE makes of what TRANSFORM gives columns 0 to 3 in lane 0 of Y4 to Y7, columns 4 to 7 in lane 1.
#define TRANSPOSE \
	VPUNPCKLWD Y1, Y0, Y4  \
	VPUNPCKHWD Y1, Y0, Y5  \
	VPUNPCKLWD Y3, Y2, Y6  \
	VPUNPCKHWD Y3, Y2, Y7  \
	VPUNPCKLWD Y5, Y4, Y0  \
	VPUNPCKHWD Y5, Y4, Y1  \
	VPUNPCKLWD Y7, Y6, Y2  \
	VPUNPCKHWD Y7, Y6, Y3  \
	VPUNPCKLQDQ Y2, Y0, Y4 \
	VPUNPCKHQDQ Y2, Y0, Y5 \
	VPUNPCKLQDQ Y3, Y1, Y6 \
	VPUNPCKHQDQ Y3, Y1, Y7

// func inverse8AVX2(coef, quant *[blockLen]int16, dst *uint8, stride int)
TEXT ·inverse8AVX2(SB), NOSPLIT, $0-32
	MOVQ coef+0(FP), SI
	MOVQ quant+8(FP), DX
	MOVQ dst+16(FP), DI
	MOVQ stride+24(FP), CX
	VMOVDQU (SI), Y0 // rows 0 and 1
	VMOVDQU 32(SI), Y1
	VMOVDQU 64(SI), Y2
	VMOVDQU 96(SI), Y3
	VMOVDQU 16(SI), X4
	VPOR Y1, Y4, Y4
	VPOR Y2, Y3, Y5
	VPOR Y4, Y5, Y5
	VPTEST Y5, Y5
	JZ   first // there is no row but the first

	VPMULLW (DX), Y0, Y0
	VPMULLW 32(DX), Y1, Y1
	VPMULLW 64(DX), Y2, Y2
	VPMULLW 96(DX), Y3, Y3
	VPERM2I128 $0x20, Y2, Y0, Y4 // rows 0 and 4
	VPERM2I128 $0x31, Y2, Y0, Y5 // 1 and 5
	VPERM2I128 $0x20, Y3, Y1, Y6 // 2 and 6
	VPERM2I128 $0x31, Y3, Y1, Y7 // 3 and 7
	VPERMQ $0xd8, Y4, Y0
	VPERMQ $0xd8, Y5, Y1
	VPERMQ $0xd8, Y6, Y2
	VPERMQ $0xd8, Y7, Y3
	VMOVDQU round1<>(SB), Y14
	TRANSFORM(11)
	TRANSPOSE
	VPERMQ $0xd8, Y4, Y0
	VPERMQ $0xd8, Y5, Y1
	VPERMQ $0xd8, Y6, Y2
	VPERMQ $0xd8, Y7, Y3

rows:
	VMOVDQU round2<>(SB), Y14
	TRANSFORM(18)
	TRANSPOSE
	VPACKSSWB Y5, Y4, Y0 // rows 0 and 1, 4 and 5
	VPACKSSWB Y7, Y6, Y1 // 2 and 3, 6 and 7
	VPADDB centre<>(SB), Y0, Y0
	VPADDB centre<>(SB), Y1, Y1
	VEXTRACTI128 $1, Y0, X2
	VEXTRACTI128 $1, Y1, X3
	LEAQ (CX)(CX*2), AX
	LEAQ (DI)(CX*4), BX
	VMOVQ X0, (DI)
	VMOVHPS X0, (DI)(CX*1)
	VMOVQ X1, (DI)(CX*2)
	VMOVHPS X1, (DI)(AX*1)
	VMOVQ X2, (BX)
	VMOVHPS X2, (BX)(CX*1)
	VMOVQ X3, (BX)(CX*2)
	VMOVHPS X3, (BX)(AX*1)
	VZEROUPPER
	RET

first:
	VPMULLW (DX), X0, X0
	VPSLLW $2, X0, X0
	VINSERTI128 $1, X0, Y0, Y4
	VPSHUFB spread0<>(SB), Y4, Y0
	VPSHUFB spread1<>(SB), Y4, Y1
	VPSHUFB spread2<>(SB), Y4, Y2
	VPSHUFB spread3<>(SB), Y4, Y3
	JMP rows
