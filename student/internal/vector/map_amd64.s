#include "textflag.h"
#include "mask_amd64.h"

// masks are sixteen times all ones, and then zeros.
DATA ·masks+0(SB)/8, $-1
DATA ·masks+8(SB)/8, $-1
DATA ·masks+16(SB)/8, $-1
DATA ·masks+24(SB)/8, $-1
DATA ·masks+32(SB)/8, $-1
DATA ·masks+40(SB)/8, $-1
DATA ·masks+48(SB)/8, $-1
DATA ·masks+56(SB)/8, $-1
DATA ·masks+64(SB)/8, $0
DATA ·masks+72(SB)/8, $0
DATA ·masks+80(SB)/8, $0
DATA ·masks+88(SB)/8, $0
DATA ·masks+96(SB)/8, $0
DATA ·masks+104(SB)/8, $0
DATA ·masks+112(SB)/8, $0
DATA ·masks+120(SB)/8, $0
GLOBL ·masks(SB), RODATA|NOPTR, $128

// Maps: Y0 is x and becomes y, Y1 is another row; Y2 and Y3 are scratch, Y8 masks the last elements, Y9 to Y15 are
// constants, Y9 mostly 0. SI, BX and DI point into x, the other row and y, DX into a third, CX counts what is left.

// AFFINE is scale·x + shift.
#define AFFINE(x, y) \
	VMULPS Y15, x, y \
	VADDPS Y14, y, y

// RELU is max(x, 0).
#define RELU \
	VCMPPS $NOTBELOW, Y9, Y0, Y2 \
	VANDPS Y2, Y0, Y0

// GRAD clears Y1 where y is not above Y9.
#define GRAD(y) \
	VCMPPS $ABOVE, Y9, y, Y2 \
	VANDPS Y2, Y1, Y1

// BLEND is (slope·x + offset) + factor·g.
#define BLEND \
	VMULPS Y12, Y0, Y0 \
	VADDPS Y11, Y0, Y0 \
	VMULPS Y13, Y1, Y1 \
	VADDPS Y1, Y0, Y0

// ONE, TWO and THREE are the loops of functions of one, two and three rows: BODY for eight elements at a time, in Y0,
// Y1 and Y3, then masked for the rest. BODY leaves its result in register y.
#define ONE(BODY, y) \
	JMP  eights \
eight: \
	VMOVUPS (SI), Y0 \
	BODY \
	VMOVUPS y, (DI) \
	ADDQ $32, SI \
	ADDQ $32, DI \
	SUBQ $8, CX \
eights: \
	CMPQ CX, $8 \
	JGE  eight \
	TESTQ CX, CX \
	JZ   done \
	MASK(CX, Y8) \
	VMASKMOVPS (SI), Y8, Y0 \
	BODY \
	VMASKMOVPS y, Y8, (DI) \
done: \
	VZEROUPPER \
	RET

#define TWO(BODY, y) \
	JMP  eights \
eight: \
	VMOVUPS (SI), Y0 \
	VMOVUPS (BX), Y1 \
	BODY \
	VMOVUPS y, (DI) \
	ADDQ $32, SI \
	ADDQ $32, BX \
	ADDQ $32, DI \
	SUBQ $8, CX \
eights: \
	CMPQ CX, $8 \
	JGE  eight \
	TESTQ CX, CX \
	JZ   done \
	MASK(CX, Y8) \
	VMASKMOVPS (SI), Y8, Y0 \
	VMASKMOVPS (BX), Y8, Y1 \
	BODY \
	VMASKMOVPS y, Y8, (DI) \
done: \
	VZEROUPPER \
	RET

#define THREE(BODY, y) \
	JMP  eights \
eight: \
	VMOVUPS (SI), Y0 \
	VMOVUPS (BX), Y1 \
	VMOVUPS (DX), Y3 \
	BODY \
	VMOVUPS y, (DI) \
	ADDQ $32, SI \
	ADDQ $32, BX \
	ADDQ $32, DX \
	ADDQ $32, DI \
	SUBQ $8, CX \
eights: \
	CMPQ CX, $8 \
	JGE  eight \
	TESTQ CX, CX \
	JZ   done \
	MASK(CX, Y8) \
	VMASKMOVPS (SI), Y8, Y0 \
	VMASKMOVPS (BX), Y8, Y1 \
	VMASKMOVPS (DX), Y8, Y3 \
	BODY \
	VMASKMOVPS y, Y8, (DI) \
done: \
	VZEROUPPER \
	RET

// What the functions do with eight elements.

#define AFFINERELU \
	AFFINE(Y0, Y0) \
	RELU

