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

// Offsets of struct planeCopy.
#define TO        0
#define FROM      8
#define TOPLANE   16
#define FROMPLANE 24
#define PLANES    32
#define TOROW     40
#define FROMROW   48
#define ROWS      56
#define WIDTH     64

// COPY gets what a copy is of, R13 being the argument: R8 and R9 are bytes from row to row, BX elements of a row, DI and SI the places.
#define COPY \
	MOVQ TOROW(R13), R8     \
	MOVQ FROMROW(R13), R9   \
	MOVQ WIDTH(R13), BX     \
	MOVQ TO(R13), DI        \
	MOVQ FROM(R13), SI      \
	MOVQ DI, 0(SP)          \
	MOVQ SI, 8(SP)          \
	MOVQ PLANES(R13), AX    \
	MOVQ AX, 16(SP)

// PLANE moves on to the next plane. Where the last one began, and how many are left, is in the frame.
#define PLANE \
	MOVQ 0(SP), DI            \
	MOVQ 8(SP), SI            \
	ADDQ TOPLANE(R13), DI     \
	ADDQ FROMPLANE(R13), SI   \
	MOVQ DI, 0(SP)            \
	MOVQ SI, 8(SP)            \
	DECQ 16(SP)

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

// Offsets of struct dotTile, whose first fields are the places, their number, A and the step between its rows.
#define ROWSX   32
#define COLUMNS 40
#define SIXES   48
#define OUT     56
#define OSTEP   64
#define KEEP    72

// Places in the frame of what moves on from six rows to the next six.
#define ATCOLUMNS 0
#define ATOUT     8
#define SIXESLEFT 16
#define ATAHEAD   24

// DOT adds the products of a row of A, in Z6, with the six rows of B to six sums.
#define DOT(a, s0, s1, s2, s3, s4, s5) \
	VMOVUPS a, Z6         \
	VFMADD231PS Z0, Z6, s0 \
	VFMADD231PS Z1, Z6, s1 \
	VFMADD231PS Z2, Z6, s2 \
	VFMADD231PS Z3, Z6, s3 \
	VFMADD231PS Z4, Z6, s4 \
	VFMADD231PS Z5, Z6, s5

// ZERO clears six sums.
#define ZERO(s0, s1, s2, s3, s4, s5) \
	VPXORD s0, s0, s0 \
	VPXORD s1, s1, s1 \
	VPXORD s2, s2, s2 \
	VPXORD s3, s3, s3 \
	VPXORD s4, s4, s4 \
	VPXORD s5, s5, s5

// FOLD adds the halves of a sum.
#define FOLD(z, y, to) \
	VEXTRACTF64X4 $1, z, Y7 \
	VADDPS y, Y7, to

// GATHER adds the totals of the sums in Y0 to Y5 to the row of the output at DX, as many as K1 says.
#define GATHER \
	VHADDPS Y1, Y0, Y0        \
	VHADDPS Y3, Y2, Y2        \
	VHADDPS Y5, Y4, Y4        \
	VHADDPS Y2, Y0, Y0        \
	VHADDPS Y4, Y4, Y4        \
	VEXTRACTF128 $1, Y0, X1   \
	VEXTRACTF128 $1, Y4, X5   \
	VADDPS X1, X0, X0         \
	VADDPS X5, X4, X4         \
	VINSERTF128 $1, X4, Y0, Y0 \
	VMOVUPS.Z (DX), K1, Y1    \
	VADDPS Y1, Y0, Y0         \
	VMOVUPS Y0, K1, (DX)

// OPEN puts what moves on into the frame.
#define OPEN \
	MOVQ t+0(FP), AX         \
	MOVQ COLUMNS(AX), CX     \
	MOVQ CX, ATCOLUMNS(SP)   \
	MOVQ OUT(AX), CX         \
	MOVQ CX, ATOUT(SP)       \
	MOVQ SIXES(AX), CX       \
	MOVQ CX, SIXESLEFT(SP)   \
	MOVQ ASTEP(AX), CX       \
	SHLQ $2, CX              \
	ADDQ A(AX), CX           \
	MOVQ CX, ATAHEAD(SP)

// COLUMN gets where the place-th of six rows begins.
#define COLUMN(place, r) \
	MOVLQSX (8*place+4)(CX), r \
	ADDQ SI, r

