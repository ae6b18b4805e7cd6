package datasets

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// OpenAll opens sources as one data set. Its classes are those of the first source and, behind them, what the others
// have that it lacks; ids go on from source to source. One source is what Open makes of it.
func OpenAll(ctx context.Context, sources Sources, r Resources) (Dataset, error) {
	if err := sources.Validate(); err != nil {
		return nil, err
	}
	if len(sources) == 1 {
		return Open(ctx, sources[0], r)
	}
	if r.Budget == nil {
		r.Budget = NewBudget(Limits{})
	}
	var members []member
	for i, src := range sources {
		of := r
		if r.Sums != nil {
			of.Sums = map[string][sha256.Size]byte{}
			for rel, sum := range r.Sums {
				if name, ok := strings.CutPrefix(rel, prefixOf(i)); ok {
					of.Sums[name] = sum
				}
			}
		}
		d, err := Open(ctx, src, of)
		if err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
		members = append(members, d.(member))
	}
	return join(members, r.Sums == nil), nil
}

// prefixOf is what the names of the i-th source's samples begin with, those of the first with nothing.
func prefixOf(i int) string {
	if i == 0 {
		return ""
	}
	return fmt.Sprintf("[%d]/", i)
}

// member is a data set that has a selection.
type member interface {
	Dataset
	all() *selection
}

// place is sample i of a member.
type place struct{ member, i int }

// joined is samples of several data sets, or some of one, as a data set.
type joined struct {
	selection
	members []member
	places  []place
}

// join makes one data set of several.
func join(members []member, fingerprinted bool) *joined {
	d := &joined{members: members}
	var names []string
	index := map[string]int32{}
	for k, m := range members {
		of := m.all()
		names = append(names, of.name)
		renumbered := make([]int32, len(of.classes))
		for c, class := range of.classes {
			label, ok := index[class]
			if !ok {
				label = int32(len(d.classes))
				index[class] = label
				d.classes = append(d.classes, class)
			}
			renumbered[c] = label
		}
		for i, id := range of.ids {
			label := of.labels[i]
			if label != NoLabel {
				label = renumbered[label]
			}
			d.ids, d.labels = append(d.ids, int64(d.total)+id), append(d.labels, label)
			d.places = append(d.places, place{k, i})
		}
		d.sums = append(d.sums, of.sums...)
		d.gray, d.color = d.gray || of.gray, d.color || of.color
		d.total += of.total
		d.ledger = d.ledger.Add(m.Ledger())
	}
	d.name = strings.Join(names, " + ")
	if fingerprinted {
		d.fingerprint = d.hash("list")
	}
	return d
}

// Skips reports what on_error of the sample's source says.
func (d *joined) Skips(i int, err error) bool {
	p := d.places[i]
	return d.members[p.member].Skips(p.i, err)
}

// Sample is sample i with its id and label in the whole.
func (d *joined) Sample(i int) Sample {
	p := d.places[i]
	s := d.members[p.member].Sample(p.i)
	s.ID, s.Label = d.ids[i], d.labels[i]
	if picture, ok := s.Content.(Picture); ok && d.Mixed() {
		s.Content = amongColor{picture} // though not among those of its own source, perhaps
	}
	return s
}

// Path is that of the sample in its source.
func (d *joined) Path(i int) string {
	p := d.places[i]
	return d.members[p.member].Path(p.i)
}

// Rel is that of the sample in its source, behind the source's number where that is not the first.
func (d *joined) Rel(i int) string {
	p := d.places[i]
	return prefixOf(p.member) + d.members[p.member].Rel(p.i)
}

// part is the samples of d at the given positions, ascending, under a name. The others are left out by key.
func (d *joined) part(name, key string, at []int) *joined {
	p := &joined{members: d.members}
	p.name, p.classes, p.total, p.gray, p.color = name, d.classes, d.total, d.gray, d.color
	p.ledger = d.Ledger()
	p.ledger.leaveOut(key, len(d.ids)-len(at))
	for _, i := range at {
		p.ids, p.labels = append(p.ids, d.ids[i]), append(p.labels, d.labels[i])
		p.sums, p.places = append(p.sums, d.sums[i]), append(p.places, d.places[i])
	}
	p.fingerprint = p.hash("part")
	return p
}

// WithClasses returns d with the classes of another data set, so that a label means the same in both, and those that
// only d has behind them. Where labels mean that already it is d itself.
func WithClasses(d Dataset, classes []string) Dataset {
	own, all := d.Classes(), slices.Clone(classes)
	index := map[string]int32{}
	for i, c := range classes {
		index[c] = int32(i)
	}
	r := &relabelled{Dataset: d, labels: make([]int32, len(own))}
	for i, c := range own {
		if _, ok := index[c]; !ok {
			index[c] = int32(len(all))
			all = append(all, c)
		}
		r.labels[i] = index[c]
	}
	r.classes = all
	for i := range d.Len() {
		if label := d.Label(i); label != NoLabel && r.labels[label] != label {
			return r
		}
	}
	return d
}

// relabelled is a data set under other labels.
type relabelled struct {
	Dataset
	classes []string
	labels  []int32 // of the classes of the data set
}

// Classes are those of the other data set, and more.
func (r *relabelled) Classes() []string { return r.classes }

// Label is the sample's among them.
func (r *relabelled) Label(i int) int32 {
	label := r.Dataset.Label(i)
	if label == NoLabel {
		return NoLabel
	}
	return r.labels[label]
}

// Sample is sample i with its label.
func (r *relabelled) Sample(i int) Sample {
	s := r.Dataset.Sample(i)
	s.Label = r.Label(i)
	return s
}

// Fingerprint differs from the data set's.
func (r *relabelled) Fingerprint() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "relabelled %s %q", r.Dataset.Fingerprint(), r.classes))
	return hex.EncodeToString(sum[:])
}
