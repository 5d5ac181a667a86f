#include "textflag.h"

// The words 16 to 1, by which the bytes of a block count.
DATA weights<>+0(SB)/8, $0x000d000e000f0010
DATA weights<>+8(SB)/8, $0x0009000a000b000c
DATA weights<>+16(SB)/8, $0x0005000600070008
DATA weights<>+24(SB)/8, $0x0001000200030004
GLOBL weights<>(SB), RODATA|NOPTR, $32

// func adlerVectors(p *byte, blocks int) (sum, before, weighted uint32)
TEXT ·adlerVectors(SB), NOSPLIT, $0-28
	MOVQ p+0(FP), SI
	MOVQ blocks+8(FP), CX
	MOVOU weights<>+0(SB), X6
	MOVOU weights<>+16(SB), X7
	PXOR X0, X0 // zero
	PXOR X1, X1 // sum, in two lanes
	PXOR X2, X2 // before, in the same
	PXOR X3, X3 // weighted, in four

loop:
	MOVOU (SI), X4
	PADDL X1, X2
	MOVO X4, X5
	PSADBW X0, X5
	PADDL X5, X1
	MOVO X4, X5
	PUNPCKLBW X0, X4
	PUNPCKHBW X0, X5
	PMADDWL X6, X4
	PMADDWL X7, X5
	PADDL X4, X3
	PADDL X5, X3
	ADDQ $16, SI
	DECQ CX
	JNZ loop

	PSHUFD $0x4e, X1, X4
	PADDL X4, X1
	MOVL X1, sum+16(FP)
	PSHUFD $0x4e, X2, X4
	PADDL X4, X2
	MOVL X2, before+20(FP)
	PSHUFD $0x4e, X3, X4
	PADDL X4, X3
	PSHUFD $0xb1, X3, X4
	PADDL X4, X3
	MOVL X3, weighted+24(FP)
	RET