// BEGIN gets the argument, and where the next six rows begin.
#define BEGIN \
	MOVQ t+0(FP), AX     \
	MOVQ ATCOLUMNS(SP), CX \
	MOVQ ROWSX(AX), SI   \
	COLUMN(0, BX)        \
	COLUMN(1, DX)        \
	COLUMN(2, DI)        \
	COLUMN(3, R11)       \
	COLUMN(4, R12)       \
	COLUMN(5, R13)       \
	MOVQ TABLE(AX), SI   \
	MOVQ COUNT(AX), CX   \
	MOVQ A(AX), R8       \
	MOVQ ASTEP(AX), R9   \
	LEAQ (R9)(R9*2), R10 \
	MOVQ ATAHEAD(SP), R14

// PLACE reads the next place: the six rows of B there, and where A's are.
#define PLACE \
	MOVLQSX 4(SI), AX        \
	VMOVUPS (BX)(AX*1), Z0   \
	VMOVUPS (DX)(AX*1), Z1   \
	VMOVUPS (DI)(AX*1), Z2   \
	VMOVUPS (R11)(AX*1), Z3  \
	VMOVUPS (R12)(AX*1), Z4  \
	VMOVUPS (R13)(AX*1), Z5  \
	MOVLQSX (SI), AX         \
	PREFETCHT1 (R14)(AX*1)   \
	ADDQ R8, AX              \
	ADDQ $8, SI

// END gets where the totals go.
#define END \
	MOVQ t+0(FP), AX    \
	MOVQ ATOUT(SP), DX  \
	MOVQ OSTEP(AX), BX  \
	KMOVW KEEP(AX), K1

// AGAIN moves on to the next six rows, and to fetching the next row of A after those that it is at.
#define AGAIN \
	ADDQ R9, ATAHEAD(SP)    \
	ADDQ $48, ATCOLUMNS(SP) \
	ADDQ $24, ATOUT(SP)     \
	DECQ SIXESLEFT(SP)

// func addDots4(t *dotTile)
TEXT ·addDots4(SB), NOSPLIT, $32-8
	OPEN

six4:
	BEGIN
	ZERO(Z8, Z9, Z10, Z11, Z12, Z13)
	ZERO(Z14, Z15, Z16, Z17, Z18, Z19)
	ZERO(Z20, Z21, Z22, Z23, Z24, Z25)
	ZERO(Z26, Z27, Z28, Z29, Z30, Z31)

place4:
	PLACE
	DOT((AX), Z8, Z9, Z10, Z11, Z12, Z13)
	DOT((AX)(R9*1), Z14, Z15, Z16, Z17, Z18, Z19)
	DOT((AX)(R9*2), Z20, Z21, Z22, Z23, Z24, Z25)
	DOT((AX)(R10*1), Z26, Z27, Z28, Z29, Z30, Z31)
	DECQ CX
	JNZ  place4

	END
	FOLD(Z8, Y8, Y0)
	FOLD(Z9, Y9, Y1)
	FOLD(Z10, Y10, Y2)
	FOLD(Z11, Y11, Y3)
	FOLD(Z12, Y12, Y4)
	FOLD(Z13, Y13, Y5)
	GATHER
	ADDQ BX, DX
	FOLD(Z14, Y14, Y0)
	FOLD(Z15, Y15, Y1)
	FOLD(Z16, Y16, Y2)
	FOLD(Z17, Y17, Y3)
	FOLD(Z18, Y18, Y4)
	FOLD(Z19, Y19, Y5)
	GATHER
	ADDQ BX, DX
	FOLD(Z20, Y20, Y0)
	FOLD(Z21, Y21, Y1)
	FOLD(Z22, Y22, Y2)
	FOLD(Z23, Y23, Y3)
	FOLD(Z24, Y24, Y4)
	FOLD(Z25, Y25, Y5)
	GATHER
	ADDQ BX, DX
	FOLD(Z26, Y26, Y0)
	FOLD(Z27, Y27, Y1)
	FOLD(Z28, Y28, Y2)
	FOLD(Z29, Y29, Y3)
	FOLD(Z30, Y30, Y4)
	FOLD(Z31, Y31, Y5)
	GATHER
	AGAIN
	JNZ  six4
	VZEROUPPER
	RET

// Offsets of struct nineDots, whose first fields are the places, their number, A and X.
#define FROMX   24
#define NINEOF  32
#define NINEOUT 104

