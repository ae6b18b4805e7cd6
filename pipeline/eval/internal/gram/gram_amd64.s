#include "textflag.h"

// Where the sums of the columns 0 to 7 are after REDUCE.
DATA order<>+0(SB)/8, $0x0000000400000000
DATA order<>+8(SB)/8, $0x0000000c00000008
DATA order<>+16(SB)/8, $0x0000000600000002
DATA order<>+24(SB)/8, $0x0000000e0000000a
GLOBL order<>(SB), RODATA|NOPTR, $32

// DOTS adds the products of eight elements of a row, at address, and of the panel, in Z24 to Z27, to the sums of the
// row: each holds the lanes of two columns.
#define DOTS(address, s0, s1, s2, s3) \
	VBROADCASTF32X8 address, Z28 \
	VMULPS Z24, Z28, Z29         \
	VMULPS Z25, Z28, Z30         \
	VADDPS Z29, s0, s0           \
	VMULPS Z26, Z28, Z31         \
	VADDPS Z30, s1, s1           \
	VMULPS Z27, Z28, Z29         \
	VADDPS Z31, s2, s2           \
	VADDPS Z29, s3, s3

// REDUCE adds up the lanes of a row's sums and stores the products of the row; order is in Z27.
#define REDUCE(s0, s1, s2, s3, address) \
	VSHUFF32X4 $0x88, s1, s0, Z24   \ // lanes 0 to 3 of columns 0 1 2 3
	VSHUFF32X4 $0xdd, s1, s0, Z25   \ // lanes 4 to 7
	VADDPS Z25, Z24, Z24            \
	VSHUFF32X4 $0x88, s3, s2, Z25   \ // of columns 4 5 6 7
	VSHUFF32X4 $0xdd, s3, s2, Z26   \
	VADDPS Z26, Z25, Z25            \
	VSHUFPS $0x88, Z25, Z24, Z26    \ // lanes 0 2 of columns c and c+4
	VSHUFPS $0xdd, Z25, Z24, Z28    \ // lanes 1 3
	VADDPS Z28, Z26, Z26            \
	VMOVSHDUP Z26, Z28              \
	VADDPS Z28, Z26, Z26            \ // columns c, −, c+4, −
	VPERMPS Z26, Z27, Z26           \
	VMOVUPS Y26, address

#define CLEAR(s0, s1, s2, s3) \
	VPXORD s0, s0, s0 \
	VPXORD s1, s1, s1 \
	VPXORD s2, s2, s2 \
	VPXORD s3, s3, s3

// func productsAVX512(out, panel, rows *float32, n, d int)
TEXT ·productsAVX512(SB), NOSPLIT, $0-40
	MOVQ out+0(FP), DI
	MOVQ rows+16(FP), SI
	MOVQ n+24(FP), CX
	MOVQ d+32(FP), R8
	LEAQ (R8*4), BX      // BX = bytes of a row
	SHRQ $3, R8          // R8 = eights of a row
	LEAQ (BX)(BX*2), R9  // R9 = 3·BX
	LEAQ (BX)(BX*4), R10 // R10 = 5·BX
	JMP  sixes

six: // six rows at a time
	MOVQ panel+8(FP), DX
	MOVQ SI, R11
	MOVQ R8, AX
	CLEAR(Z0, Z1, Z2, Z3)
	CLEAR(Z4, Z5, Z6, Z7)
	CLEAR(Z8, Z9, Z10, Z11)
	CLEAR(Z12, Z13, Z14, Z15)
	CLEAR(Z16, Z17, Z18, Z19)
	CLEAR(Z20, Z21, Z22, Z23)

sixeight:
	VMOVUPS (DX), Z24
	VMOVUPS 64(DX), Z25
	VMOVUPS 128(DX), Z26
	VMOVUPS 192(DX), Z27
	DOTS((R11), Z0, Z1, Z2, Z3)
	DOTS((R11)(BX*1), Z4, Z5, Z6, Z7)
	DOTS((R11)(BX*2), Z8, Z9, Z10, Z11)
	DOTS((R11)(R9*1), Z12, Z13, Z14, Z15)
	DOTS((R11)(BX*4), Z16, Z17, Z18, Z19)
	DOTS((R11)(R10*1), Z20, Z21, Z22, Z23)
	ADDQ $256, DX
	ADDQ $32, R11
	DECQ AX
	JNZ  sixeight
	VMOVUPS order<>(SB), Y27
	REDUCE(Z0, Z1, Z2, Z3, (DI))
	REDUCE(Z4, Z5, Z6, Z7, 32(DI))
	REDUCE(Z8, Z9, Z10, Z11, 64(DI))
	REDUCE(Z12, Z13, Z14, Z15, 96(DI))
	REDUCE(Z16, Z17, Z18, Z19, 128(DI))
	REDUCE(Z20, Z21, Z22, Z23, 160(DI))
	ADDQ $192, DI
	LEAQ (SI)(R9*2), SI
	SUBQ $6, CX

