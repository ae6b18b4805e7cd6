#include "go_asm.h"
#include "textflag.h"

// Variables in the frame: products of inverses, the tail's rows, where the tail's h go, and whether the tail runs.
#define AB     0
#define AC     32
#define BC     64
#define TAIL   96
#define TAILHI 416
#define TAILHJ 424
#define INTAIL 432

// HUBER replaces g by huber'(g), which is g within [-1,1], and adds twice huber(g) = g'·(2g − g')/2 to the loss.
// Y11 is 1, Y10 is −1, Y1 is scratch.
#define HUBER(g) \
	VADDPS g, g, Y1    \
	VMAXPS Y10, g, g   \
	VMINPS Y11, g, g   \
	VSUBPS g, Y1, Y1   \
	VMULPS g, Y1, Y1   \
	VADDPS Y1, Y9, Y9

// COPY moves the masked end of a row to the frame and points the row there. Y0 is the mask.
#define COPY(row, place) \
	VMASKMOVPS (row)(R12*1), Y0, Y1 \
	VMOVUPS Y1, (TAIL+place)(SP)    \
	LEAQ (TAIL+place)(SP), row

// SUM stores the sum of the eight elements of a register.
#define SUM(y, x, place) \
	VEXTRACTF128 $1, y, X0 \
	VADDPS X0, x, x        \
	VHADDPS x, x, x        \
	VHADDPS x, x, x        \
	VMOVSS x, place(R13)

// func sumTrianglesAVX(t *triangles)
TEXT ·sumTrianglesAVX(SB), NOSPLIT, $440-8
	MOVQ t+0(FP), R13
	MOVQ triangles_sB(R13), AX     // student: squared from i
	MOVQ triangles_sC(R13), BX     //          squared from j
	MOVQ triangles_sb(R13), CX    //          inverse from i
	MOVQ triangles_sc(R13), DX    //          inverse from j
	MOVQ triangles_tB(R13), SI    // teacher, the same
	MOVQ triangles_tC(R13), DI
	MOVQ triangles_tb(R13), R8
	MOVQ triangles_tc(R13), R9
	MOVQ triangles_hI(R13), R10   // h from i
	MOVQ triangles_hJ(R13), R11   // h from j
	VBROADCASTSS triangles_sA(R13), Y15  // student: A
	VBROADCASTSS triangles_sa(R13), Y14  //          a
	VBROADCASTSS triangles_tA(R13), Y13  // teacher: A
	VBROADCASTSS triangles_ta(R13), Y12 //          a
	VBROADCASTSS one<>(SB), Y11
	VBROADCASTSS minusOne<>(SB), Y10
	VXORPS Y9, Y9, Y9   // loss
	VXORPS Y8, Y8, Y8   // sides
	VXORPS Y7, Y7, Y7   // angles
	MOVQ $0, INTAIL(SP)
	XORQ R12, R12       // bytes from the rows' beginnings
	MOVQ triangles_count(R13), R13
	SHRQ $3, R13        // blocks of eight
	JZ   tail

