#include "go_asm.h"
#include "textflag.h"

// Variables in the frame that change from one group of six columns to the next.
#define FRAME_COLUMNS 0
#define FRAME_OUT     8
#define FRAME_SIXES   16
#define FRAME_AHEAD   24

// Registers: SI = next place, CX = places left, R8 = a, R9 = aStep, R10 = 3·aStep, R14 = the row of a after those in
// use, BX, DX, DI, R11, R12, R13 = x + columns[j].b for six columns j; Z0 … Z5 = their elements, Z8 … Z31 = sums, six
// a row.

// DOT: for j in 0 … 5: sum[j] += a[0:16]·x[j][0:16], lane by lane
#define DOT(a, s0, s1, s2, s3, s4, s5) \
	VMOVUPS a, Z6          \ // Z6 = a[0:16]
	VFMADD231PS Z0, Z6, s0 \ // s0 += Z0·Z6
	VFMADD231PS Z1, Z6, s1 \
	VFMADD231PS Z2, Z6, s2 \
	VFMADD231PS Z3, Z6, s3 \
	VFMADD231PS Z4, Z6, s4 \
	VFMADD231PS Z5, Z6, s5

// ZERO: s0 = … = s5 = 0
#define ZERO(s0, s1, s2, s3, s4, s5) \
	VPXORD s0, s0, s0 \
	VPXORD s1, s1, s1 \
	VPXORD s2, s2, s2 \
	VPXORD s3, s3, s3 \
	VPXORD s4, s4, s4 \
	VPXORD s5, s5, s5

// FOLD: to[0:8] = z[0:8] + z[8:16], where y is the lower half of z
#define FOLD(z, y, to) \
	VEXTRACTF64X4 $1, z, Y7 \ // Y7 = z[8:16]
	VADDPS y, Y7, to           // to = y + Y7

// FOLDSIX: Y0 … Y5 = six folded sums
#define FOLDSIX(za, ya, zb, yb, zc, yc, zd, yd, ze, ye, zf, yf) \
	FOLD(za, ya, Y0) \
	FOLD(zb, yb, Y1) \
	FOLD(zc, yc, Y2) \
	FOLD(zd, yd, Y3) \
	FOLD(ze, ye, Y4) \
	FOLD(zf, yf, Y5)

// GATHER: for j in K1: out[j] += Σ Yj[0:8]; DX = out
#define GATHER \
	VHADDPS Y1, Y0, Y0         \ // sums of pairs of lanes: Y0 = s0 s0 s1 s1 of either half
	VHADDPS Y3, Y2, Y2         \ // Y2 = s2 s2 s3 s3
	VHADDPS Y5, Y4, Y4         \ // Y4 = s4 s4 s5 s5
	VHADDPS Y2, Y0, Y0         \ // sums of four lanes: Y0 = s0 s1 s2 s3
	VHADDPS Y4, Y4, Y4         \ // Y4 = s4 s5 s4 s5
	VEXTRACTF128 $1, Y0, X1    \
	VEXTRACTF128 $1, Y4, X5    \
	VADDPS X1, X0, X0          \ // sums of eight lanes: X0 = s0 s1 s2 s3
	VADDPS X5, X4, X4          \ // X4 = s4 s5 s4 s5
	VINSERTF128 $1, X4, Y0, Y0 \ // Y0 = s0 s1 s2 s3 s4 s5 s4 s5
	VMOVUPS.Z (DX), K1, Y1     \
	VADDPS Y1, Y0, Y0          \ // out[j] += Y0[j]
	VMOVUPS Y0, K1, (DX)

// OPEN copies the variables of the argument into the frame.
#define OPEN \
	MOVQ t+0(FP), AX            \
	MOVQ dotTile_columns(AX), CX \
	MOVQ CX, FRAME_COLUMNS(SP)  \ // frame.columns = t.columns
	MOVQ dotTile_out(AX), CX    \
	MOVQ CX, FRAME_OUT(SP)      \ // frame.out = t.out
	MOVQ dotTile_sixes(AX), CX  \
	MOVQ CX, FRAME_SIXES(SP)    \ // frame.sixes = t.sixes
	MOVQ dotTile_aStep(AX), CX  \
	SHLQ $2, CX                 \
	ADDQ dotTile_a(AX), CX      \
	MOVQ CX, FRAME_AHEAD(SP)       // frame.ahead = t.a + 4·t.aStep