// NINTH adds the product of A, in Z6, with the row of X at an address to a sum.
#define NINTH(address, s) \
	VMOVUPS address, Z0     \
	VFMADD231PS Z0, Z6, s

// func addNineDots(t *nineDots)
TEXT ·addNineDots(SB), NOSPLIT, $0-8
	MOVQ t+0(FP), AX
	MOVQ TABLE(AX), SI
	MOVQ COUNT(AX), CX
	MOVQ A(AX), R8
	MOVQ FROMX(AX), R9
	MOVQ (NINEOF+0)(AX), BX
	MOVQ (NINEOF+8)(AX), DX
	MOVQ (NINEOF+16)(AX), DI
	MOVQ (NINEOF+24)(AX), R10
	MOVQ (NINEOF+32)(AX), R11
	MOVQ (NINEOF+40)(AX), R12
	MOVQ (NINEOF+48)(AX), R13
	MOVQ (NINEOF+56)(AX), R14
	MOVQ (NINEOF+64)(AX), R15
	ZERO(Z8, Z9, Z10, Z11, Z12, Z13)
	ZERO(Z14, Z15, Z16, Z17, Z18, Z19)

place:
	MOVLQSX (SI), AX
	VMOVUPS (R8)(AX*1), Z6
	MOVLQSX 4(SI), AX
	ADDQ R9, AX
	NINTH((AX)(BX*1), Z8)
	NINTH((AX)(DX*1), Z9)
	NINTH((AX)(DI*1), Z10)
	NINTH((AX)(R10*1), Z11)
	NINTH((AX)(R11*1), Z12)
	NINTH((AX)(R12*1), Z13)
	NINTH((AX)(R13*1), Z14)
	NINTH((AX)(R14*1), Z15)
	NINTH((AX)(R15*1), Z16)
	ADDQ $8, SI
	DECQ CX
	JNZ place

	MOVQ t+0(FP), AX
	MOVQ NINEOUT(AX), DX
	MOVL $0x3f, CX
	KMOVW CX, K1
	FOLD(Z8, Y8, Y0)
	FOLD(Z9, Y9, Y1)
	FOLD(Z10, Y10, Y2)
	FOLD(Z11, Y11, Y3)
	FOLD(Z12, Y12, Y4)
	FOLD(Z13, Y13, Y5)
	GATHER
	ADDQ $24, DX
	MOVL $0x7, CX
	KMOVW CX, K1
	FOLD(Z14, Y14, Y0)
	FOLD(Z15, Y15, Y1)
	FOLD(Z16, Y16, Y2)
	VMOVAPS Y0, Y3
	VMOVAPS Y0, Y4
	VMOVAPS Y0, Y5
	GATHER
	VZEROUPPER
	RET

// func addDots1(t *dotTile)
TEXT ·addDots1(SB), NOSPLIT, $32-8
	OPEN

six1:
	BEGIN
	ZERO(Z8, Z9, Z10, Z11, Z12, Z13)

place1:
	PLACE
	DOT((AX), Z8, Z9, Z10, Z11, Z12, Z13)
	DECQ CX
	JNZ  place1

	END
	FOLD(Z8, Y8, Y0)
	FOLD(Z9, Y9, Y1)
	FOLD(Z10, Y10, Y2)
	FOLD(Z11, Y11, Y3)
	FOLD(Z12, Y12, Y4)
	FOLD(Z13, Y13, Y5)
	GATHER
	AGAIN
	JNZ  six1
	VZEROUPPER
	RET

// LOWEST makes a mask of the lowest elements, as many as CX says, 0 to 16.
#define LOWEST(mask) \
	MOVL $1, AX    \
	SHLL CX, AX    \
	DECL AX        \
	KMOVW AX, mask

// func copyRows(c *planeCopy)
TEXT ·copyRows(SB), NOSPLIT, $24-8
	MOVQ c+0(FP), R13
	COPY
	MOVQ BX, CX
	ANDQ $15, CX
	LOWEST(K1) // of what is left after whole vectors
	SHRQ $4, BX

plane:
	MOVQ ROWS(R13), DX

row:
	MOVQ DI, R10
	MOVQ SI, R11
	MOVQ BX, AX
	TESTQ AX, AX
	JZ rest

