#include "textflag.h"

// Offsets of struct rowTile.
#define TABLE  0
#define COUNT  8
#define A      16
#define ASTEP  24
#define B0     32
#define B1     40
#define B2     48
#define Y0PTR  56
#define Y1PTR  64
#define Y2PTR  72
#define YSTEP  80
#define BIAS   88
#define GROUPS 96
#define VALID  104
#define LOW    116
#define HIGH   120

// Places in the frame of what moves on from one group of rows to the next. What the caller holds stays: a pointer past the
// end of an array must not be seen by the garbage collector.
#define ATA     0
#define ATY0    8
#define ATY1    16
#define ATY2    24
#define ATBIAS  32
#define LEFT    40
#define FULL    48

// ROW adds one row of A, broadcast, times the three vectors of B to three sums.
#define ROW(a, t, s0, s1, s2) \
	VBROADCASTSS a, t        \
	VFMADD231PS Z0, t, s0    \
	VFMADD231PS Z1, t, s1    \
	VFMADD231PS Z2, t, s2

// START sets three sums to a row's bias.
#define START(place, s0, s1, s2) \
	VBROADCASTSS place(AX), s0 \
	VMOVAPS s0, s1            \
	VMOVAPS s0, s2

// CLAMP limits a sum to what is between Z6 and Z7, or NaN.
#define CLAMP(s) \
	VMAXPS s, Z6, s \
	VMINPS s, Z7, s

// STORE writes the valid elements of three sums, close together, and moves on to the next row of Y.
#define STORE(s0, s1, s2) \
	CLAMP(s0) \
	CLAMP(s1) \
	CLAMP(s2) \
	VCOMPRESSPS s0, K1, Z0 \
	VCOMPRESSPS s1, K2, Z1 \
	VCOMPRESSPS s2, K3, Z2 \
	VMOVUPS Z0, K4, (AX) \
	VMOVUPS Z1, K5, (CX) \
	VMOVUPS Z2, K6, (DI) \
	ADDQ R12, AX     \
	ADDQ R12, CX     \
	ADDQ R12, DI

// STOREALL is STORE where all elements are valid.
#define STOREALL(s0, s1, s2) \
	CLAMP(s0) \
	CLAMP(s1) \
	CLAMP(s2) \
	VMOVUPS s0, (AX) \
	VMOVUPS s1, (CX) \
	VMOVUPS s2, (DI) \
	ADDQ R12, AX     \
	ADDQ R12, CX     \
	ADDQ R12, DI

// LOAD gets everything that stays for all groups of rows, and puts what moves into the frame; AX is the argument.
#define LOAD \
	MOVQ A(AX), R8      \
	MOVQ R8, ATA(SP)    \
	MOVQ Y0PTR(AX), R8  \
	MOVQ R8, ATY0(SP)   \
	MOVQ Y1PTR(AX), R8  \
	MOVQ R8, ATY1(SP)   \
	MOVQ Y2PTR(AX), R8  \
	MOVQ R8, ATY2(SP)   \
	MOVQ BIAS(AX), R8   \
	MOVQ R8, ATBIAS(SP) \
	MOVQ GROUPS(AX), R8 \
	MOVQ R8, LEFT(SP)   \
	MOVQ ASTEP(AX), R9  \
	LEAQ (R9)(R9*2), R10 \
	LEAQ (R9)(R9*4), R11 \
	MOVQ B0(AX), BX     \
	MOVQ B1(AX), DX     \
	MOVQ B2(AX), R13    \
	KMOVW (VALID+0)(AX), K1 \
	KMOVW (VALID+2)(AX), K4 \
	KMOVW (VALID+4)(AX), K2 \
	KMOVW (VALID+6)(AX), K5 \
	KMOVW (VALID+8)(AX), K3 \
	KMOVW (VALID+10)(AX), K6 \
	MOVLQSX (VALID+8)(AX), R8 \
	ANDQ VALID(AX), R8        \
	INCQ R8                   \
	MOVQ R8, FULL(SP) // 0 if all elements of all spans are valid