sixes:
	CMPQ CX, $6
	JGE  six
	JMP  ones

one:
	MOVQ panel+8(FP), DX
	MOVQ R8, AX
	CLEAR(Z0, Z1, Z2, Z3)

oneeight:
	VMOVUPS (DX), Z24
	VMOVUPS 64(DX), Z25
	VMOVUPS 128(DX), Z26
	VMOVUPS 192(DX), Z27
	DOTS((SI), Z0, Z1, Z2, Z3)
	ADDQ $256, DX
	ADDQ $32, SI
	DECQ AX
	JNZ  oneeight
	VMOVUPS order<>(SB), Y27
	REDUCE(Z0, Z1, Z2, Z3, (DI))
	ADDQ $32, DI
	DECQ CX

ones:
	TESTQ CX, CX
	JNZ  one
	VZEROUPPER
	RET

// DOT adds the products of eight elements of a row, in Y8, and of a column, at address, to the column's sum.
#define DOT(address, sum, scratch) \
	VMULPS address, Y8, scratch \
	VADDPS scratch, sum, sum

// FOLD adds lanes 4 to 7 to lanes 0 to 3.
#define FOLD(y, x) \
	VEXTRACTF128 $1, y, X8 \
	VADDPS X8, x, x

// func productsAVX2(out, panel, rows *float32, n, d int)
TEXT ·productsAVX2(SB), NOSPLIT, $0-40
	MOVQ out+0(FP), DI
	MOVQ rows+16(FP), SI
	MOVQ n+24(FP), CX
	MOVQ d+32(FP), R8
	SHRQ $3, R8 // R8 = eights of a row

row:
	MOVQ panel+8(FP), DX
	MOVQ R8, AX
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7

eight:
	VMOVUPS (SI), Y8
	DOT((DX), Y0, Y9)
	DOT(32(DX), Y1, Y10)
	DOT(64(DX), Y2, Y11)
	DOT(96(DX), Y3, Y12)
	DOT(128(DX), Y4, Y9)
	DOT(160(DX), Y5, Y10)
	DOT(192(DX), Y6, Y11)
	DOT(224(DX), Y7, Y12)
	ADDQ $256, DX
	ADDQ $32, SI
	DECQ AX
	JNZ  eight
	FOLD(Y0, X0)
	FOLD(Y1, X1)
	FOLD(Y2, X2)
	FOLD(Y3, X3)
	FOLD(Y4, X4)
	FOLD(Y5, X5)
	FOLD(Y6, X6)
	FOLD(Y7, X7)
	VHADDPS X1, X0, X0
	VHADDPS X3, X2, X2
	VHADDPS X5, X4, X4
	VHADDPS X7, X6, X6
	VHADDPS X2, X0, X0
	VHADDPS X6, X4, X4
	VMOVUPS X0, (DI)
	VMOVUPS X4, 16(DI)
	ADDQ $32, DI
	DECQ CX
	JNZ  row
	VZEROUPPER
	RET

// func belowAVX2(products, norms *float32, n int, limits *[8]float32) (row int, columns uint8)
TEXT ·belowAVX2(SB), NOSPLIT, $0-41
	MOVQ products+0(FP), DI
	MOVQ norms+8(FP), SI
	MOVQ n+16(FP), CX
	MOVQ limits+24(FP), DX
	VMOVUPS (DX), Y2
	XORQ BX, BX // BX = row

row:
	VMOVUPS (DI), Y0
	VADDPS Y0, Y0, Y0
	VBROADCASTSS (SI)(BX*4), Y1
	VSUBPS Y0, Y1, Y0
	VMOVUPS Y0, (DI)
	VCMPPS $0x11, Y2, Y0, Y1 // less, ordered, quiet
	VMOVMSKPS Y1, AX
	TESTL AX, AX
	JNZ  found
	ADDQ $32, DI
	INCQ BX
	CMPQ BX, CX
	JLT  row

found:
	MOVQ BX, row+32(FP)
	MOVB AX, columns+40(FP)
	VZEROUPPER
	RET
