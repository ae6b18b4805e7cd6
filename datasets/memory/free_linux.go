package memory

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// group is the limit of the process's control group.
var group = sync.OnceValue(func() int64 {
	limit, err := memlimit.FromCgroup()
	if err != nil || limit > math.MaxInt64 {
		return math.MaxInt64 // no control group, or one without a limit
	}
	return int64(limit)
})

// Free is the number of bytes that this process may still take: what the system has, within the process's limits on its
// address space and data, and that of its control group. What cannot be read bounds nothing.
func Free() int64 {
	free := available()
	size, resident, data := statm()
	var limit syscall.Rlimit
	for resource, used := range map[int]int64{syscall.RLIMIT_AS: size, syscall.RLIMIT_DATA: data} {
		if syscall.Getrlimit(resource, &limit) == nil && limit.Cur < math.MaxInt64 {
			free = min(free, int64(limit.Cur)-used)
		}
	}
	if limit := group(); limit < math.MaxInt64 {
		free = min(free, limit-resident)
	}
	return max(free, 0)
}

// available is the memory that the system can give without swapping.
func available() int64 {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return math.MaxInt64
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var kibibytes int64
		if _, err := fmt.Sscanf(lines.Text(), "MemAvailable: %d kB", &kibibytes); err == nil {
			return kibibytes << 10
		}
	}
	return math.MaxInt64
}

// statm is the process's address space, resident memory and data, in bytes.
func statm() (size, resident, data int64) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, 0, 0
	}
	page := int64(os.Getpagesize())
	fields := strings.Fields(string(text))
	number := func(i int) int64 {
		if i >= len(fields) {
			return 0
		}
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0
		}
		return n * page
	}
	return number(0), number(1), number(5)
}