// ENTER begins a group of rows: A, the table, and in AX the bias.
#define ENTER \
	MOVQ t+0(FP), AX    \
	MOVQ ATA(SP), R8    \
	MOVQ TABLE(AX), SI  \
	MOVQ COUNT(AX), CX  \
	MOVQ ATBIAS(SP), AX

// NEXT reads an entry of the table: AX is where its column of A begins, Z0 to Z2 are its row of B.
#define NEXT \
	MOVLQSX (SI), AX          \
	MOVLQSX 4(SI), DI         \
	ADDQ R8, AX               \
	VMOVUPS (BX)(DI*1), Z0    \
	VMOVUPS (DX)(DI*1), Z1    \
	VMOVUPS (R13)(DI*1), Z2   \
	ADDQ $8, SI

// LEAVE gets the places of Y, after the sums are done.
#define LEAVE \
	MOVQ t+0(FP), SI    \
	MOVQ ATY0(SP), AX   \
	MOVQ ATY1(SP), CX   \
	MOVQ ATY2(SP), DI   \
	MOVQ YSTEP(SI), R12 \
	VBROADCASTSS LOW(SI), Z6 \
	VBROADCASTSS HIGH(SI), Z7

// ADVANCE moves on by rows, whose places in Y are AX, CX and DI.
#define ADVANCE(rows) \
	MOVQ AX, ATY0(SP)       \
	MOVQ CX, ATY1(SP)       \
	MOVQ DI, ATY2(SP)       \
	ADDQ $(4*rows), ATBIAS(SP) \
	MOVQ R9, AX             \
	IMULQ $rows, AX         \
	ADDQ AX, ATA(SP)        \
	DECQ LEFT(SP)

// func sumRows8(t *rowTile)
TEXT ·sumRows8(SB), NOSPLIT, $56-8
	MOVQ t+0(FP), AX
	LOAD

group8:
	ENTER
	START(0, Z8, Z9, Z10)
	START(4, Z11, Z12, Z13)
	START(8, Z14, Z15, Z16)
	START(12, Z17, Z18, Z19)
	START(16, Z20, Z21, Z22)
	START(20, Z23, Z24, Z25)
	START(24, Z26, Z27, Z28)
	START(28, Z29, Z30, Z31)
	LEAQ (R10)(R9*4), R12 // 7 rows

entry8:
	NEXT
	ROW((AX), Z3, Z8, Z9, Z10)
	ROW((AX)(R9*1), Z4, Z11, Z12, Z13)
	ROW((AX)(R9*2), Z5, Z14, Z15, Z16)
	ROW((AX)(R10*1), Z6, Z17, Z18, Z19)
	ROW((AX)(R9*4), Z3, Z20, Z21, Z22)
	ROW((AX)(R11*1), Z4, Z23, Z24, Z25)
	ROW((AX)(R10*2), Z5, Z26, Z27, Z28)
	ROW((AX)(R12*1), Z6, Z29, Z30, Z31)
	DECQ CX
	JNZ  entry8

	LEAVE
	CMPQ FULL(SP), $0
	JNE  part8
	STOREALL(Z8, Z9, Z10)
	STOREALL(Z11, Z12, Z13)
	STOREALL(Z14, Z15, Z16)
	STOREALL(Z17, Z18, Z19)
	STOREALL(Z20, Z21, Z22)
	STOREALL(Z23, Z24, Z25)
	STOREALL(Z26, Z27, Z28)
	STOREALL(Z29, Z30, Z31)
	JMP  next8

part8:
	STORE(Z8, Z9, Z10)
	STORE(Z11, Z12, Z13)
	STORE(Z14, Z15, Z16)
	STORE(Z17, Z18, Z19)
	STORE(Z20, Z21, Z22)
	STORE(Z23, Z24, Z25)
	STORE(Z26, Z27, Z28)
	STORE(Z29, Z30, Z31)

