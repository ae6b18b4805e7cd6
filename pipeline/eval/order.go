package eval

import (
	"math"
	"slices"

	"rkd/datasets/memory"
)

// rankKey packs a distance and the row that it belongs to, such that keys order by distance, then row.
func rankKey(distance float32, row int) uint64 {
	bits := math.Float32bits(distance)
	bits ^= uint32(int32(bits)>>31) | 1<<31 // all bits of a negative number, the sign of the others
	return uint64(bits)<<32 | uint64(uint32(row))
}

// rowOf is the row of a key.
func rowOf(key uint64) int { return int(uint32(key)) }

// distanceOf is the distance of a key.
func distanceOf(key uint64) float32 {
	bits := uint32(key >> 32)
	return math.Float32frombits(bits ^ (uint32(int32(^bits)>>31) | 1<<31))
}

// selectSmallest moves the k smallest of distinct keys to the front, in any order (Hoare's selection).
func selectSmallest(keys []uint64, k int) {
	for len(keys) > 1 && 0 < k && k < len(keys) {
		a, b, c := keys[0], keys[len(keys)/2], keys[len(keys)-1]
		pivot := max(min(a, b), min(max(a, b), c)) // median of three
		i, j := 0, len(keys)-1
		for i <= j {
			for keys[i] < pivot {
				i++
			}
			for keys[j] > pivot {
				j--
			}
			if i <= j {
				keys[i], keys[j] = keys[j], keys[i]
				i++
				j--
			}
		}
		switch { // [0,j] ≤ pivot ≤ [i,len)
		case k <= j+1:
			keys = keys[:j+1]
		case k >= i:
			keys, k = keys[i:], k-i
		default:
			return
		}
	}
}

// sorter sorts keys, many of them by distributing them to buckets by distance first, without comparisons.
type sorter struct {
	keys []uint64
	ends []int32 // how many keys there are up to the end of each bucket
}

const (
	// fewKeys is the number of keys below which comparing them is quicker.
	fewKeys = 256
	// smallBucket is the number of keys up to which a bucket is left to insertion.
	smallBucket = 16
)

// sort returns keys in order, in their own memory or in that of the sorter, which is valid until the next call.
func (s *sorter) sort(keys []uint64) []uint64 {
	if len(keys) < fewKeys {
		slices.Sort(keys)
		return keys
	}
	near, far := uint64(math.MaxUint64), uint64(0)
	for _, key := range keys {
		near, far = min(near, key), max(far, key)
	}
	buckets := len(keys) / 2
	low := distanceOf(near)
	scale := float32(buckets-1) / (distanceOf(far) - low)
	if !(scale < math.MaxFloat32) { // all at one distance, or nearly so
		scale = 0
	}
	if cap(s.keys) < len(keys) {
		s.keys = memory.Make[uint64](len(keys))
	}
	if cap(s.ends) < buckets+1 {
		s.ends = make([]int32, buckets+1)
	}
	sorted, ends := s.keys[:len(keys)], s.ends[:buckets+1]
	clear(ends)
	for _, key := range keys {
		ends[int((distanceOf(key)-low)*scale)+1]++
	}
	for b := range buckets {
		ends[b+1] += ends[b]
	}
	// An entry is the start of its bucket now, and moves to the end as the bucket fills.
	for _, key := range keys {
		b := int((distanceOf(key) - low) * scale)
		sorted[ends[b]] = key
		ends[b]++
	}
	start := int32(0)
	for _, end := range ends[:buckets] {
		if end-start > smallBucket {
			slices.Sort(sorted[start:end])
		}
		start = end
	}
	for i, key := range sorted { // no key is far from its place now
		for ; i > 0 && sorted[i-1] > key; i-- {
			sorted[i] = sorted[i-1]
		}
		sorted[i] = key
	}
	return sorted
}
