#include "textflag.h"
#include "go_asm.h"

// func coefficientsBMI2(b *bitReader, coef *[blockLen]int16, t *huffmanTable, z *[128]uint8, k, highest int) (int, int)
//
// Registers: R8 acc, R9 n, R10 pos, R11 its last value for a load, SI buf, BX table, DI coef, R12 zigzag, DX k, R13
// highest.
TEXT ·coefficientsBMI2(SB), NOSPLIT, $0-64
	MOVQ b+0(FP), R15
	MOVQ coef+8(FP), DI
	MOVQ t+16(FP), BX
	MOVQ z+24(FP), R12
	MOVQ k+32(FP), DX
	MOVQ highest+40(FP), R13
	MOVQ bitReader_acc(R15), R8
	MOVQ bitReader_n(R15), R9
	MOVQ bitReader_pos(R15), R10
	MOVQ bitReader_buf(R15), SI
	MOVQ bitReader_buf+8(R15), R11
	SUBQ $8, R11
	LEAQ huffmanTable_fast(BX), BX

next:
	CMPQ R9, $32
	JLT  refill

look:
	MOVQ R8, CX
	SHRQ $(64-const_lookahead), CX
	MOVL (BX)(CX*4), AX
	MOVL AX, R14
	SARL $16, R14
	JZ   other
	MOVBLZX AH, CX
	ADDQ CX, DX             // past the zeros
	MOVBLZX (R12)(DX*1), CX
	MOVW R14, (DI)(CX*2)
	SHLXQ AX, R8, R8        // by the lower 6 bits, the length
	MOVBLZX AX, AX
	SUBQ AX, R9
	MOVQ DX, R13
	INCQ DX
	CMPQ DX, $64
	JLT  next

done:
	MOVQ R8, bitReader_acc(R15)
	MOVQ R9, bitReader_n(R15)
	MOVQ R10, bitReader_pos(R15)
	MOVQ DX, ret+48(FP)
	MOVQ R13, ret1+56(FP)
	RET

refill:
	CMPQ R10, R11
	JGT  done               // within the last bytes: one at a time, in Go
	MOVBEQ (SI)(R10*1), AX
	SHRXQ R9, AX, AX
	ORQ  AX, R8
	MOVQ $63, AX
	SUBQ R9, AX
	SHRQ $3, AX
	ADDQ AX, R10
	ORQ  $56, R9
	JMP  look

other:
	TESTL $0xff00, AX
	JNZ  done
	MOVBLZX AX, AX
	TESTL AX, AX
	JZ   done               // a long code
	SHLXQ AX, R8, R8        // the end of the block
	SUBQ AX, R9
	MOVQ $64, DX
	JMP  done
