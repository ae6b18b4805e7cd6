package cache

import "testing"

func TestChanges(t *testing.T) {
	plan := testPlan(12, 1, 5, 3, 0)
	c, err := Open(t.Context(), build(t, plan))
	must(t, err)
	samples := mustResolve(t, plan).Samples
	same, err := c.Changes(t.Context(), samples)
	must(t, err)
	if got := same.String(); got != "the same ones in another order, or with other labels" {
		t.Error(got)
	}
	samples = append(samples[2:], sample(100, 1), sample(103, 1))
	samples[0].Path = "elsewhere.png"
	samples[1].Content[0] ^= 1
	got, err := c.Changes(t.Context(), samples)
	must(t, err)
	const want = "2 added (class 1/100.png, class 1/103.png), 3 removed (class 0/3.png, class 1/6.png, class 2/9.png), " +
		"1 changed (class 3/12.png), 1 moved or renamed (elsewhere.png)"
	if got.String() != want {
		t.Errorf("%s, want %s", got, want)
	}
}
