package jpeg

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"
)

// The loops that have a form in assembly are held against the one in Go. On processors without that form, both are the
// same.

func randomBlock(r *rand.Rand) (coef, quant [blockLen]int16) {
	size := []int{4, 64, 1024, math.MaxInt16 + 1}[r.IntN(4)]
	step := []int{1, 16, 255, math.MaxUint16}[r.IntN(4)]
	density := r.Float64()
	for i := range coef {
		quant[i] = int16(uint16(1 + r.IntN(step)))
		if r.Float64() < density {
			coef[i] = int16(r.IntN(2*size) - size)
		}
	}
	switch r.IntN(6) {
	case 0: // the first row alone
		clear(coef[blockSize:])
	case 1: // one coefficient
		coef = [blockLen]int16{}
		coef[r.IntN(blockLen)] = math.MinInt16
	case 2: // extremes
		for i := range coef {
			coef[i] = []int16{math.MinInt16, math.MaxInt16}[r.IntN(2)]
		}
	}
	return coef, quant
}

func TestInverseInAssembly(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const stride = 29
	for range 40_000 {
		coef, quant := randomBlock(r)
		var got, want [stride * blockSize]uint8
		inverse8(&coef, &quant, got[:], stride)
		inverse8Go(&coef, &quant, want[:], stride)
		if got != want {
			t.Fatalf("coefficients %v\nquantisation %v\ngive %v\nexpected %v", coef, quant, got, want)
		}
		inverse4(&coef, &quant, got[:], stride)
		inverse4Go(&coef, &quant, want[:], stride)
		if got != want {
			t.Fatalf("at half the size, coefficients %v\nquantisation %v\ngive %v\nexpected %v", coef, quant, got, want)
		}
	}
}

// TestFlat holds the short cut for blocks of one coefficient against the transform, over all of its values.
func TestFlat(t *testing.T) {
	for dc := range 1 << 16 {
		coef, quant := [blockLen]int16{int16(dc)}, [blockLen]int16{1}
		var got, want [blockLen]uint8
		flat(coef[0], got[:], blockSize)
		inverse8Go(&coef, &quant, want[:], blockSize)
		if got != want {
			t.Fatalf("coefficient %d gives %v, expected %v", int16(dc), got, want)
		}
	}
}

// rows makes n rows of random samples with room at either end.
func rows(r *rand.Rand, n, length int) [][]uint8 {
	out := make([][]uint8, n)
	for i := range out {
		out[i] = make([]uint8, length+2*margin)
		for j := range out[i] {
			out[i][j] = uint8(r.Uint32())
			if r.IntN(4) == 0 {
				out[i][j] = 255 * uint8(r.IntN(2))
			}
		}
	}
	return out
}

func TestUpsamplingInAssembly(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for n := 3; n < 100; n++ {
		in := rows(r, 2, n)
		near, far := in[0], in[1]
		for name, run := range map[string][2]func(dst []uint8){
			"widen": {
				func(dst []uint8) { widen(dst, near, n) },
				func(dst []uint8) { widenGo(dst, near, n) },
			},
			"blend up": {
				func(dst []uint8) { blend(dst, near, far, n, 1) },
				func(dst []uint8) { blendGo(dst, near, far, n, 1) },
			},
			"blend down": {
				func(dst []uint8) { blend(dst, near, far, n, 2) },
				func(dst []uint8) { blendGo(dst, near, far, n, 2) },
			},
			"widen and blend": {
				func(dst []uint8) { widenBlend(dst, near, far, n) },
				func(dst []uint8) { widenBlendGo(dst, near, far, n) },
			},
		} {
			length := 2 * n
			if name[0] == 'b' {
				length = n
			}
			got, want := make([]uint8, 2*n+margin), make([]uint8, 2*n+margin)
			run[0](got)
			run[1](want)
			if !bytes.Equal(got[:length], want[:length]) {
				t.Errorf("%s of %d samples gives %v, expected %v", name, n, got[:length], want[:length])
			}
		}
	}
}

// TestColourInAssembly converts every pair of Cb and Cr, with changing luma, in rows of every length.
func TestColourInAssembly(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var y, cb, cr []uint8
	for b := range 256 {
		for c := range 256 {
			for _, l := range []int{0, 255, r.IntN(256)} {
				y, cb, cr = append(y, uint8(l)), append(cb, uint8(b)), append(cr, uint8(c))
			}
		}
	}
	for n := 1; len(y) > 0; n = n%137 + 1 {
		n := min(n, len(y))
		const guard = 0xa5
		got, want := bytes.Repeat([]uint8{guard}, 3*n+1), make([]uint8, 3*n)
		yccToRGB(got[:3*n], y[:n], cb[:n], cr[:n])
		yccToRGBGo(want, y[:n], cb[:n], cr[:n])
		if !bytes.Equal(got[:3*n], want) || got[3*n] != guard {
			t.Fatalf("%d pixels of %v, %v, %v give %v, expected %v", n, y[:n], cb[:n], cr[:n], got, want)
		}
		y, cb, cr = y[n:], cb[n:], cr[n:]
	}
}

func BenchmarkKernels(b *testing.B) {
	r := rand.New(rand.NewPCG(7, 8))
	coef, quant := randomBlock(r)
	in := rows(r, 3, 512)
	dst := make([]uint8, 3*512+margin)
	for _, k := range []struct {
		name string
		size int64
		run  func()
	}{
		{"inverse8", blockLen, func() { inverse8(&coef, &quant, dst, blockSize) }},
		{"inverse4", blockLen / 4, func() { inverse4(&coef, &quant, dst, blockSize) }},
		{"inverse8Go", blockLen, func() { inverse8Go(&coef, &quant, dst, blockSize) }},
		{"widenBlend", 1024, func() { widenBlend(dst, in[0], in[1], 512) }},
		{"widenBlendGo", 1024, func() { widenBlendGo(dst, in[0], in[1], 512) }},
		{"yccToRGB", 512, func() { yccToRGB(dst[:3*512], in[0], in[1], in[2]) }},
		{"yccToRGBGo", 512, func() { yccToRGBGo(dst[:3*512], in[0], in[1], in[2]) }},
	} {
		b.Run(k.name, func(b *testing.B) {
			b.SetBytes(k.size)
			for range b.N {
				k.run()
			}
		})
	}
}
