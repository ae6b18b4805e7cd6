#include "textflag.h"

// Offsets of struct dotTile.
#define PLACES  0
#define COUNT   8
#define A       16
#define ASTEP   24
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

// FOLDSIX does so with six sums, to Y0 to Y5.
#define FOLDSIX(za, ya, zb, yb, zc, yc, zd, yd, ze, ye, zf, yf) \
	FOLD(za, ya, Y0) \
	FOLD(zb, yb, Y1) \
	FOLD(zc, yc, Y2) \
	FOLD(zd, yd, Y3) \
	FOLD(ze, ye, Y4) \
	FOLD(zf, yf, Y5)

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
	MOVQ PLACES(AX), SI   \
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
	FOLDSIX(Z8, Y8, Z9, Y9, Z10, Y10, Z11, Y11, Z12, Y12, Z13, Y13)
	GATHER
	ADDQ BX, DX
	FOLDSIX(Z14, Y14, Z15, Y15, Z16, Y16, Z17, Y17, Z18, Y18, Z19, Y19)
	GATHER
	ADDQ BX, DX
	FOLDSIX(Z20, Y20, Z21, Y21, Z22, Y22, Z23, Y23, Z24, Y24, Z25, Y25)
	GATHER
	ADDQ BX, DX
	FOLDSIX(Z26, Y26, Z27, Y27, Z28, Y28, Z29, Y29, Z30, Y30, Z31, Y31)
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
	MOVQ PLACES(AX), SI
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
	FOLDSIX(Z8, Y8, Z9, Y9, Z10, Y10, Z11, Y11, Z12, Y12, Z13, Y13)
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
	FOLDSIX(Z8, Y8, Z9, Y9, Z10, Y10, Z11, Y11, Z12, Y12, Z13, Y13)
	GATHER
	AGAIN
	JNZ  six1
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
