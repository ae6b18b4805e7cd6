#include "textflag.h"

// Offsets of struct blockTranspose.
#define TO      0
#define FROM    8
#define TOROW   16
#define FROMROW 24
#define BLOCKS  32

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

// func transposeEights(t *blockTranspose)
TEXT ·transposeEights(SB), NOSPLIT, $0-8
	MOVQ t+0(FP), AX
	MOVQ TO(AX), DI
	MOVQ FROM(AX), SI
	MOVQ TOROW(AX), R8
	MOVQ FROMROW(AX), BX
	MOVQ BLOCKS(AX), CX
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