whole:
	VMOVUPS (R11), Z0
	VMOVUPS Z0, (R10)
	ADDQ $64, R10
	ADDQ $64, R11
	DECQ AX
	JNZ whole

rest:
	VMOVUPS.Z (R11), K1, Z0
	VMOVUPS Z0, K1, (R10)
	ADDQ R8, DI
	ADDQ R9, SI
	DECQ DX
	JNZ row
	PLANE
	JNZ plane
	VZEROUPPER
	RET

// func pack(to, from *float32, spans *span, n int)
TEXT ·pack(SB), NOSPLIT, $0-32
	MOVQ to+0(FP), DI
	MOVQ from+8(FP), SI
	MOVQ spans+16(FP), BX
	MOVQ n+24(FP), CX

next:
	MOVLQSX 4(BX), AX
	KMOVW 8(BX), K1
	VEXPANDPS.Z (SI)(AX*1), K1, Z0
	VMOVUPS Z0, (DI)
	ADDQ $64, DI
	ADDQ $12, BX
	DECQ CX
	JNZ next
	VZEROUPPER
	RET

// evens are the places of every other element of two vectors, twos those of the elements to both places of which they go.
DATA evens<>+0(SB)/8, $0x0000000200000000
DATA evens<>+8(SB)/8, $0x0000000600000004
DATA evens<>+16(SB)/8, $0x0000000a00000008
DATA evens<>+24(SB)/8, $0x0000000e0000000c
DATA evens<>+32(SB)/8, $0x0000001200000010
DATA evens<>+40(SB)/8, $0x0000001600000014
DATA evens<>+48(SB)/8, $0x0000001a00000018
DATA evens<>+56(SB)/8, $0x0000001e0000001c
GLOBL evens<>(SB), RODATA|NOPTR, $64

DATA twos<>+0(SB)/8, $0x0000000000000000
DATA twos<>+8(SB)/8, $0x0000000100000001
DATA twos<>+16(SB)/8, $0x0000000200000002
DATA twos<>+24(SB)/8, $0x0000000300000003
DATA twos<>+32(SB)/8, $0x0000000400000004
DATA twos<>+40(SB)/8, $0x0000000500000005
DATA twos<>+48(SB)/8, $0x0000000600000006
DATA twos<>+56(SB)/8, $0x0000000700000007
GLOBL twos<>(SB), RODATA|NOPTR, $64

// PAIRS makes masks of up to 16 pairs of neighbours, as many as R12 says, but the last: K1 of the lower half, K2 of the higher.
// Of each pair it takes what the pattern does. K3 is of the elements themselves.
#define PAIRS(pattern) \
	MOVQ $16, CX          \
	CMPQ R12, CX          \
	CMOVQLT R12, CX       \
	LOWEST(K3)            \
	LEAQ -1(CX)(CX*1), CX \
	MOVQ $1, AX           \
	SHLQ CX, AX           \
	DECQ AX               \
	ANDQ $pattern, AX     \
	KMOVW AX, K1          \
	SHRQ $16, AX          \
	KMOVW AX, K2

// func copyEvens(c *planeCopy)
TEXT ·copyEvens(SB), NOSPLIT, $24-8
	MOVQ c+0(FP), R13
	COPY
	VMOVUPS evens<>(SB), Z4

plane:
	MOVQ ROWS(R13), DX

row:
	MOVQ DI, R10
	MOVQ SI, R11
	MOVQ BX, R12

some:
	PAIRS(0x7fffffff)
	VMOVUPS.Z (R11), K1, Z0
	VMOVUPS.Z 64(R11), K2, Z1
	VMOVAPS Z4, Z2
	VPERMI2PS Z1, Z0, Z2
	VMOVUPS Z2, K3, (R10)
	ADDQ $64, R10
	ADDQ $128, R11
	SUBQ $16, R12
	JG some
	ADDQ R8, DI
	ADDQ R9, SI
	DECQ DX
	JNZ row
	PLANE
	JNZ plane
	VZEROUPPER
	RET

// func copyToEvens(c *planeCopy)
TEXT ·copyToEvens(SB), NOSPLIT, $24-8
	MOVQ c+0(FP), R13
	COPY
	VMOVUPS twos<>(SB), Z4
	MOVL $8, AX
	VPBROADCASTD AX, Z5
	VPADDD Z4, Z5, Z5

plane:
	MOVQ ROWS(R13), DX

