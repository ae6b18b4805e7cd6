#include "textflag.h"
#include "mask_amd64.h"

// Windows of 2×2, eight at a time: Y0 and Y1 are sixteen elements of the upper row, Y2 and Y3 of the lower row. SI and
// R11 point into those rows, R12 to the start of the upper one; R8 counts rows, R9 is the number of columns, R10 the
// width in bytes, CX the columns left. At a row's end Y15 masks the windows, Y13 and Y14 their elements.

// ENDMASKS fills Y13 to Y15 for the windows beyond the last eight.
#define ENDMASKS \
	MOVQ R9, CX               \
	ANDQ $7, CX               \
	NEGQ CX                   \
	LEAQ ·masks(SB), AX       \
	VMOVUPS 64(AX)(CX*4), Y15 \
	VMOVUPS 64(AX)(CX*8), Y13 \
	VMOVUPS 96(AX)(CX*8), Y14

// NANMAX is the maximum of a and b, and NaN if one of them is.
#define NANMAX(a, b, max, scratch) \
	VMAXPS b, a, max                  \
	VCMPPS $UNORDERED, b, a, scratch  \
	VORPS scratch, max, max

// WINDOWS leaves the maxima in Y4. Elements of even and of odd places come in the order 0145 2367, which VPERMQ undoes.
#define WINDOWS \
	NANMAX(Y0, Y2, Y4, Y5)       \
	NANMAX(Y1, Y3, Y6, Y7)       \
	VSHUFPS $0x88, Y6, Y4, Y5    \
	VSHUFPS $0xdd, Y6, Y4, Y7    \
	NANMAX(Y5, Y7, Y4, Y6)       \
	VPERMQ $0xd8, Y4, Y4

// func halveAVX2(y, x []float32, rows, columns, width int)
TEXT ·halveAVX2(SB), NOSPLIT, $0-72
	MOVQ y_base+0(FP), DI
	MOVQ x_base+24(FP), R12
	MOVQ rows+48(FP), R8
	MOVQ columns+56(FP), R9
	MOVQ width+64(FP), R10
	SHLQ $2, R10
	ENDMASKS

row:
	MOVQ R12, SI
	LEAQ (R12)(R10*1), R11
	LEAQ (R12)(R10*2), R12
	MOVQ R9, CX
	JMP  eights

eight:
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y1
	VMOVUPS (R11), Y2
	VMOVUPS 32(R11), Y3
	WINDOWS
	VMOVUPS Y4, (DI)
	ADDQ $64, SI
	ADDQ $64, R11
	ADDQ $32, DI
	SUBQ $8, CX

eights:
	CMPQ CX, $8
	JGE  eight
	TESTQ CX, CX
	JZ   next
	VMASKMOVPS (SI), Y13, Y0
	VMASKMOVPS 32(SI), Y14, Y1
	VMASKMOVPS (R11), Y13, Y2
	VMASKMOVPS 32(R11), Y14, Y3
	WINDOWS
	VMASKMOVPS Y4, Y15, (DI)
	LEAQ (DI)(CX*4), DI

next:
	DECQ R8
	JNZ  row
	VZEROUPPER
	RET

// TAKE moves what is left of g in Y9 to y where y is the maximum in Y8.
#define TAKE(y) \
	VCMPPS $EQUAL, Y8, y, Y10 \
	VANDPS Y9, Y10, y         \
	VANDNPS Y9, Y10, Y9

// SPREAD replaces Y0 to Y3 by the input gradient of max pooling, from the output gradient in Y9. Y11 is 0; Y12 masks
// windows whose maximum is 0 or less when a ReLU is fused in.
#define SPREAD \
	VSHUFPS $0x88, Y1, Y0, Y4   \
	VSHUFPS $0xdd, Y1, Y0, Y5   \
	VSHUFPS $0x88, Y3, Y2, Y6   \
	VSHUFPS $0xdd, Y3, Y2, Y7   \
	VMAXPS Y5, Y4, Y8           \
	VMAXPS Y7, Y6, Y10          \
	VMAXPS Y10, Y8, Y8          \
	VPERMQ $0xd8, Y9, Y9        \
	VCMPPS $ABOVE, Y11, Y8, Y10 \
	VORPS Y12, Y10, Y10         \
	VANDPS Y10, Y9, Y9          \
	TAKE(Y4)                    \
	TAKE(Y5)                    \
	TAKE(Y6)                    \
	VUNPCKLPS Y5, Y4, Y0        \
	VUNPCKHPS Y5, Y4, Y1        \
	VUNPCKLPS Y9, Y6, Y2        \
	VUNPCKHPS Y9, Y6, Y3

// func halveGradAVX2(gx, x, g []float32, rows, columns, width int, passes int32)
TEXT ·halveGradAVX2(SB), NOSPLIT, $0-100
	MOVQ gx_base+0(FP), R13
	MOVQ x_base+24(FP), R12
	MOVQ g_base+48(FP), BX
	MOVQ rows+72(FP), R8
	MOVQ columns+80(FP), R9
	MOVQ width+88(FP), R10
	SHLQ $2, R10
	VBROADCASTSS passes+96(FP), Y12
	VXORPS Y11, Y11, Y11
	ENDMASKS

row:
	MOVQ R12, SI
	LEAQ (R12)(R10*1), R11
	LEAQ (R12)(R10*2), R12
	MOVQ R13, DI
	LEAQ (R13)(R10*1), DX
	LEAQ (R13)(R10*2), R13
	MOVQ R9, CX
	JMP  eights

eight:
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y1
	VMOVUPS (R11), Y2
	VMOVUPS 32(R11), Y3
	VMOVUPS (BX), Y9
	SPREAD
	VMOVUPS Y0, (DI)
	VMOVUPS Y1, 32(DI)
	VMOVUPS Y2, (DX)
	VMOVUPS Y3, 32(DX)
	ADDQ $64, SI
	ADDQ $64, R11
	ADDQ $64, DI
	ADDQ $64, DX
	ADDQ $32, BX
	SUBQ $8, CX

eights:
	CMPQ CX, $8
	JGE  eight
	TESTQ CX, CX
	JZ   next
	VMASKMOVPS (SI), Y13, Y0
	VMASKMOVPS 32(SI), Y14, Y1
	VMASKMOVPS (R11), Y13, Y2
	VMASKMOVPS 32(R11), Y14, Y3
	VMASKMOVPS (BX), Y15, Y9
	SPREAD
	VMASKMOVPS Y0, Y13, (DI)
	VMASKMOVPS Y1, Y14, 32(DI)
	VMASKMOVPS Y2, Y13, (DX)
	VMASKMOVPS Y3, Y14, 32(DX)
	LEAQ (BX)(CX*4), BX

next:
	DECQ R8
	JNZ  row
	VZEROUPPER
	RET
