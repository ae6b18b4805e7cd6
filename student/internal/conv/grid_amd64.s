#include "textflag.h"

// Offsets of struct planeCopy.
#define TO        0
#define FROM      8
#define TOPLANE   16
#define FROMPLANE 24
#define PLANES    32
#define TOROW     40
#define FROMROW   48
#define ROWS      56
#define WIDTH     64

// COPY gets what a copy is of, R13 being the argument: R8 and R9 are bytes from row to row, BX elements of a row, DI and SI the places.
#define COPY \
	MOVQ TOROW(R13), R8     \
	MOVQ FROMROW(R13), R9   \
	MOVQ WIDTH(R13), BX     \
	MOVQ TO(R13), DI        \
	MOVQ FROM(R13), SI      \
	MOVQ DI, 0(SP)          \
	MOVQ SI, 8(SP)          \
	MOVQ PLANES(R13), AX    \
	MOVQ AX, 16(SP)

// PLANE moves on to the next plane. Where the last one began, and how many are left, is in the frame.
#define PLANE \
	MOVQ 0(SP), DI            \
	MOVQ 8(SP), SI            \
	ADDQ TOPLANE(R13), DI     \
	ADDQ FROMPLANE(R13), SI   \
	MOVQ DI, 0(SP)            \
	MOVQ SI, 8(SP)            \
	DECQ 16(SP)

// LOWEST makes a mask of the lowest elements, as many as CX says, 0 to 16.
#define LOWEST(mask) \
	MOVL $1, AX    \
	SHLL CX, AX    \
	DECL AX        \
	KMOVW AX, mask

// func copyRows(c *planeCopy)
TEXT ·copyRows(SB), NOSPLIT, $24-8
	MOVQ c+0(FP), R13
	COPY
	MOVQ BX, CX
	ANDQ $15, CX
	LOWEST(K1) // of what is left after whole vectors
	SHRQ $4, BX

plane:
	MOVQ ROWS(R13), DX

row:
	MOVQ DI, R10
	MOVQ SI, R11
	MOVQ BX, AX
	TESTQ AX, AX
	JZ rest

whole:
	VMOVUPS (R11), Z0
	VMOVUPS Z0, (R10)
	ADDQ $64, R10
	ADDQ $64, R11
	DECQ AX
	JNZ whole

rest:
	TESTQ CX, CX
	JZ next
	VMOVUPS.Z (R11), K1, Z0
	VMOVUPS Z0, K1, (R10)

next:
	ADDQ R8, DI
	ADDQ R9, SI
	DECQ DX
	JNZ row
	PLANE
	JNZ plane
	VZEROUPPER
	RET

// evens are the places of every other element of two vectors, twos those of the elements to both places of which they go.
DATA evens<>+0(SB)/8, $0x0000000200000000
DATA evens<>+8(SB)/8, $0x0000000600000004
DATA evens<>+16(SB)/8, $0x0000000a00000008
DATA evens<>+24(SB)/8, $0x0000000e0000000c
DATA evens<>+32(SB)/8, $0x0000001200000010
DATA evens<>+40(SB)/8, $0x0000001600000014
DATA evens<>+48(SB)/8, $0x0000001a00000018
DATA evens<>+56(SB)/8, $0x0000001e0000001c
GLOBL evens<>(SB), RODATA|NOPTR, $64

DATA twos<>+0(SB)/8, $0x0000000000000000
DATA twos<>+8(SB)/8, $0x0000000100000001
DATA twos<>+16(SB)/8, $0x0000000200000002
DATA twos<>+24(SB)/8, $0x0000000300000003
DATA twos<>+32(SB)/8, $0x0000000400000004
DATA twos<>+40(SB)/8, $0x0000000500000005
DATA twos<>+48(SB)/8, $0x0000000600000006
DATA twos<>+56(SB)/8, $0x0000000700000007
GLOBL twos<>(SB), RODATA|NOPTR, $64

// PAIRS makes masks of up to 16 pairs of neighbours, as many as R12 says, but the last: K1 of the lower half, K2 of the higher.
// Of each pair it takes what the pattern does. K3 is of the elements themselves.
#define PAIRS(pattern) \
	MOVQ $16, CX          \
	CMPQ R12, CX          \
	CMOVQLT R12, CX       \
	LOWEST(K3)            \
	LEAQ -1(CX)(CX*1), CX \
	MOVQ $1, AX           \
	SHLQ CX, AX           \
	DECQ AX               \
	ANDQ $pattern, AX     \
	KMOVW AX, K1          \
	SHRQ $16, AX          \
	KMOVW AX, K2

// func copyEvens(c *planeCopy)
TEXT ·copyEvens(SB), NOSPLIT, $24-8
	MOVQ c+0(FP), R13
	COPY
	VMOVUPS evens<>(SB), Z4

plane:
	MOVQ ROWS(R13), DX

row:
	MOVQ DI, R10
	MOVQ SI, R11
	MOVQ BX, R12

some:
	PAIRS(0x7fffffff)
	VMOVUPS.Z (R11), K1, Z0
	VMOVUPS.Z 64(R11), K2, Z1
	VMOVAPS Z4, Z2
	VPERMI2PS Z1, Z0, Z2
	VMOVUPS Z2, K3, (R10)
	ADDQ $64, R10
	ADDQ $128, R11
	SUBQ $16, R12
	JG some
	ADDQ R8, DI
	ADDQ R9, SI
	DECQ DX
	JNZ row
	PLANE
	JNZ plane
	VZEROUPPER
	RET

// func copyToEvens(c *planeCopy)
TEXT ·copyToEvens(SB), NOSPLIT, $24-8
	MOVQ c+0(FP), R13
	COPY
	VMOVUPS twos<>(SB), Z4
	MOVL $8, AX
	VPBROADCASTD AX, Z5
	VPADDD Z4, Z5, Z5

plane:
	MOVQ ROWS(R13), DX

row:
	MOVQ DI, R10
	MOVQ SI, R11
	MOVQ BX, R12

some:
	PAIRS(0x55555555)
	VMOVUPS.Z (R11), K3, Z0
	VPERMPS Z0, Z4, Z1
	VPERMPS Z0, Z5, Z2
	VMOVUPS Z1, K1, (R10)
	VMOVUPS Z2, K2, 64(R10)
	ADDQ $128, R10
	ADDQ $64, R11
	SUBQ $16, R12
	JG some
	ADDQ R8, DI
	ADDQ R9, SI
	DECQ DX
	JNZ row
	PLANE
	JNZ plane
	VZEROUPPER
	RET
