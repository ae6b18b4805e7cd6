package instructiontest

import (
	"sync"
	"testing"
	"time"
)

// ReportShare adds to a benchmark what it computes, in GFLOP/s by the floating-point operations of a round, and, where
// the processor has fused multiply-adds, which share of the peak of so many threads that is, in percent. The peak is
// measured, once in a process: as many threads do nothing but independent multiply-adds in registers.
func ReportShare(b *testing.B, flop float64, threads int) {
	b.Helper()
	rate := flop * float64(b.N) / float64(b.Elapsed().Nanoseconds())
	b.ReportMetric(rate, "GFLOP/s")
	if peak := Peak(threads); peak > 0 {
		b.ReportMetric(100*rate/peak, "%peak")
	}
}

var (
	peaks     = map[int]float64{}
	peaksLock sync.Mutex
)

// Peak is the rate of multiply-adds of so many threads, in GFLOP/s, or 0 where nothing here measures it.
func Peak(threads int) float64 {
	peaksLock.Lock()
	defer peaksLock.Unlock()
	if _, known := peaks[threads]; !known {
		for range 5 { // the best, as what else runs only slows down
			peaks[threads] = max(peaks[threads], measurePeak(threads))
		}
	}
	return peaks[threads]
}

func measurePeak(threads int) float64 {
	const rounds = 1 << 20
	var group sync.WaitGroup
	start, flop := time.Now(), 0.0
	var lock sync.Mutex
	for range threads {
		group.Go(func() {
			done := multiplyAdds(rounds)
			lock.Lock()
			defer lock.Unlock()
			flop += done
		})
	}
	group.Wait()
	return flop / float64(time.Since(start).Nanoseconds())
}
