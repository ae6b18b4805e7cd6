package sampler

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
)

// Stream returns the generator of one purpose ("batch", "mining", "init", …) at one step. Generators of different
// purposes, steps or seeds are independent; the same three give the same numbers on every machine.
func Stream(seed uint64, purpose string, step int) *rand.Rand {
	h := sha256.New()
	var words [16]byte
	binary.LittleEndian.PutUint64(words[:8], seed)
	binary.LittleEndian.PutUint64(words[8:], uint64(step))
	h.Write(words[:])
	h.Write([]byte(purpose))
	sum := h.Sum(nil)
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(sum), binary.LittleEndian.Uint64(sum[8:])))
}