// COLUMN: r = x + columns[j].b; SI = x, CX = columns
#define COLUMN(j, r) \
	MOVLQSX (j*entry__size+entry_b)(CX), r \
	ADDQ SI, r

// BEGIN begins a group of six columns.
#define BEGIN \
	MOVQ t+0(FP), AX     \
	MOVQ FRAME_COLUMNS(SP), CX \
	MOVQ dotTile_x(AX), SI \
	COLUMN(0, BX)        \
	COLUMN(1, DX)        \
	COLUMN(2, DI)        \
	COLUMN(3, R11)       \
	COLUMN(4, R12)       \
	COLUMN(5, R13)       \
	MOVQ dotTile_places(AX), SI \ // SI = places
	MOVQ dotTile_count(AX), CX  \ // CX = count
	MOVQ dotTile_a(AX), R8      \ // R8 = a
	MOVQ dotTile_aStep(AX), R9  \ // R9 = aStep
	LEAQ (R9)(R9*2), R10        \ // R10 = 3·aStep
	MOVQ FRAME_AHEAD(SP), R14      // R14 = frame.ahead

// PLACE reads a place: Z0 … Z5 = x[j][place.b : +16], AX = a + place.a. It prefetches the next row of a.
#define PLACE \
	MOVLQSX entry_b(SI), AX  \ // AX = place.b
	VMOVUPS (BX)(AX*1), Z0   \ // Z0 = x[0][AX:]
	VMOVUPS (DX)(AX*1), Z1   \
	VMOVUPS (DI)(AX*1), Z2   \
	VMOVUPS (R11)(AX*1), Z3  \
	VMOVUPS (R12)(AX*1), Z4  \
	VMOVUPS (R13)(AX*1), Z5  \
	MOVLQSX entry_a(SI), AX  \ // AX = place.a
	PREFETCHT1 (R14)(AX*1)   \
	ADDQ R8, AX              \ // AX += a
	ADDQ $entry__size, SI       // SI++

// END prepares the stores after the sums: DX = out, BX = outStep, K1 = valid.
#define END \
	MOVQ t+0(FP), AX          \
	MOVQ FRAME_OUT(SP), DX    \
	MOVQ dotTile_outStep(AX), BX \
	KMOVW dotTile_valid(AX), K1

// AGAIN moves on by six columns, and prefetching by a row; the zero flag is set after the last group.
#define AGAIN \
	ADDQ R9, FRAME_AHEAD(SP)               \ // frame.ahead += aStep
	ADDQ $(6*entry__size), FRAME_COLUMNS(SP) \ // frame.columns += 6
	ADDQ $(6*4), FRAME_OUT(SP)             \ // frame.out += 6
	DECQ FRAME_SIXES(SP)                      // frame.sixes--

// func addDots4(t *dotTile)
TEXT ·addDots4(SB), NOSPLIT, $32-8
	OPEN

six4: // do {
	BEGIN
	ZERO(Z8, Z9, Z10, Z11, Z12, Z13)
	ZERO(Z14, Z15, Z16, Z17, Z18, Z19)
	ZERO(Z20, Z21, Z22, Z23, Z24, Z25)
	ZERO(Z26, Z27, Z28, Z29, Z30, Z31)

place4: // for CX = count; CX > 0; CX-- {
	PLACE
	DOT((AX), Z8, Z9, Z10, Z11, Z12, Z13)
	DOT((AX)(R9*1), Z14, Z15, Z16, Z17, Z18, Z19)
	DOT((AX)(R9*2), Z20, Z21, Z22, Z23, Z24, Z25)
	DOT((AX)(R10*1), Z26, Z27, Z28, Z29, Z30, Z31)
	DECQ CX
	JNZ  place4 // }

	END
	FOLDSIX(Z8, Y8, Z9, Y9, Z10, Y10, Z11, Y11, Z12, Y12, Z13, Y13)
	GATHER
	ADDQ BX, DX // out += outStep
	FOLDSIX(Z14, Y14, Z15, Y15, Z16, Y16, Z17, Y17, Z18, Y18, Z19, Y19)
	GATHER
	ADDQ BX, DX // out += outStep
	FOLDSIX(Z20, Y20, Z21, Y21, Z22, Y22, Z23, Y23, Z24, Y24, Z25, Y25)
	GATHER
	ADDQ BX, DX // out += outStep
	FOLDSIX(Z26, Y26, Z27, Y27, Z28, Y28, Z29, Y29, Z30, Y30, Z31, Y31)
	GATHER
	AGAIN
	JNZ  six4 // } while --frame.sixes > 0
	VZEROUPPER
	RET

