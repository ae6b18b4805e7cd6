#include "textflag.h"
#include "mask_amd64.h"

// Sums: Y0 to Y3 are the lanes of one, Y4 to Y7 of another; Y8 to Y10 are scratch, Y11 is 0, Y12 masks the last
// elements, Y13 to Y15 are constants. SI and DI point into x and g, CX counts what is left of them.

// TOTAL leaves the sum of the lanes of four registers in X0 of the first, in float64.
#define TOTAL(y0, x0, y1, x1, y2, y3) \
	VADDPS y1, y0, y0       \
	VADDPS y3, y2, y2       \
	VADDPS y2, y0, y0       \
	VEXTRACTF128 $1, y0, x1 \
	VCVTPS2PD x0, y0        \
	VCVTPS2PD x1, y1        \
	VADDPD y1, y0, y0       \
	VEXTRACTF128 $1, y0, x1 \
	VADDPD x1, x0, x0       \
	VHADDPD x0, x0, x0

// func sumAVX2(x []float32) float64
TEXT ·sumAVX2(SB), NOSPLIT, $0-32
	MOVQ x_base+0(FP), SI
	MOVQ x_len+8(FP), CX
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	JMP  blocks

block:
	VADDPS (SI), Y0, Y0
	VADDPS 32(SI), Y1, Y1
	VADDPS 64(SI), Y2, Y2
	VADDPS 96(SI), Y3, Y3
	ADDQ $128, SI
	SUBQ $32, CX

blocks:
	CMPQ CX, $32
	JGE  block
	JMP  eights

eight:
	VADDPS (SI), Y0, Y0
	ADDQ $32, SI
	SUBQ $8, CX

eights:
	CMPQ CX, $8
	JGE  eight
	TESTQ CX, CX
	JZ   done
	MASK(CX, Y12)
	VMASKMOVPS (SI), Y12, Y8
	VADDPS Y8, Y0, Y0

done:
	TOTAL(Y0, X0, Y1, X1, Y2, Y3)
	VMOVSD X0, ret+24(FP)
	VZEROUPPER
	RET

#define CLEARBOTH \
	VXORPS Y0, Y0, Y0 \
	VXORPS Y1, Y1, Y1 \
	VXORPS Y2, Y2, Y2 \
	VXORPS Y3, Y3, Y3 \
	VXORPS Y4, Y4, Y4 \
	VXORPS Y5, Y5, Y5 \
	VXORPS Y6, Y6, Y6 \
	VXORPS Y7, Y7, Y7

#define DEVIATE(sum, squares) \
	VSUBPS Y15, Y8, Y8        \
	VADDPS Y8, sum, sum       \
	VMULPS Y8, Y8, Y8         \
	VADDPS Y8, squares, squares

// func deviationsAVX2(x []float32, about float32) (sum, squares float64)
TEXT ·deviationsAVX2(SB), NOSPLIT, $0-48
	MOVQ x_base+0(FP), SI
	MOVQ x_len+8(FP), CX
	VBROADCASTSS about+24(FP), Y15
	CLEARBOTH
	JMP  blocks

block:
	VMOVUPS (SI), Y8
	DEVIATE(Y0, Y4)
	VMOVUPS 32(SI), Y8
	DEVIATE(Y1, Y5)
	VMOVUPS 64(SI), Y8
	DEVIATE(Y2, Y6)
	VMOVUPS 96(SI), Y8
	DEVIATE(Y3, Y7)
	ADDQ $128, SI
	SUBQ $32, CX

blocks:
	CMPQ CX, $32
	JGE  block
	JMP  eights

eight:
	VMOVUPS (SI), Y8
	DEVIATE(Y0, Y4)
	ADDQ $32, SI
	SUBQ $8, CX

eights:
	CMPQ CX, $8
	JGE  eight
	TESTQ CX, CX
	JZ   done
	MASK(CX, Y12)
	VMASKMOVPS (SI), Y12, Y8
	VSUBPS Y15, Y8, Y8
	VANDPS Y12, Y8, Y8
	VADDPS Y8, Y0, Y0
	VMULPS Y8, Y8, Y8
	VADDPS Y8, Y4, Y4

