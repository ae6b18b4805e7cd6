#include "go_asm.h"
#include "textflag.h"

// Variables in the frame: the current plane of to and of from, and planes left.
#define FRAME_TO     0
#define FRAME_FROM   8
#define FRAME_PLANES 16

// COPY reads the argument, which R13 points to: DI, SI = to, from, R8, R9 = toRow, fromRow, BX = width.
#define COPY \
	MOVQ planeCopy_toRow(R13), R8   \
	MOVQ planeCopy_fromRow(R13), R9 \
	MOVQ planeCopy_width(R13), BX   \
	MOVQ planeCopy_to(R13), DI      \
	MOVQ planeCopy_from(R13), SI    \
	MOVQ DI, FRAME_TO(SP)           \ // frame.to = to
	MOVQ SI, FRAME_FROM(SP)         \ // frame.from = from
	MOVQ planeCopy_planes(R13), AX  \
	MOVQ AX, FRAME_PLANES(SP)          // frame.planes = planes

// PLANE moves on to the next plane; the zero flag is set after the last.
#define PLANE \
	MOVQ FRAME_TO(SP), DI           \
	MOVQ FRAME_FROM(SP), SI         \
	ADDQ planeCopy_toPlane(R13), DI \ // to = frame.to + toPlane
	ADDQ planeCopy_fromPlane(R13), SI \ // from = frame.from + fromPlane
	MOVQ DI, FRAME_TO(SP)           \
	MOVQ SI, FRAME_FROM(SP)         \
	DECQ FRAME_PLANES(SP)              // frame.planes--

// LOWEST: mask = the lowest CX elements, 0 ≤ CX ≤ 16
#define LOWEST(mask) \
	MOVL $1, AX    \
	SHLL CX, AX    \
	DECL AX        \ // AX = 1<<CX − 1
	KMOVW AX, mask

// func copyRows(c *planeCopy)
TEXT ·copyRows(SB), NOSPLIT, $24-8
	MOVQ c+0(FP), R13
	COPY
	MOVQ BX, CX
	ANDQ $15, CX
	LOWEST(K1)  // K1 = the width%16 elements after whole vectors
	SHRQ $4, BX // BX = width/16

plane: // do {
	MOVQ planeCopy_rows(R13), DX

row: // for DX = rows; DX > 0; DX-- {
	MOVQ DI, R10
	MOVQ SI, R11
	MOVQ BX, AX
	TESTQ AX, AX
	JZ rest

whole: // for AX = width/16; AX > 0; AX-- {
	VMOVUPS (R11), Z0 // to[0:16] = from[0:16]
	VMOVUPS Z0, (R10)
	ADDQ $64, R10
	ADDQ $64, R11
	DECQ AX
	JNZ whole // }

rest:
	TESTQ CX, CX
	JZ next
	VMOVUPS.Z (R11), K1, Z0 // to[: width%16] = from[: width%16]
	VMOVUPS Z0, K1, (R10)

next:
	ADDQ R8, DI // to += toRow
	ADDQ R9, SI // from += fromRow
	DECQ DX
	JNZ row // }
	PLANE
	JNZ plane // } while --frame.planes > 0
	VZEROUPPER
	RET

// evens are the indices of every other element of two vectors, twos those of the lower eight elements of a vector, each
// twice.
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

// PAIRS makes masks for n = min(R12, 16) elements at every other of 2n − 1 places: K3 = the lowest n elements, K1 and
// K2 = the lower and the upper 16 of those places, as far as the pattern has them.
#define PAIRS(pattern) \
	MOVQ $16, CX          \
	CMPQ R12, CX          \
	CMOVQLT R12, CX       \
	LOWEST(K3)            \
	LEAQ -1(CX)(CX*1), CX \ // CX = 2n − 1
	MOVQ $1, AX           \
	SHLQ CX, AX           \
	DECQ AX               \ // AX = the lowest 2n − 1 places
	ANDQ $pattern, AX     \
	KMOVW AX, K1          \
	SHRQ $16, AX          \
	KMOVW AX, K2

// func copyEvens(c *planeCopy)
TEXT ·copyEvens(SB), NOSPLIT, $24-8
	MOVQ c+0(FP), R13
	COPY
	VMOVUPS evens<>(SB), Z4

plane: // do {
	MOVQ planeCopy_rows(R13), DX

row: // for DX = rows; DX > 0; DX-- {
	MOVQ DI, R10
	MOVQ SI, R11
	MOVQ BX, R12

some: // for R12 = width; R12 > 0; R12 -= 16 {
	PAIRS(0x7fffffff)
	VMOVUPS.Z (R11), K1, Z0
	VMOVUPS.Z 64(R11), K2, Z1
	VMOVAPS Z4, Z2
	VPERMI2PS Z1, Z0, Z2 // Z2 = every other element of Z0 and Z1
	VMOVUPS Z2, K3, (R10)
	ADDQ $64, R10
	ADDQ $128, R11
	SUBQ $16, R12
	JG some // }
	ADDQ R8, DI // to += toRow
	ADDQ R9, SI // from += fromRow
	DECQ DX
	JNZ row // }
	PLANE
	JNZ plane // } while --frame.planes > 0
	VZEROUPPER
	RET

// func copyToEvens(c *planeCopy)
TEXT ·copyToEvens(SB), NOSPLIT, $24-8
	MOVQ c+0(FP), R13
	COPY
	VMOVUPS twos<>(SB), Z4
	MOVL $8, AX
	VPBROADCASTD AX, Z5
	VPADDD Z4, Z5, Z5 // Z5 = twos + 8

plane: // do {
	MOVQ planeCopy_rows(R13), DX

row: // for DX = rows; DX > 0; DX-- {
	MOVQ DI, R10
	MOVQ SI, R11
	MOVQ BX, R12

some: // for R12 = width; R12 > 0; R12 -= 16 {
	PAIRS(0x55555555)
	VMOVUPS.Z (R11), K3, Z0
	VPERMPS Z0, Z4, Z1 // Z1 = elements 0 … 7 of Z0, each twice
	VPERMPS Z0, Z5, Z2 // Z2 = elements 8 … 15
	VMOVUPS Z1, K1, (R10)
	VMOVUPS Z2, K2, 64(R10)
	ADDQ $128, R10
	ADDQ $64, R11
	SUBQ $16, R12
	JG some // }
	ADDQ R8, DI // to += toRow
	ADDQ R9, SI // from += fromRow
	DECQ DX
	JNZ row // }
	PLANE
	JNZ plane // } while --frame.planes > 0
	VZEROUPPER
	RET
