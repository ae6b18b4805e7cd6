#include "go_asm.h"
#include "textflag.h"
#include "mask_amd64.h"

// ADAM updates w, m and v in Y0 to Y2, with the gradient g in Y3 and the step's constants in Y7 to Y15. Y4 is scratch.
#define ADAM \
	VMULPS Y14, Y0, Y4  \ // g + decay·w
	VADDPS Y4, Y3, Y3   \
	VMULPS Y7, Y1, Y1   \ // β₁·m + (1−β₁)·g
	VMULPS Y8, Y3, Y4   \
	VADDPS Y4, Y1, Y1   \
	VMULPS Y9, Y2, Y2   \ // β₂·v + (1−β₂)·g·g
	VMULPS Y10, Y3, Y4  \
	VMULPS Y3, Y4, Y4   \
	VADDPS Y4, Y2, Y2   \
	VSQRTPS Y2, Y4      \ // √v/root + ε
	VDIVPS Y12, Y4, Y4  \
	VADDPS Y13, Y4, Y4  \
	VMULPS Y11, Y1, Y3  \ // shrink·w − rate·m/that
	VDIVPS Y4, Y3, Y3   \
	VMULPS Y15, Y0, Y0  \
	VSUBPS Y3, Y0, Y0

// func adamAVX2(w, m, v, g []float32, s *adamStep)
TEXT ·adamAVX2(SB), NOSPLIT, $0-104
	MOVQ w_base+0(FP), DI
	MOVQ w_len+8(FP), CX
	MOVQ m_base+24(FP), SI
	MOVQ v_base+48(FP), DX
	MOVQ g_base+72(FP), BX
	MOVQ s+96(FP), AX
	VBROADCASTSS adamStep_beta1(AX), Y7
	VBROADCASTSS adamStep_rest1(AX), Y8
	VBROADCASTSS adamStep_beta2(AX), Y9
	VBROADCASTSS adamStep_rest2(AX), Y10
	VBROADCASTSS adamStep_rate(AX), Y11
	VBROADCASTSS adamStep_root(AX), Y12
	VBROADCASTSS adamStep_epsilon(AX), Y13
	VBROADCASTSS adamStep_decay(AX), Y14
	VBROADCASTSS adamStep_shrink(AX), Y15
	SUBQ $8, CX
	JLT  rest

eight: // for CX = len(w) − 8; CX >= 0; CX -= 8 {
	VMOVUPS (DI), Y0
	VMOVUPS (SI), Y1
	VMOVUPS (DX), Y2
	VMOVUPS (BX), Y3
	ADAM
	VMOVUPS Y0, (DI)
	VMOVUPS Y1, (SI)
	VMOVUPS Y2, (DX)
	ADDQ $32, DI
	ADDQ $32, SI
	ADDQ $32, DX
	ADDQ $32, BX
	SUBQ $8, CX
	JGE  eight // }

rest:
	ADDQ $8, CX
	JZ   done
	MASK(CX, Y6)
	VMASKMOVPS (DI), Y6, Y0
	VMASKMOVPS (SI), Y6, Y1
	VMASKMOVPS (DX), Y6, Y2
	VMASKMOVPS (BX), Y6, Y3
	ADAM
	VMASKMOVPS Y0, Y6, (DI)
	VMASKMOVPS Y1, Y6, (SI)
	VMASKMOVPS Y2, Y6, (DX)

done:
	VZEROUPPER
	RET