done:
	TOTAL(Y0, X0, Y1, X1, Y2, Y3)
	TOTAL(Y4, X4, Y5, X5, Y6, Y7)
	VMOVSD X0, sum+32(FP)
	VMOVSD X4, squares+40(FP)
	VZEROUPPER
	RET

#define DOT(d, t) \
	VSUBPS Y15, Y8, Y8 \
	VMULPS Y9, Y8, Y8  \
	VADDPS Y8, d, d    \
	VADDPS Y9, t, t

// CENTREDDOTS is the loop of functions that sum over x and g, without loading arguments and storing results. BEFORE
// runs first, on eight elements of g in Y9, with x in Y8.
#define CENTREDDOTS(BEFORE) \
	CLEARBOTH \
	JMP  blocks \
block: \
	VMOVUPS (SI), Y8 \
	VMOVUPS (DI), Y9 \
	BEFORE \
	DOT(Y0, Y4) \
	VMOVUPS 32(SI), Y8 \
	VMOVUPS 32(DI), Y9 \
	BEFORE \
	DOT(Y1, Y5) \
	VMOVUPS 64(SI), Y8 \
	VMOVUPS 64(DI), Y9 \
	BEFORE \
	DOT(Y2, Y6) \
	VMOVUPS 96(SI), Y8 \
	VMOVUPS 96(DI), Y9 \
	BEFORE \
	DOT(Y3, Y7) \
	ADDQ $128, SI \
	ADDQ $128, DI \
	SUBQ $32, CX \
blocks: \
	CMPQ CX, $32 \
	JGE  block \
	JMP  eights \
eight: \
	VMOVUPS (SI), Y8 \
	VMOVUPS (DI), Y9 \
	BEFORE \
	DOT(Y0, Y4) \
	ADDQ $32, SI \
	ADDQ $32, DI \
	SUBQ $8, CX \
eights: \
	CMPQ CX, $8 \
	JGE  eight \
	TESTQ CX, CX \
	JZ   done \
	MASK(CX, Y12) \
	VMASKMOVPS (SI), Y12, Y8 \
	VMASKMOVPS (DI), Y12, Y9 \
	BEFORE \
	VSUBPS Y15, Y8, Y8 \
	VANDPS Y12, Y8, Y8 \
	VMULPS Y9, Y8, Y8 \
	VADDPS Y8, Y0, Y0 \
	VADDPS Y9, Y4, Y4 \
done: \
	TOTAL(Y0, X0, Y1, X1, Y2, Y3) \
	TOTAL(Y4, X4, Y5, X5, Y6, Y7)

#define NOTHING

// func centredDotAVX2(x, g []float32, mean float32) (dot, total float64)
TEXT ·centredDotAVX2(SB), NOSPLIT, $0-72
	MOVQ x_base+0(FP), SI
	MOVQ x_len+8(FP), CX
	MOVQ g_base+24(FP), DI
	VBROADCASTSS mean+48(FP), Y15
	CENTREDDOTS(NOTHING)
	VMOVSD X0, dot+56(FP)
	VMOVSD X4, total+64(FP)
	VZEROUPPER
	RET

// RECTIFY clears g in Y9 where scale·x + shift is not above 0, x being in Y8.
#define RECTIFY \
	VMULPS Y14, Y8, Y10          \
	VADDPS Y13, Y10, Y10         \
	VCMPPS $ABOVE, Y11, Y10, Y10 \
	VANDPS Y10, Y9, Y9

// func centredDotReLUAVX2(x, g []float32, mean, scale, shift float32) (dot, total float64)
TEXT ·centredDotReLUAVX2(SB), NOSPLIT, $0-80
	MOVQ x_base+0(FP), SI
	MOVQ x_len+8(FP), CX
	MOVQ g_base+24(FP), DI
	VBROADCASTSS mean+48(FP), Y15
	VBROADCASTSS scale+52(FP), Y14
	VBROADCASTSS shift+56(FP), Y13
	VXORPS Y11, Y11, Y11
	CENTREDDOTS(RECTIFY)
	VMOVSD X0, dot+64(FP)
	VMOVSD X4, total+72(FP)
	VZEROUPPER
	RET
