// Predicates of VCMPPS, all quiet about NaN.
#define EQUAL     0x00
#define UNORDERED 0x03
#define NOTBELOW  0x16 // not ≤: NaN too
#define ABOVE     0x1e // >: NaN not

// MASK is a register that selects the first n of eight elements, n from 1 to 7. It changes n, and AX.
#define MASK(n, y) \
	LEAQ ·masks(SB), AX       \
	NEGQ n                    \
	VMOVUPS 64(AX)(n*4), y
