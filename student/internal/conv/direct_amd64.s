#include "go_asm.h"
#include "textflag.h"

// Variables in the frame that change from one group of rows to the next. They are not written back to the argument: a
// pointer past the end of an array must not be seen by the garbage collector.
#define FRAME_A      0
#define FRAME_Y0     8
#define FRAME_Y1     16
#define FRAME_Y2     24
#define FRAME_BIAS   32
#define FRAME_GROUPS 40
#define FRAME_PART   48

// Registers: SI = next table entry, CX = entries left, R8 = a, R9 = aStep, R10 = 3·aStep, R11 = 5·aStep,
// BX, DX, R13 = b[0], b[1], b[2]; Z0, Z1, Z2 = b[s][entry.b : +16]; Z8 … Z31 = sums, three a row.

// ROW: for s in 0 … 2: sum[s] += a·b[s]
#define ROW(a, t, s0, s1, s2) \
	VBROADCASTSS a, t     \ // t = a
	VFMADD231PS Z0, t, s0 \ // s0 += t·Z0
	VFMADD231PS Z1, t, s1 \ // s1 += t·Z1
	VFMADD231PS Z2, t, s2    // s2 += t·Z2

// START: sum[0] = sum[1] = sum[2] = bias
#define START(offset, s0, s1, s2) \
	VBROADCASTSS offset(AX), s0 \ // s0 = bias[offset/4]
	VMOVAPS s0, s1 \ // s1 = s0
	VMOVAPS s0, s2    // s2 = s0

// CLAMP: s = min(max(s, low), high), where NaN stays NaN
#define CLAMP(s) \
	VMAXPS s, Z6, s \ // s = s > low ? s : low, or NaN
	VMINPS s, Z7, s    // s = s < high ? s : high, or NaN

// STORE: for s in 0 … 2: y[s][0 : +popcount(valid[s])] = valid elements of sum[s]; y[s] += yStep
#define STORE(s0, s1, s2) \
	CLAMP(s0) \
	CLAMP(s1) \
	CLAMP(s2) \
	VCOMPRESSPS s0, K1, Z0 \ // Z0 = valid elements of s0, adjacent
	VCOMPRESSPS s1, K2, Z1 \
	VCOMPRESSPS s2, K3, Z2 \
	VMOVUPS Z0, K4, (AX)   \ // y0[: low bits of K4] = Z0
	VMOVUPS Z1, K5, (CX)   \
	VMOVUPS Z2, K6, (DI)   \
	ADDQ R12, AX           \ // y0 += yStep
	ADDQ R12, CX           \
	ADDQ R12, DI

// STOREALL is STORE where all elements are valid.
#define STOREALL(s0, s1, s2) \
	CLAMP(s0) \
	CLAMP(s1) \
	CLAMP(s2) \
	VMOVUPS s0, (AX) \ // y0[:16] = s0
	VMOVUPS s1, (CX) \
	VMOVUPS s2, (DI) \
	ADDQ R12, AX     \ // y0 += yStep
	ADDQ R12, CX     \
	ADDQ R12, DI

// LOAD reads the argument, which AX points to: constants into registers, variables into the frame.
#define LOAD \
	MOVQ rowTile_a(AX), R8        \ // frame.a = t.a
	MOVQ R8, FRAME_A(SP)          \
	MOVQ (rowTile_y+0)(AX), R8    \ // frame.y[s] = t.y[s]
	MOVQ R8, FRAME_Y0(SP)         \
	MOVQ (rowTile_y+8)(AX), R8    \
	MOVQ R8, FRAME_Y1(SP)         \
	MOVQ (rowTile_y+16)(AX), R8   \
	MOVQ R8, FRAME_Y2(SP)         \
	MOVQ rowTile_bias(AX), R8     \ // frame.bias = t.bias
	MOVQ R8, FRAME_BIAS(SP)       \
	MOVQ rowTile_groups(AX), R8   \ // frame.groups = t.groups
	MOVQ R8, FRAME_GROUPS(SP)     \
	MOVQ rowTile_aStep(AX), R9    \ // R9 = aStep
	LEAQ (R9)(R9*2), R10          \ // R10 = 3·aStep
	LEAQ (R9)(R9*4), R11          \ // R11 = 5·aStep
	MOVQ (rowTile_b+0)(AX), BX    \ // BX, DX, R13 = b[0], b[1], b[2]
	MOVQ (rowTile_b+8)(AX), DX    \
	MOVQ (rowTile_b+16)(AX), R13  \
	KMOVW (rowTile_valid+0*mask__size+mask_valid)(AX), K1 \ // K1, K2, K3 = valid[s].valid
	KMOVW (rowTile_valid+0*mask__size+mask_low)(AX), K4   \ // K4, K5, K6 = valid[s].low
	KMOVW (rowTile_valid+1*mask__size+mask_valid)(AX), K2 \
	KMOVW (rowTile_valid+1*mask__size+mask_low)(AX), K5   \
	KMOVW (rowTile_valid+2*mask__size+mask_valid)(AX), K3 \
	KMOVW (rowTile_valid+2*mask__size+mask_low)(AX), K6   \
	MOVLQSX (rowTile_valid+2*mask__size)(AX), R8          \ // R8 = valid[0] & valid[1] & valid[2], of all bits
	ANDQ rowTile_valid(AX), R8                            \
	INCQ R8                                               \ // R8 = 0 if all bits of all masks are set
	MOVQ R8, FRAME_PART(SP)                                  // frame.part = R8

