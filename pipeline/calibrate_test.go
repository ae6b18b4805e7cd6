package pipeline

import (
	"errors"
	"slices"
	"testing"
)

// Whatever number of layers is needed, it is the last one that fits, and few are tried; where none is enough, all that
// were tried are told.
func TestFewestLayersInFloat(t *testing.T) {
	for n := 1; n < 20; n++ {
		for needed := 0; needed <= n; needed++ {
			var tried []int
			last := -1
			err := fewest(n, func(left int) (bool, error) {
				tried = append(tried, left)
				if left >= needed {
					last = left
				}
				return left >= needed, nil
			})
			if want := needed; err != nil || needed < n && last != want || needed == n && last != -1 {
				t.Errorf("of %d layers %d are needed: the last to fit is %d (%v)", n, needed, last, err)
			}
			if len(tried) > 6 || slices.Contains(tried, n) {
				t.Errorf("of %d layers, %d needed: tried %v", n, needed, tried)
			}
		}
	}
	wrong := errors.New("wrong")
	if err := fewest(5, func(int) (bool, error) { return false, wrong }); !errors.Is(err, wrong) {
		t.Errorf("the error is %v", err)
	}
}