// NINTH: s += a·x[0:16], where Z6 = a[0:16] and x is at an address
#define NINTH(address, s) \
	VMOVUPS address, Z0     \ // Z0 = x[0:16]
	VFMADD231PS Z0, Z6, s      // s += Z0·Z6

// func addNineDots(t *nineDots)
TEXT ·addNineDots(SB), NOSPLIT, $0-8
	MOVQ t+0(FP), AX
	MOVQ nineDots_places(AX), SI
	MOVQ nineDots_count(AX), CX
	MOVQ nineDots_a(AX), R8
	MOVQ nineDots_x(AX), R9
	MOVQ (nineDots_columns+0)(AX), BX
	MOVQ (nineDots_columns+8)(AX), DX
	MOVQ (nineDots_columns+16)(AX), DI
	MOVQ (nineDots_columns+24)(AX), R10
	MOVQ (nineDots_columns+32)(AX), R11
	MOVQ (nineDots_columns+40)(AX), R12
	MOVQ (nineDots_columns+48)(AX), R13
	MOVQ (nineDots_columns+56)(AX), R14
	MOVQ (nineDots_columns+64)(AX), R15
	ZERO(Z8, Z9, Z10, Z11, Z12, Z13)
	ZERO(Z14, Z15, Z16, Z17, Z18, Z19)

place: // for CX = count; CX > 0; CX-- {
	MOVLQSX entry_a(SI), AX
	VMOVUPS (R8)(AX*1), Z6 // Z6 = a[place.a : +16]
	MOVLQSX entry_b(SI), AX
	ADDQ R9, AX // AX = x + place.b
	NINTH((AX)(BX*1), Z8)
	NINTH((AX)(DX*1), Z9)
	NINTH((AX)(DI*1), Z10)
	NINTH((AX)(R10*1), Z11)
	NINTH((AX)(R11*1), Z12)
	NINTH((AX)(R12*1), Z13)
	NINTH((AX)(R13*1), Z14)
	NINTH((AX)(R14*1), Z15)
	NINTH((AX)(R15*1), Z16)
	ADDQ $entry__size, SI // SI++
	DECQ CX
	JNZ place // }

	MOVQ t+0(FP), AX
	MOVQ nineDots_out(AX), DX
	MOVL $0x3f, CX
	KMOVW CX, K1 // six sums
	FOLDSIX(Z8, Y8, Z9, Y9, Z10, Y10, Z11, Y11, Z12, Y12, Z13, Y13)
	GATHER
	ADDQ $(6*4), DX // out += 6
	MOVL $0x7, CX
	KMOVW CX, K1 // three sums; Y3, Y4 and Y5 are not stored
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

six1: // do {
	BEGIN
	ZERO(Z8, Z9, Z10, Z11, Z12, Z13)

place1: // for CX = count; CX > 0; CX-- {
	PLACE
	DOT((AX), Z8, Z9, Z10, Z11, Z12, Z13)
	DECQ CX
	JNZ  place1 // }

	END
	FOLDSIX(Z8, Y8, Z9, Y9, Z10, Y10, Z11, Y11, Z12, Y12, Z13, Y13)
	GATHER
	AGAIN
	JNZ  six1 // } while --frame.sixes > 0
	VZEROUPPER
	RET

// func pack(to, from *float32, spans *span, n int)
TEXT ·pack(SB), NOSPLIT, $0-32
	MOVQ to+0(FP), DI
	MOVQ from+8(FP), SI
	MOVQ spans+16(FP), BX
	MOVQ n+24(FP), CX

next: // for CX = n; CX > 0; CX-- {
	MOVLQSX span_to(BX), AX
	KMOVW (span_mask+mask_valid)(BX), K1
	VEXPANDPS.Z (SI)(AX*1), K1, Z0 // Z0 = from[span.to:] in the valid lanes, 0 in the others
	VMOVUPS Z0, (DI)               // to[0:16] = Z0
	ADDQ $64, DI                   // to += 16
	ADDQ $span__size, BX           // spans++
	DECQ CX
	JNZ next // }
	VZEROUPPER
	RET