#define AFFINEADDRELU \
	AFFINE(Y0, Y0)    \
	VADDPS Y1, Y0, Y0 \
	RELU

#define CLIPGRAD \
	GRAD(Y0)                   \
	VCMPPS $ABOVE, Y0, Y10, Y2 \
	VANDPS Y2, Y1, Y1

#define ADDRELUGRAD \
	VADDPS Y3, Y1, Y1 \
	GRAD(Y0)

#define BLENDRELU \
	AFFINE(Y0, Y3) \
	GRAD(Y3)       \
	BLEND

// func affineAVX2(y, x []float32, scale, shift float32)
TEXT ·affineAVX2(SB), NOSPLIT, $0-56
	MOVQ y_base+0(FP), DI
	MOVQ x_base+24(FP), SI
	MOVQ x_len+32(FP), CX
	VBROADCASTSS scale+48(FP), Y15
	VBROADCASTSS shift+52(FP), Y14
	ONE(AFFINE(Y0, Y0), Y0)

// func affineReLUAVX2(y, x []float32, scale, shift float32)
TEXT ·affineReLUAVX2(SB), NOSPLIT, $0-56
	MOVQ y_base+0(FP), DI
	MOVQ x_base+24(FP), SI
	MOVQ x_len+32(FP), CX
	VBROADCASTSS scale+48(FP), Y15
	VBROADCASTSS shift+52(FP), Y14
	VXORPS Y9, Y9, Y9
	ONE(AFFINERELU, Y0)

// func affineAddReLUAVX2(y, x, z []float32, scale, shift float32)
TEXT ·affineAddReLUAVX2(SB), NOSPLIT, $0-80
	MOVQ y_base+0(FP), DI
	MOVQ x_base+24(FP), SI
	MOVQ x_len+32(FP), CX
	MOVQ z_base+48(FP), BX
	VBROADCASTSS scale+72(FP), Y15
	VBROADCASTSS shift+76(FP), Y14
	VXORPS Y9, Y9, Y9
	TWO(AFFINEADDRELU, Y0)

// func reluGradAVX2(gx, y, g []float32)
TEXT ·reluGradAVX2(SB), NOSPLIT, $0-72
	MOVQ gx_base+0(FP), DI
	MOVQ y_base+24(FP), SI
	MOVQ y_len+32(FP), CX
	MOVQ g_base+48(FP), BX
	VXORPS Y9, Y9, Y9
	TWO(GRAD(Y0), Y1)

// func clipGradAVX2(gx, y, g []float32, low, high float32)
TEXT ·clipGradAVX2(SB), NOSPLIT, $0-80
	MOVQ gx_base+0(FP), DI
	MOVQ y_base+24(FP), SI
	MOVQ y_len+32(FP), CX
	MOVQ g_base+48(FP), BX
	VBROADCASTSS low+72(FP), Y9
	VBROADCASTSS high+76(FP), Y10
	TWO(CLIPGRAD, Y1)

// func addReLUGradAVX2(gx, y, g, h []float32)
TEXT ·addReLUGradAVX2(SB), NOSPLIT, $0-96
	MOVQ gx_base+0(FP), DI
	MOVQ y_base+24(FP), SI
	MOVQ y_len+32(FP), CX
	MOVQ g_base+48(FP), BX
	MOVQ h_base+72(FP), DX
	VXORPS Y9, Y9, Y9
	THREE(ADDRELUGRAD, Y1)

// func blendAVX2(gx, x, g []float32, factor, slope, offset float32)
TEXT ·blendAVX2(SB), NOSPLIT, $0-84
	MOVQ gx_base+0(FP), DI
	MOVQ x_base+24(FP), SI
	MOVQ x_len+32(FP), CX
	MOVQ g_base+48(FP), BX
	VBROADCASTSS factor+72(FP), Y13
	VBROADCASTSS slope+76(FP), Y12
	VBROADCASTSS offset+80(FP), Y11
	TWO(BLEND, Y0)

// func blendReLUAVX2(gx, x, g []float32, factor, slope, offset, scale, shift float32)
TEXT ·blendReLUAVX2(SB), NOSPLIT, $0-92
	MOVQ gx_base+0(FP), DI
	MOVQ x_base+24(FP), SI
	MOVQ x_len+32(FP), CX
	MOVQ g_base+48(FP), BX
	VBROADCASTSS factor+72(FP), Y13
	VBROADCASTSS slope+76(FP), Y12
	VBROADCASTSS offset+80(FP), Y11
	VBROADCASTSS scale+84(FP), Y15
	VBROADCASTSS shift+88(FP), Y14
	VXORPS Y9, Y9, Y9
	TWO(BLENDRELU, Y0)
