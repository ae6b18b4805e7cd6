package datasets

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// Division divides one data set into a part to train with and one to test with.
type Division struct {
	// Test is the share of the samples, or of the classes, that are for testing.
	Test float64 `yaml:"test,omitempty" within:"(0,1)"`
	// By is sample (default): each class gives its share; or class: whole classes are for testing, which training does not
	// see.
	By string `yaml:"by,omitempty"`
	// Seed draws them.
	Seed uint64 `yaml:"seed,omitempty"`
}

// Ways to divide.
const (
	BySample = "sample"
	ByClass  = "class"
)

// Validate checks the fields. Its errors wrap ErrSource.
func (s Division) Validate() error {
	switch {
	case s == Division{}:
		return nil
	case !(s.Test > 0 && s.Test < 1):
		return fmt.Errorf("%w: test is %g, expected a share above 0 and below 1", ErrSource, s.Test)
	case s.By != "" && s.By != BySample && s.By != ByClass:
		return fmt.Errorf("%w: by is %q, expected %s or %s", ErrSource, s.By, BySample, ByClass)
	}
	return nil
}

// Divide opens sources and divides them. What is drawn depends on the seed and on what is in the samples, by name of
// the class or by content: copies in a class are on one side, and when a class grows few samples change sides.
// A class gives round(share·samples) to be tested, at least one, and keeps at least one; samples without a label count
// as a class, and are never tested by class.
//
// With r.Sums nothing is divided: who has them knows which samples it wants.
func Divide(ctx context.Context, sources Sources, s Division, r Resources) (train, test Dataset, err error) {
	d, err := OpenAll(ctx, sources, r)
	if err != nil || r.Sums != nil {
		return d, d, err
	}
	whole, ok := d.(*joined)
	if !ok {
		whole = join([]member{d.(member)}, false)
	}
	tested, err := s.tested(whole)
	if err != nil {
		return nil, nil, err
	}
	var left, right []int
	for i, isTest := range tested {
		if isTest {
			right = append(right, i)
		} else {
			left = append(left, i)
		}
	}
	if len(left) == 0 || len(right) == 0 {
		return nil, nil,
			fmt.Errorf("%w: split leaves %d samples of %s for training and %d for testing, expected some of both",
				ErrSource, len(left), d.Name(), len(right))
	}
	return whole.part(d.Name()+", train", "split (test)", left), whole.part(d.Name()+", test", "split (train)", right), nil
}

// rank is what decides on which side something is: by a hash of the seed and its name or content.
func (s Division) rank(what []byte) [sha256.Size]byte {
	return sha256.Sum256(append(binary.LittleEndian.AppendUint64(nil, s.Seed), what...))
}

// share is the number of n that are for testing.
func (s Division) share(n int) int { return min(max(int(math.Round(s.Test*float64(n))), 1), n-1) }

// tested marks the samples that are for testing.
func (s Division) tested(d *joined) ([]bool, error) {
	groups := map[int32][]int{} // samples of classes
	for i, label := range d.labels {
		groups[label] = append(groups[label], i)
	}
	tested := make([]bool, len(d.ids))
	if s.By == ByClass {
		labels := []int32{}
		for label := range groups {
			if label != NoLabel {
				labels = append(labels, label)
			}
		}
		if len(labels) < 2 {
			return nil, fmt.Errorf("%w: split by class needs two classes or more, and %s has %d: divide it by sample", ErrSource,
				d.name, len(labels))
		}
		ranked := func(label int32) [sha256.Size]byte { return s.rank([]byte(d.classes[label])) }
		slices.SortFunc(labels, func(a, b int32) int {
			x, y := ranked(a), ranked(b)
			return bytes.Compare(x[:], y[:])
		})
		for _, label := range labels[:s.share(len(labels))] {
			for _, i := range groups[label] {
				tested[i] = true
			}
		}
		return tested, nil
	}
	for _, members := range groups {
		ranks := make(map[int][sha256.Size]byte, len(members))
		for _, i := range members {
			ranks[i] = s.rank(d.sums[i][:])
		}
		slices.SortFunc(members, func(a, b int) int {
			x, y := ranks[a], ranks[b]
			return cmp.Or(bytes.Compare(x[:], y[:]), cmp.Compare(a, b))
		})
		n := s.share(len(members))
		for n > 0 && n < len(members) && ranks[members[n]] == ranks[members[n-1]] {
			n-- // copies stay together
		}
		for _, i := range members[:n] {
			tested[i] = true
		}
	}
	return tested, nil
}
