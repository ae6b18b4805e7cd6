#include "textflag.h"

// FOUR fills the 32 bytes of a constant, TWO each lane with another one.
#define FOUR(name, x) TWO(name, x, x)

#define TWO(name, x, y) \
	DATA name<>+0(SB)/8, x  \
	DATA name<>+8(SB)/8, x  \
	DATA name<>+16(SB)/8, y \
	DATA name<>+24(SB)/8, y \
	GLOBL name<>(SB), RODATA|NOPTR, $32

// Pairs of factors, cosines times 2¹³, for VPMADDWD.
FOUR(even26, $0xe7823b21e7823b21) // c2·1.848 − c6·0.765
FOUR(outer13, $0x1ccd52031ccd5203) // c1·2.563 + c3·0.900
FOUR(outer57, $0xefb0ecc2efb0ecc2) // −c5·0.601 − c7·0.510
FOUR(inner13, $0xba7921f9ba7921f9) // c1·1.062 − c3·2.173
FOUR(inner57, $0xf93e2e75f93e2e75) // c5·1.452 − c7·0.211
TWO(outer, $0x1ccd52031ccd5203, $0xefb0ecc2efb0ecc2) // both, a lane each
TWO(inner, $0xba7921f9ba7921f9, $0xf93e2e75f93e2e75)
FOUR(halfColumn, $0x0000080000000800) // half of the last place that the first pass keeps
FOUR(halfLevel, $0x0004000000040000) // half of a level
FOUR(middle, $0x8080808080808080)

// columns01 and columns23 repeat words 0 and 1, 2 and 3 of lane 0, and words 4 and 5, 6 and 7 of lane 1, four times
// each.
DATA columns01<>+0(SB)/8, $0x0100010001000100
DATA columns01<>+8(SB)/8, $0x0302030203020302
DATA columns01<>+16(SB)/8, $0x0908090809080908
DATA columns01<>+24(SB)/8, $0x0b0a0b0a0b0a0b0a
GLOBL columns01<>(SB), RODATA|NOPTR, $32
DATA columns23<>+0(SB)/8, $0x0504050405040504
DATA columns23<>+8(SB)/8, $0x0706070607060706
DATA columns23<>+16(SB)/8, $0x0d0c0d0c0d0c0d0c
DATA columns23<>+24(SB)/8, $0x0f0e0f0e0f0e0f0e
GLOBL columns23<>(SB), RODATA|NOPTR, $32

