package instruction

import "golang.org/x/sys/cpu"

func best() Set {
	switch x := &cpu.X86; {
	case x.HasAVX512F && x.HasAVX512VL && x.HasAVX512DQ && x.HasAVX2:
		return AVX512
	case x.HasAVX2 && x.HasFMA:
		return AVX2
	case x.HasAVX:
		return AVX
	default:
		return Portable
	}
}