// ENTER begins a group of rows.
#define ENTER \
	MOVQ t+0(FP), AX           \
	MOVQ FRAME_A(SP), R8       \ // R8 = frame.a
	MOVQ rowTile_table(AX), SI \ // SI = table
	MOVQ rowTile_count(AX), CX \ // CX = count
	MOVQ FRAME_BIAS(SP), AX       // AX = frame.bias

// NEXT reads a table entry: AX = a + entry.a, Z0, Z1, Z2 = b[s][entry.b : +16].
#define NEXT \
	MOVLQSX entry_a(SI), AX \ // AX = entry.a
	MOVLQSX entry_b(SI), DI \ // DI = entry.b
	ADDQ R8, AX             \ // AX += a
	VMOVUPS (BX)(DI*1), Z0  \ // Z0 = b[0][DI:]
	VMOVUPS (DX)(DI*1), Z1  \
	VMOVUPS (R13)(DI*1), Z2 \
	ADDQ $entry__size, SI      // SI++

// LEAVE prepares the stores after the sums: AX, CX, DI = y[0], y[1], y[2], R12 = yStep, Z6 = low, Z7 = high.
#define LEAVE \
	MOVQ t+0(FP), SI           \
	MOVQ FRAME_Y0(SP), AX      \
	MOVQ FRAME_Y1(SP), CX      \
	MOVQ FRAME_Y2(SP), DI      \
	MOVQ rowTile_yStep(SI), R12 \
	VBROADCASTSS (rowTile_within+limits_low)(SI), Z6 \
	VBROADCASTSS (rowTile_within+limits_high)(SI), Z7

// ADVANCE moves on by rows; the zero flag is set after the last group.
#define ADVANCE(rows) \
	MOVQ AX, FRAME_Y0(SP)           \ // frame.y[s] = y[s]
	MOVQ CX, FRAME_Y1(SP)           \
	MOVQ DI, FRAME_Y2(SP)           \
	ADDQ $(4*rows), FRAME_BIAS(SP)  \ // frame.bias += rows
	MOVQ R9, AX                     \ // frame.a += rows·aStep
	IMULQ $rows, AX                 \
	ADDQ AX, FRAME_A(SP)            \
	DECQ FRAME_GROUPS(SP)              // frame.groups--

// func sumRows8(t *rowTile)
TEXT ·sumRows8(SB), NOSPLIT, $56-8
	MOVQ t+0(FP), AX
	LOAD

group8: // do {
	ENTER
	START(0, Z8, Z9, Z10)
	START(4, Z11, Z12, Z13)
	START(8, Z14, Z15, Z16)
	START(12, Z17, Z18, Z19)
	START(16, Z20, Z21, Z22)
	START(20, Z23, Z24, Z25)
	START(24, Z26, Z27, Z28)
	START(28, Z29, Z30, Z31)
	LEAQ (R10)(R9*4), R12 // R12 = 7·aStep

entry8: // for CX = count; CX > 0; CX-- {
	NEXT
	ROW((AX), Z3, Z8, Z9, Z10)
	ROW((AX)(R9*1), Z4, Z11, Z12, Z13)
	ROW((AX)(R9*2), Z5, Z14, Z15, Z16)
	ROW((AX)(R10*1), Z6, Z17, Z18, Z19)
	ROW((AX)(R9*4), Z3, Z20, Z21, Z22)
	ROW((AX)(R11*1), Z4, Z23, Z24, Z25)
	ROW((AX)(R10*2), Z5, Z26, Z27, Z28)
	ROW((AX)(R12*1), Z6, Z29, Z30, Z31)
	DECQ CX
	JNZ  entry8 // }

	LEAVE
	CMPQ FRAME_PART(SP), $0
	JNE  part8 // if frame.part != 0, store valid elements only
	STOREALL(Z8, Z9, Z10)
	STOREALL(Z11, Z12, Z13)
	STOREALL(Z14, Z15, Z16)
	STOREALL(Z17, Z18, Z19)
	STOREALL(Z20, Z21, Z22)
	STOREALL(Z23, Z24, Z25)
	STOREALL(Z26, Z27, Z28)
	STOREALL(Z29, Z30, Z31)
	JMP  next8