// func inverse4AVX2(coef, quant *[blockLen]int16, dst *uint8, stride int)
TEXT ·inverse4AVX2(SB), NOSPLIT, $0-32
	MOVQ coef+0(FP), SI
	MOVQ quant+8(FP), DX
	MOVQ dst+16(FP), DI
	MOVQ stride+24(FP), CX
	VPXOR Y15, Y15, Y15
	VMOVDQU (SI), Y0 // rows 0 and 1
	VMOVDQU 32(SI), Y1
	VMOVDQU 64(SI), Y2
	VMOVDQU 96(SI), Y3
	VPOR Y1, Y3, Y4
	VMOVDQU 16(SI), X5
	VMOVDQU 80(SI), X6
	VPOR Y5, Y4, Y4
	VPOR Y6, Y4, Y4
	VPTEST Y4, Y4
	JZ   first // of the rows that are looked at, there is none but the first

	VPMULLW (DX), Y0, Y0
	VPMULLW 32(DX), Y1, Y1
	VPMULLW 64(DX), Y2, Y2
	VPMULLW 96(DX), Y3, Y3
	VPERM2I128 $0x20, Y2, Y0, Y4 // rows 0 and 4
	VPERM2I128 $0x31, Y2, Y0, Y5 // 1 and 5
	VPERM2I128 $0x20, Y3, Y1, Y6 // 2 and 6
	VPERM2I128 $0x31, Y3, Y1, Y7 // 3 and 7
	VPERMQ $0xd8, Y4, Y0         // columns 0 to 3 in lane 0, 4 to 7 in lane 1
	VPERMQ $0xd8, Y5, Y1
	VPERMQ $0xd8, Y6, Y2
	VPERMQ $0xd8, Y7, Y3
	VPUNPCKLWD Y0, Y15, Y0       // c0 times 2¹⁴
	VPSRAD $2, Y0, Y0
	VPSHUFD $0x4e, Y2, Y4
	VPUNPCKLWD Y4, Y2, Y2
	VPMADDWD even26<>(SB), Y2, Y2
	VPUNPCKLWD Y3, Y1, Y4        // c1, c3
	VPUNPCKHWD Y3, Y1, Y5        // c5, c7
	VPMADDWD outer13<>(SB), Y4, Y6
	VPMADDWD outer57<>(SB), Y5, Y7
	VPADDD Y7, Y6, Y6
	VPMADDWD inner13<>(SB), Y4, Y4
	VPMADDWD inner57<>(SB), Y5, Y5
	VPADDD Y5, Y4, Y4
	VPADDD Y2, Y0, Y1
	VPSUBD Y2, Y0, Y0
	VMOVDQU halfColumn<>(SB), Y14
	VPADDD Y14, Y0, Y0
	VPADDD Y14, Y1, Y1
	VPADDD Y6, Y1, Y8            // points 0 to 3
	VPADDD Y4, Y0, Y9
	VPSUBD Y4, Y0, Y10
	VPSUBD Y6, Y1, Y11
	VPSRAD $12, Y8, Y8
	VPSRAD $12, Y9, Y9
	VPSRAD $12, Y10, Y10
	VPSRAD $12, Y11, Y11
	VPACKSSDW Y9, Y8, Y0
	VPACKSSDW Y11, Y10, Y1
	VPUNPCKLWD Y1, Y0, Y2
	VPUNPCKHWD Y1, Y0, Y3
	VPUNPCKLWD Y3, Y2, Y0        // columns 0 and 1, 4 and 5, each of 4 rows
	VPUNPCKHWD Y3, Y2, Y1        // 2 and 3, 6 and 7

rows:
	VEXTRACTI128 $1, Y1, X4
	VPUNPCKLWD X0, X15, X5       // c0 times 2¹⁴
	VPSRAD $2, X5, X5
	VPUNPCKLWD X4, X1, X2
	VPMADDWD even26<>(SB), X2, X2
	VPUNPCKHWD Y1, Y0, Y3        // c1 and c3, c5 and c7
	VPMADDWD outer<>(SB), Y3, Y6
	VPMADDWD inner<>(SB), Y3, Y7
	VEXTRACTI128 $1, Y6, X8
	VEXTRACTI128 $1, Y7, X9
	VPADDD X8, X6, X6
	VPADDD X9, X7, X7
	VPADDD X2, X5, X1
	VPSUBD X2, X5, X0
	VMOVDQU halfLevel<>(SB), X14
	VPADDD X14, X0, X0
	VPADDD X14, X1, X1
	VPADDD X6, X1, X8            // points 0 to 3
	VPADDD X7, X0, X9
	VPSUBD X7, X0, X10
	VPSUBD X6, X1, X11
	VPSRAD $19, X8, X8
	VPSRAD $19, X9, X9
	VPSRAD $19, X10, X10
	VPSRAD $19, X11, X11
	VPACKSSDW X10, X8, X0
	VPACKSSDW X11, X9, X1
	VPUNPCKLWD X1, X0, X2        // points 0 and 1 of each row
	VPUNPCKHWD X1, X0, X3        // 2 and 3
	VPUNPCKLDQ X3, X2, X0
	VPUNPCKHDQ X3, X2, X1
	VPACKSSWB X1, X0, X0
	VPADDB middle<>(SB), X0, X0
	LEAQ (CX)(CX*2), AX
	VMOVD X0, (DI)
	VPEXTRD $1, X0, (DI)(CX*1)
	VPEXTRD $2, X0, (DI)(CX*2)
	VPEXTRD $3, X0, (DI)(AX*1)
	VZEROUPPER
	RET

first:
	VPMULLW (DX), X0, X0
	VPSLLW $2, X0, X0
	VINSERTI128 $1, X0, Y0, Y2
	VPSHUFB columns01<>(SB), Y2, Y0
	VPSHUFB columns23<>(SB), Y2, Y1
	JMP rows
