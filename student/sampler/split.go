package sampler

import (
	"fmt"
	"slices"
)

// Split sets a share of every class aside: the selection split, on which the best checkpoint is chosen. Both halves are
// ascending. Each class gives round(fraction·rows) of its rows, at least one while fraction > 0, and keeps at least
// one. With fraction 0 nothing is set aside. Rows of equal groups[i] (the views of one sample) stay together; nil means
// that every row is a group.
func Split(labels []int32, groups []int64, fraction float64, seed uint64) (train, held []int, err error) {
	if fraction < 0 || fraction >= 1 {
		return nil, nil, fmt.Errorf("%w: selection fraction %g, expected 0 to below 1", ErrBatch, fraction)
	}
	group := func(row int) int64 {
		if groups == nil {
			return int64(row)
		}
		return groups[row]
	}
	members := map[int64][]int{}
	var firsts []int
	for row := range labels {
		g := group(row)
		if members[g] == nil {
			firsts = append(firsts, row)
		}
		members[g] = append(members[g], row)
	}
	classes, _ := byClass(labels, firsts)
	r := Stream(seed, "split", 0)
	for _, class := range classes {
		n := 0
		if fraction > 0 {
			n = min(max(int(fraction*float64(len(class))+0.5), 1), len(class)-1)
		}
		chosen := make([]bool, len(class))
		for _, i := range draw(r, len(class), n) {
			chosen[i] = true
		}
		for i, row := range class {
			if chosen[i] {
				held = append(held, members[group(row)]...)
			} else {
				train = append(train, members[group(row)]...)
			}
		}
	}
	slices.Sort(train)
	slices.Sort(held)
	return train, held, nil
}
