#include "go_asm.h"
#include "textflag.h"

// EIGHT: Y0 … Y7 = rows 0 … 7 at an address; row, three, five and seven are one to seven row strides
#define EIGHT(address, row, three, five, seven) \
	VMOVUPS (address), Y0            \ // Y0 = row 0 [0:8]
	VMOVUPS (address)(row*1), Y1     \
	VMOVUPS (address)(row*2), Y2     \
	VMOVUPS (address)(three*1), Y3   \
	VMOVUPS (address)(row*4), Y4     \
	VMOVUPS (address)(five*1), Y5    \
	VMOVUPS (address)(three*2), Y6   \
	VMOVUPS (address)(seven*1), Y7

// func transposeEights(t *blockTranspose)
TEXT ·transposeEights(SB), NOSPLIT, $0-8
	MOVQ t+0(FP), AX
	MOVQ blockTranspose_to(AX), DI
	MOVQ blockTranspose_from(AX), SI
	MOVQ blockTranspose_toRow(AX), R8
	MOVQ blockTranspose_fromRow(AX), BX
	MOVQ blockTranspose_blocks(AX), CX
	LEAQ (BX)(BX*2), R9   // R9 = 3·fromRow
	LEAQ (BX)(BX*4), R10  // R10 = 5·fromRow
	LEAQ (R9)(BX*4), R11  // R11 = 7·fromRow
	LEAQ (R8)(R8*2), R12  // R12 = 3·toRow
	LEAQ (R8)(R8*4), R13  // R13 = 5·toRow
	LEAQ (R12)(R8*4), DX  // DX = 7·toRow

eights: // for CX = blocks; CX > 0; CX-- {
	EIGHT(SI, BX, R9, R10, R11)
	VUNPCKLPS Y1, Y0, Y8  // of rows 0 and 1, columns 0 1 and 4 5
	VUNPCKHPS Y1, Y0, Y9  // of rows 0 and 1, columns 2 3 and 6 7
	VUNPCKLPS Y3, Y2, Y10
	VUNPCKHPS Y3, Y2, Y11
	VUNPCKLPS Y5, Y4, Y12
	VUNPCKHPS Y5, Y4, Y13
	VUNPCKLPS Y7, Y6, Y14
	VUNPCKHPS Y7, Y6, Y15
	VSHUFPS $0x44, Y10, Y8, Y0 // of rows 0 to 3, columns 0 and 4
	VSHUFPS $0xee, Y10, Y8, Y1 // 1 and 5
	VSHUFPS $0x44, Y11, Y9, Y2
	VSHUFPS $0xee, Y11, Y9, Y3
	VSHUFPS $0x44, Y14, Y12, Y4
	VSHUFPS $0xee, Y14, Y12, Y5
	VSHUFPS $0x44, Y15, Y13, Y6
	VSHUFPS $0xee, Y15, Y13, Y7
	VPERM2F128 $0x20, Y4, Y0, Y8  // column 0 of all rows
	VPERM2F128 $0x20, Y5, Y1, Y9
	VPERM2F128 $0x20, Y6, Y2, Y10
	VPERM2F128 $0x20, Y7, Y3, Y11
	VPERM2F128 $0x31, Y4, Y0, Y12 // column 4 of all rows
	VPERM2F128 $0x31, Y5, Y1, Y13
	VPERM2F128 $0x31, Y6, Y2, Y14
	VPERM2F128 $0x31, Y7, Y3, Y15
	VMOVUPS Y8, (DI) // to row 0 [0:8] = column 0
	VMOVUPS Y9, (DI)(R8*1)
	VMOVUPS Y10, (DI)(R8*2)
	VMOVUPS Y11, (DI)(R12*1)
	VMOVUPS Y12, (DI)(R8*4)
	VMOVUPS Y13, (DI)(R13*1)
	VMOVUPS Y14, (DI)(R12*2)
	VMOVUPS Y15, (DI)(DX*1)
	ADDQ $32, SI        // from += 8 columns
	LEAQ (DI)(R8*8), DI // to += 8 rows
	DECQ CX
	JNZ eights // }
	VZEROUPPER
	RET