part8:
	STORE(Z8, Z9, Z10)
	STORE(Z11, Z12, Z13)
	STORE(Z14, Z15, Z16)
	STORE(Z17, Z18, Z19)
	STORE(Z20, Z21, Z22)
	STORE(Z23, Z24, Z25)
	STORE(Z26, Z27, Z28)
	STORE(Z29, Z30, Z31)

next8:
	ADVANCE(8)
	JNZ group8 // } while --frame.groups > 0
	VZEROUPPER
	RET

// func sumRows4(t *rowTile)
TEXT ·sumRows4(SB), NOSPLIT, $56-8
	MOVQ t+0(FP), AX
	LOAD

group4: // do {
	ENTER
	START(0, Z8, Z9, Z10)
	START(4, Z11, Z12, Z13)
	START(8, Z14, Z15, Z16)
	START(12, Z17, Z18, Z19)

entry4: // for CX = count; CX > 0; CX-- {
	NEXT
	ROW((AX), Z3, Z8, Z9, Z10)
	ROW((AX)(R9*1), Z4, Z11, Z12, Z13)
	ROW((AX)(R9*2), Z5, Z14, Z15, Z16)
	ROW((AX)(R10*1), Z6, Z17, Z18, Z19)
	DECQ CX
	JNZ  entry4 // }

	LEAVE
	CMPQ FRAME_PART(SP), $0
	JNE  part4 // if frame.part != 0, store valid elements only
	STOREALL(Z8, Z9, Z10)
	STOREALL(Z11, Z12, Z13)
	STOREALL(Z14, Z15, Z16)
	STOREALL(Z17, Z18, Z19)
	JMP  next4

part4:
	STORE(Z8, Z9, Z10)
	STORE(Z11, Z12, Z13)
	STORE(Z14, Z15, Z16)
	STORE(Z17, Z18, Z19)

next4:
	ADVANCE(4)
	JNZ group4 // } while --frame.groups > 0
	VZEROUPPER
	RET

// PUT: y[span.to : +popcount(valid)] = valid elements of s, for the span at an offset from R13
#define PUT(s, offset) \
	CLAMP(s)                                      \
	MOVLQSX (offset+span_to)(R13), R14            \ // R14 = span.to
	KMOVW (offset+span_mask+mask_valid)(R13), K1  \
	KMOVW (offset+span_mask+mask_low)(R13), K2    \
	VCOMPRESSPS s, K1, s                          \ // s = valid elements of s, adjacent
	VMOVUPS s, K2, (R12)(R14*1)                      // y[R14:] = s

// func sumRow(t *rowSpans)
TEXT ·sumRow(SB), NOSPLIT, $0-8
	MOVQ t+0(FP), AX
	MOVQ rowSpans_table(AX), R8
	MOVQ rowSpans_count(AX), R9
	MOVQ rowSpans_a(AX), R10
	MOVQ rowSpans_x(AX), R11
	MOVQ rowSpans_y(AX), R12
	MOVQ rowSpans_spans(AX), R13
	VBROADCASTSS rowSpans_bias(AX), Z5
	VBROADCASTSS (rowSpans_within+limits_low)(AX), Z6
	VBROADCASTSS (rowSpans_within+limits_high)(AX), Z7

quartet: // do {
	MOVLQSX (0*span__size+span_at)(R13), AX
	MOVLQSX (1*span__size+span_at)(R13), BX
	MOVLQSX (2*span__size+span_at)(R13), CX
	MOVLQSX (3*span__size+span_at)(R13), DX
	ADDQ R11, AX // AX = x + spans[0].at
	ADDQ R11, BX // BX = x + spans[1].at
	ADDQ R11, CX // CX = x + spans[2].at
	ADDQ R11, DX // DX = x + spans[3].at
	VMOVAPS Z5, Z8 // sum[0 … 3] = bias
	VMOVAPS Z5, Z9
	VMOVAPS Z5, Z10
	VMOVAPS Z5, Z11
	MOVQ R8, SI
	MOVQ R9, DI

term: // for DI = count; DI > 0; DI-- {
	MOVLQSX entry_a(SI), R14
	MOVLQSX entry_b(SI), R15
	VBROADCASTSS (R10)(R14*1), Z0       // Z0 = a[entry.a]
	VFMADD231PS (AX)(R15*1), Z0, Z8     // sum[0] += Z0·x[spans[0].at + entry.b : +16]
	VFMADD231PS (BX)(R15*1), Z0, Z9
	VFMADD231PS (CX)(R15*1), Z0, Z10
	VFMADD231PS (DX)(R15*1), Z0, Z11
	ADDQ $entry__size, SI // SI++
	DECQ DI
	JNZ term // }

	PUT(Z8, 0*span__size)
	PUT(Z9, 1*span__size)
	PUT(Z10, 2*span__size)
	PUT(Z11, 3*span__size)
	ADDQ $(4*span__size), R13 // spans += 4
	MOVQ t+0(FP), AX
	DECQ rowSpans_quartets(AX)
	JNZ quartet // } while --t.quartets > 0
	VZEROUPPER
	RET