next8:
	ADVANCE(8)
	JNZ group8
	VZEROUPPER
	RET

// func sumRows4(t *rowTile)
TEXT ·sumRows4(SB), NOSPLIT, $56-8
	MOVQ t+0(FP), AX
	LOAD

group4:
	ENTER
	START(0, Z8, Z9, Z10)
	START(4, Z11, Z12, Z13)
	START(8, Z14, Z15, Z16)
	START(12, Z17, Z18, Z19)

entry4:
	NEXT
	ROW((AX), Z3, Z8, Z9, Z10)
	ROW((AX)(R9*1), Z4, Z11, Z12, Z13)
	ROW((AX)(R9*2), Z5, Z14, Z15, Z16)
	ROW((AX)(R10*1), Z6, Z17, Z18, Z19)
	DECQ CX
	JNZ  entry4

	LEAVE
	CMPQ FULL(SP), $0
	JNE  part4
	STOREALL(Z8, Z9, Z10)
	STOREALL(Z11, Z12, Z13)
	STOREALL(Z14, Z15, Z16)
	STOREALL(Z17, Z18, Z19)
	JMP  next4

part4:
	STORE(Z8, Z9, Z10)
	STORE(Z11, Z12, Z13)
	STORE(Z14, Z15, Z16)
	STORE(Z17, Z18, Z19)

next4:
	ADVANCE(4)
	JNZ group4
	VZEROUPPER
	RET

// Offsets of struct rowSpans, whose first fields are the table, its length and A.
#define X       24
#define Y       32
#define SPANS   40
#define QUARTET 48
#define ROWBIAS 56
#define ROWLOW  64
#define ROWHIGH 68

// PUT writes the valid elements of a sum to a span's place in Y.
#define PUT(s, span) \
	CLAMP(s)                     \
	MOVLQSX (span+4)(R13), R14   \
	KMOVW (span+8)(R13), K1      \
	KMOVW (span+10)(R13), K2     \
	VCOMPRESSPS s, K1, s         \
	VMOVUPS s, K2, (R12)(R14*1)

// func sumRow(t *rowSpans)
TEXT ·sumRow(SB), NOSPLIT, $0-8
	MOVQ t+0(FP), AX
	MOVQ TABLE(AX), R8
	MOVQ COUNT(AX), R9
	MOVQ A(AX), R10
	MOVQ X(AX), R11
	MOVQ Y(AX), R12
	MOVQ SPANS(AX), R13
	VBROADCASTSS ROWBIAS(AX), Z5
	VBROADCASTSS ROWLOW(AX), Z6
	VBROADCASTSS ROWHIGH(AX), Z7

quartet:
	MOVLQSX 0(R13), AX
	MOVLQSX 12(R13), BX
	MOVLQSX 24(R13), CX
	MOVLQSX 36(R13), DX
	ADDQ R11, AX
	ADDQ R11, BX
	ADDQ R11, CX
	ADDQ R11, DX
	VMOVAPS Z5, Z8
	VMOVAPS Z5, Z9
	VMOVAPS Z5, Z10
	VMOVAPS Z5, Z11
	MOVQ R8, SI
	MOVQ R9, DI

term:
	MOVLQSX (SI), R14
	MOVLQSX 4(SI), R15
	VBROADCASTSS (R10)(R14*1), Z0
	VFMADD231PS (AX)(R15*1), Z0, Z8
	VFMADD231PS (BX)(R15*1), Z0, Z9
	VFMADD231PS (CX)(R15*1), Z0, Z10
	VFMADD231PS (DX)(R15*1), Z0, Z11
	ADDQ $8, SI
	DECQ DI
	JNZ term

	PUT(Z8, 0)
	PUT(Z9, 12)
	PUT(Z10, 24)
	PUT(Z11, 36)
	ADDQ $48, R13
	MOVQ t+0(FP), AX
	DECQ QUARTET(AX)
	JNZ quartet
	VZEROUPPER
	RET