loop:
	VMOVUPS (CX)(R12*1), Y0
	VMOVUPS (DX)(R12*1), Y1
	VMULPS Y14, Y0, Y2  // ab
	VMULPS Y14, Y1, Y3  // ac
	VMULPS Y0, Y1, Y4   // bc
	VMOVUPS (AX)(R12*1), Y5
	VSUBPS (BX)(R12*1), Y5, Y5
	VADDPS Y5, Y15, Y6
	VSUBPS Y5, Y15, Y5
	VMULPS Y2, Y6, Y6   // ψ at i
	VMULPS Y3, Y5, Y5   // ψ at j
	VMOVUPS Y2, AB(SP)
	VMOVUPS Y3, AC(SP)
	VMOVUPS (AX)(R12*1), Y2
	VADDPS (BX)(R12*1), Y2, Y2
	VSUBPS Y15, Y2, Y2
	VMULPS Y4, Y2, Y2   // ψ at k
	VMOVUPS Y4, BC(SP)

	VMOVUPS (R8)(R12*1), Y0
	VMOVUPS (R9)(R12*1), Y1
	VMOVUPS (SI)(R12*1), Y3
	VSUBPS (DI)(R12*1), Y3, Y3
	VADDPS Y3, Y13, Y4
	VMULPS Y12, Y4, Y4
	VMULPS Y0, Y4, Y4
	VSUBPS Y4, Y6, Y4   // difference at i
	VSUBPS Y3, Y13, Y3
	VMULPS Y12, Y3, Y3
	VMULPS Y1, Y3, Y3
	VSUBPS Y3, Y5, Y3   // difference at j
	VMULPS Y0, Y1, Y0
	VMOVUPS (SI)(R12*1), Y1
	VADDPS (DI)(R12*1), Y1, Y1
	VSUBPS Y13, Y1, Y1
	VMULPS Y1, Y0, Y0
	VSUBPS Y0, Y2, Y0   // difference at k

	HUBER(Y4)
	HUBER(Y3)
	HUBER(Y0)

	VMULPS AB(SP), Y4, Y1 // g·ab
	VMULPS Y4, Y6, Y6     // g·ψ at i
	VMULPS AC(SP), Y3, Y4 // g·ac
	VMULPS Y3, Y5, Y5     // g·ψ at j
	VMULPS BC(SP), Y0, Y3 // g·bc
	VMULPS Y0, Y2, Y2     // g·ψ at k

	VADDPS Y1, Y4, Y0
	VSUBPS Y3, Y0, Y0
	VADDPS Y0, Y8, Y8
	VADDPS Y6, Y5, Y0
	VADDPS Y0, Y7, Y7

	VADDPS Y1, Y3, Y0
	VSUBPS Y4, Y0, Y0
	VADDPS Y2, Y6, Y6
	VMULPS (CX)(R12*1), Y6, Y6
	VMULPS (CX)(R12*1), Y6, Y6
	VSUBPS Y6, Y0, Y0
	VADDPS (R10)(R12*1), Y0, Y0
	VMOVUPS Y0, (R10)(R12*1)

	VADDPS Y4, Y3, Y0
	VSUBPS Y1, Y0, Y0
	VADDPS Y2, Y5, Y5
	VMULPS (DX)(R12*1), Y5, Y5
	VMULPS (DX)(R12*1), Y5, Y5
	VSUBPS Y5, Y0, Y0
	VADDPS (R11)(R12*1), Y0, Y0
	VMOVUPS Y0, (R11)(R12*1)

	ADDQ $32, R12
	DECQ R13
	JNZ  loop

tail:
	CMPQ INTAIL(SP), $0
	JNE  store
	MOVQ t+0(FP), R13
	TESTQ $7, triangles_count(R13)
	JZ   done
	MOVQ triangles_mask(R13), R13
	VMOVUPS (R13), Y0
	LEAQ (R10)(R12*1), R13
	MOVQ R13, TAILHI(SP)
	LEAQ (R11)(R12*1), R13
	MOVQ R13, TAILHJ(SP)
	COPY(AX, 0)
	COPY(BX, 32)
	COPY(CX, 64)
	COPY(DX, 96)
	COPY(SI, 128)
	COPY(DI, 160)
	COPY(R8, 192)
	COPY(R9, 224)
	COPY(R10, 256)
	COPY(R11, 288)
	XORQ R12, R12
	MOVQ $1, R13
	MOVQ $1, INTAIL(SP)
	JMP  loop

store:
	MOVQ t+0(FP), R13
	MOVQ triangles_mask(R13), R13
	VMOVUPS (R13), Y0
	MOVQ TAILHI(SP), AX
	VMOVUPS (TAIL+256)(SP), Y1
	VMASKMOVPS Y1, Y0, (AX)
	MOVQ TAILHJ(SP), AX
	VMOVUPS (TAIL+288)(SP), Y1
	VMASKMOVPS Y1, Y0, (AX)

done:
	MOVQ t+0(FP), R13
	SUM(Y9, X9, triangles_loss)
	SUM(Y8, X8, triangles_sides)
	SUM(Y7, X7, triangles_angles)
	VZEROUPPER
	RET

DATA one<>(SB)/4, $1.0
GLOBL one<>(SB), RODATA|NOPTR, $4
DATA minusOne<>(SB)/4, $-1.0
GLOBL minusOne<>(SB), RODATA|NOPTR, $4