row:
	MOVQ DI, R10
	MOVQ SI, R11
	MOVQ BX, R12

some:
	PAIRS(0x55555555)
	VMOVUPS.Z (R11), K3, Z0
	VPERMPS Z0, Z4, Z1
	VPERMPS Z0, Z5, Z2
	VMOVUPS Z1, K1, (R10)
	VMOVUPS Z2, K2, 64(R10)
	ADDQ $128, R10
	ADDQ $64, R11
	SUBQ $16, R12
	JG some
	ADDQ R8, DI
	ADDQ R9, SI
	DECQ DX
	JNZ row
	PLANE
	JNZ plane
	VZEROUPPER
	RET

// Offsets of struct turn.
#define TURNTO      0
#define TURNFROM    8
#define TURNTOROW   16
#define TURNFROMROW 24
#define TURNBLOCKS  32

// EIGHT gets eight elements of each of eight rows.
#define EIGHT(address, row, three, five, seven) \
	VMOVUPS (address), Y0            \
	VMOVUPS (address)(row*1), Y1     \
	VMOVUPS (address)(row*2), Y2     \
	VMOVUPS (address)(three*1), Y3   \
	VMOVUPS (address)(row*4), Y4     \
	VMOVUPS (address)(five*1), Y5    \
	VMOVUPS (address)(three*2), Y6   \
	VMOVUPS (address)(seven*1), Y7

// func turnEights(t *turn)
TEXT ·turnEights(SB), NOSPLIT, $0-8
	MOVQ t+0(FP), AX
	MOVQ TURNTO(AX), DI
	MOVQ TURNFROM(AX), SI
	MOVQ TURNTOROW(AX), R8
	MOVQ TURNFROMROW(AX), BX
	MOVQ TURNBLOCKS(AX), CX
	LEAQ (BX)(BX*2), R9
	LEAQ (BX)(BX*4), R10
	LEAQ (R9)(BX*4), R11
	LEAQ (R8)(R8*2), R12
	LEAQ (R8)(R8*4), R13
	LEAQ (R12)(R8*4), DX

eights:
	EIGHT(SI, BX, R9, R10, R11)
	VUNPCKLPS Y1, Y0, Y8  // of pairs of rows, columns 0 1 and 4 5
	VUNPCKHPS Y1, Y0, Y9  // and 2 3 and 6 7
	VUNPCKLPS Y3, Y2, Y10
	VUNPCKHPS Y3, Y2, Y11
	VUNPCKLPS Y5, Y4, Y12
	VUNPCKHPS Y5, Y4, Y13
	VUNPCKLPS Y7, Y6, Y14
	VUNPCKHPS Y7, Y6, Y15
	VSHUFPS $0x44, Y10, Y8, Y0 // of four rows, columns 0 and 4
	VSHUFPS $0xee, Y10, Y8, Y1 // 1 and 5
	VSHUFPS $0x44, Y11, Y9, Y2
	VSHUFPS $0xee, Y11, Y9, Y3
	VSHUFPS $0x44, Y14, Y12, Y4
	VSHUFPS $0xee, Y14, Y12, Y5
	VSHUFPS $0x44, Y15, Y13, Y6
	VSHUFPS $0xee, Y15, Y13, Y7
	VPERM2F128 $0x20, Y4, Y0, Y8
	VPERM2F128 $0x20, Y5, Y1, Y9
	VPERM2F128 $0x20, Y6, Y2, Y10
	VPERM2F128 $0x20, Y7, Y3, Y11
	VPERM2F128 $0x31, Y4, Y0, Y12
	VPERM2F128 $0x31, Y5, Y1, Y13
	VPERM2F128 $0x31, Y6, Y2, Y14
	VPERM2F128 $0x31, Y7, Y3, Y15
	VMOVUPS Y8, (DI)
	VMOVUPS Y9, (DI)(R8*1)
	VMOVUPS Y10, (DI)(R8*2)
	VMOVUPS Y11, (DI)(R12*1)
	VMOVUPS Y12, (DI)(R8*4)
	VMOVUPS Y13, (DI)(R13*1)
	VMOVUPS Y14, (DI)(R12*2)
	VMOVUPS Y15, (DI)(DX*1)
	ADDQ $32, SI // the next columns are the next rows
	LEAQ (DI)(R8*8), DI
	DECQ CX
	JNZ eights
	VZEROUPPER
	RET
