#include "textflag.h"

// half of a coefficient's unit, once for each lane of 32 bits
DATA half<>+0(SB)/4, $0x00200000
GLOBL half<>(SB), RODATA|NOPTR, $4

// Two neighbouring pixels r0 g0 b0 r1 g1 b1 become the words r0 r1, g0 g1, b0 b1, and two of nothing.
DATA spread<>+0(SB)/8, $0x8004800180038000
DATA spread<>+8(SB)/8, $0x8080808080058002
DATA spread<>+16(SB)/8, $0x8004800180038000
DATA spread<>+24(SB)/8, $0x8080808080058002
GLOBL spread<>(SB), RODATA|NOPTR, $32

// func horizontalAVX2(dst0, dst1, src0, src1 *uint8, starts, pairs *int32, count, pairCount int)
TEXT ·horizontalAVX2(SB), NOSPLIT, $0-64
	MOVQ dst0+0(FP), DI
	MOVQ dst1+8(FP), SI
	MOVQ src0+16(FP), R8
	MOVQ src1+24(FP), R9
	MOVQ starts+32(FP), R10
	MOVQ pairs+40(FP), R11
	MOVQ count+48(FP), R12
	MOVQ pairCount+56(FP), R13
	VPBROADCASTD half<>(SB), Y15
	VMOVDQU spread<>(SB), Y14

pixel:
	MOVLQSX (R10), AX
	LEAQ (AX)(AX*2), AX   // byte of the first tap
	MOVQ R13, CX
	VMOVDQA Y15, Y0       // low sums, from half a unit
	VPXOR Y1, Y1, Y1      // high sums

tap:
	VMOVQ (R8)(AX*1), X2
	VMOVQ (R9)(AX*1), X3
	VINSERTI128 $1, X3, Y2, Y2
	VPSHUFB Y14, Y2, Y2
	VPBROADCASTD (R11), Y4
	VPBROADCASTD 4(R11), Y5
	VPMADDWD Y4, Y2, Y4
	VPMADDWD Y5, Y2, Y5
	VPADDD Y4, Y0, Y0
	VPADDD Y5, Y1, Y1
	ADDQ $8, R11
	ADDQ $6, AX
	DECQ CX
	JNZ tap

	VPSLLD $15, Y1, Y1
	VPADDD Y1, Y0, Y0
	VPSRAD $22, Y0, Y0
	VPACKSSDW Y0, Y0, Y0
	VPACKUSWB Y0, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VMOVD X0, (DI)
	VMOVD X1, (SI)
	ADDQ $3, DI
	ADDQ $3, SI
	ADDQ $4, R10
	DECQ R12
	JNZ pixel
	VZEROUPPER
	RET

// func verticalAVX2(dst, src *uint8, stride, blocks int, pairs *int32, pairCount int)
TEXT ·verticalAVX2(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ stride+16(FP), R8
	MOVQ blocks+24(FP), R9
	MOVQ pairs+32(FP), R10
	MOVQ pairCount+40(FP), R11
	LEAQ (R8)(R8*1), R12  // two rows
	VPBROADCASTD half<>(SB), Y15

block:
	MOVQ SI, AX
	MOVQ R10, BX
	MOVQ R11, CX
	VMOVDQA Y15, Y0       // low sums of the first and the second eight bytes
	VMOVDQA Y15, Y1
	VPXOR Y2, Y2, Y2      // high sums
	VPXOR Y3, Y3, Y3

rows:
	VMOVDQU (AX), X4
	VMOVDQU (AX)(R8*1), X5
	VPUNPCKLBW X5, X4, X6
	VPUNPCKHBW X5, X4, X7
	VPMOVZXBW X6, Y6      // words of the two rows in turn
	VPMOVZXBW X7, Y7
	VPBROADCASTD (BX), Y8
	VPBROADCASTD 4(BX), Y9
	VPMADDWD Y8, Y6, Y10
	VPMADDWD Y8, Y7, Y11
	VPMADDWD Y9, Y6, Y12
	VPMADDWD Y9, Y7, Y13
	VPADDD Y10, Y0, Y0
	VPADDD Y11, Y1, Y1
	VPADDD Y12, Y2, Y2
	VPADDD Y13, Y3, Y3
	ADDQ R12, AX
	ADDQ $8, BX
	DECQ CX
	JNZ rows

	VPSLLD $15, Y2, Y2
	VPSLLD $15, Y3, Y3
	VPADDD Y2, Y0, Y0
	VPADDD Y3, Y1, Y1
	VPSRAD $22, Y0, Y0
	VPSRAD $22, Y1, Y1
	VPACKSSDW Y1, Y0, Y0
	VPERMQ $0xD8, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPACKUSWB X1, X0, X0
	VMOVDQU X0, (DI)
	ADDQ $16, DI
	ADDQ $16, SI
	DECQ R9
	JNZ block
	VZEROUPPER
	RET
