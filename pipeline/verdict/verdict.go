package verdict

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Student is a variant as a verdict sees it: its trainings, one a seed, and their figures on the test data.
type Student struct {
	Seeds   []History
	Setting Setting
	// Metric names Quality, Baseline and Teacher. Quality has the figure of each seed on the test data, none before there
	// are any.
	Metric            string
	Quality           []float64
	Baseline, Teacher float64
}

// History is a training, one value an epoch.
type History struct {
	Loss      []float64 // of training, the weighted sum
	Selection []float64 // score of the samples of training classes that are held out; nil without
	Unseen    []float64 // figure of the test data; nil where they are not followed
}

// Setting is what suggestions depend on.
type Setting struct {
	Relational bool // all losses are on relations between samples
	Labels     bool // some loss is on labels
	Views      int
	Constant   bool // the learning rate
	Pretrained bool
	LR         float64
}

// Kind is a finding of a verdict.
type Kind string

// Kinds of findings, in the order in which they decide what to try.
const (
	Unstable    Kind = "unstable"
	Disagree    Kind = "seeds disagree"
	Overfitting Kind = "overfitting"
	TooSmall    Kind = "too small"
	Reached     Kind = "teacher reached"
	Improving   Kind = "still improving"
	Flat        Kind = "flat"
)

// Finding is one observation, in a sentence with its figures.
type Finding struct {
	Kind     Kind
	Sentence string
}

// Verdict is what can be said of a student. Without evidence it is empty.
type Verdict struct {
	Findings []Finding
	// Try is the one thing to try next.
	Try string
}

// String is the verdict as a sentence or two.
func (v Verdict) String() string {
	var parts []string
	for _, f := range v.Findings {
		parts = append(parts, f.Sentence)
	}
	text := strings.Join(parts, "; ")
	if v.Try != "" {
		text += ". Next, try " + v.Try
	}
	return text
}

const (
	// shortest is the number of epochs below which a curve says nothing.
	shortest = 4
	// flatShare of a curve's range is no improvement; clearShare is one, or a fall.
	flatShare, clearShare = 0.03, 0.1
	// disagreement is the share of the way from the baseline to the teacher by which seeds may differ.
	disagreement = 0.2
	// reached is the share of that way from which on a student is as good as the teacher.
	reached = 0.97
	// small is the share of its first value above which a loss that has stopped falling was never learnt.
	small = 0.6
)

// Judge looks at a student. Findings come in the order of their kinds.
func Judge(s Student) Verdict {
	var v Verdict
	add := func(k Kind, format string, args ...any) {
		v.Findings = append(v.Findings, Finding{k, fmt.Sprintf(format, args...)})
	}
	way := s.Teacher - s.Baseline
	if len(s.Quality) > 1 && way > 0 {
		if low, high := slices.Min(s.Quality), slices.Max(s.Quality); high-low > disagreement*way {
			add(Disagree, "seeds disagree: %s from %.3f to %.3f, %.0f %% of the way from baseline to teacher", s.Metric, low,
				high, 100*(high-low)/way)
		}
	}
	loss := mean(s.Seeds, func(h History) []float64 { return h.Loss })
	selection := mean(s.Seeds, func(h History) []float64 { return h.Selection })
	unseen := mean(s.Seeds, func(h History) []float64 { return h.Unseen })
	if k, sentence := judgeCurves(loss, selection, unseen); k != "" {
		add(k, "%s", sentence)
	}
	if len(s.Quality) > 0 && way > 0 {
		if closed := (average(s.Quality) - s.Baseline) / way; closed >= reached {
			add(Reached, "as good as the teacher in %s (%.0f %% of the gap closed)", s.Metric, 100*closed)
		}
	}
	slices.SortStableFunc(v.Findings, func(a, b Finding) int { return order(a.Kind) - order(b.Kind) })
	if len(v.Findings) > 0 {
		v.Try = suggestion(v.Findings, s)
	}
	return v
}

func order(k Kind) int {
	return slices.Index([]Kind{Unstable, Disagree, Overfitting, TooSmall, Reached, Improving, Flat}, k)
}

// judgeCurves says the one thing that stands out in how a training went.
func judgeCurves(loss, selection, unseen []float64) (Kind, string) {
	n := len(loss)
	if n < shortest {
		return "", ""
	}
	if low := lowest(loss); low < n-1 && loss[n-1]-loss[low] > clearShare*span(loss) && loss[n-1] > 1.02*loss[low] &&
		rises(loss[low:]) {
		return Unstable, fmt.Sprintf("unstable: the training loss rises since epoch %d, from %.4f to %.4f", low+1, loss[low],
			loss[n-1])
	}
	// What students are for is unseen classes; the selection split stands in for them where they are not followed.
	quality, what := unseen, "the figure of the test data"
	if len(quality) != n {
		quality, what = selection, "the score of the selection split"
	}
	if len(quality) != n {
		return judgeLoss(loss)
	}
	peak, reach := highest(quality), span(quality)
	fall := quality[peak] - quality[n-1]
	if peak < n-2 && reach > 0 && fall > clearShare*reach && rises(negated(quality[peak:])) {
		other, beside := loss, "the training loss falls"
		rising := loss[n-1] < loss[peak]
		if len(unseen) == n && len(selection) == n {
			other, beside, rising = selection, "the selection split's score rises", selection[n-1] > selection[peak]
		}
		if rising {
			return Overfitting, fmt.Sprintf("overfitting since epoch %d: %s falls from %.4f to %.4f while %s (%.4f to %.4f)",
				peak+1, what, quality[peak], quality[n-1], beside, other[peak], other[n-1])
		}
	}
	if since := settled(negated(loss), flatShare*span(loss)); loss[n-1] > small*loss[0] && loss[0] > 0 && since <= n/2 {
		return TooSmall, fmt.Sprintf("too small for the loss: that fell by %.0f %% only, and is flat since epoch %d of %d",
			100*(1-loss[n-1]/loss[0]), since+1, n)
	}
	tail := max(1, n/4)
	gain, enough := quality[n-1]-quality[n-1-tail], flatShare*reach
	if reach > 0 && gain > enough && quality[n-1] >= quality[peak]-enough {
		return Improving, fmt.Sprintf("still improving at the last epoch: the last %d of %d epochs brought %s %+.4f, "+
			"%.0f %% of its range", tail, n, what, gain, 100*gain/reach)
	}
	if since := settled(quality, flatShare*reach); since < n-1-tail {
		return Flat, fmt.Sprintf("flat since epoch %d of %d: %s stays at %.4f", since+1, n, what, quality[n-1])
	}
	return "", ""
}

// judgeLoss judges a training of which only the loss is known.
func judgeLoss(loss []float64) (Kind, string) {
	n, tail := len(loss), max(1, len(loss)/4)
	if fall := loss[n-1-tail] - loss[n-1]; fall > flatShare*span(loss) {
		return Improving, fmt.Sprintf("still improving at the last epoch: the last %d of %d epochs brought the training "+
			"loss %+.4f", tail, n, -fall)
	}
	if since := settled(negated(loss), flatShare*span(loss)); since < n-1-tail {
		return Flat, fmt.Sprintf("flat since epoch %d of %d: the training loss stays at %.4f", since+1, n, loss[n-1])
	}
	return "", ""
}

// suggestion is what to try for the first of findings.
func suggestion(findings []Finding, s Student) string {
	views := "views: cache.views: 4 with data.augment: {crop: {scale: [0.35, 1]}, flip: true}"
	switch findings[0].Kind {
	case Unstable:
		return fmt.Sprintf("a smaller learning rate, train.lr: %.1g, with train.clip_norm: 1", s.Setting.LR/3)
	case Disagree:
		return "more seeds before a choice, e.g. seeds: [1, 2, 3, 4, 5]"
	case Overfitting:
		if s.Setting.Views <= 1 {
			return views
		}
		return "train.optimizer: adamw with train.weight_decay: 0.05"
	case TooSmall:
		return "a wider student (twice student.arch.width, or the next preset)"
	case Improving:
		return "twice the epochs"
	case Reached:
		return "a smaller student"
	}
	switch { // flat
	case s.Setting.Relational:
		return "loss.info_nce: 1 beside the relational losses"
	case s.Setting.Constant:
		return "a falling learning rate, train.schedule: {kind: cosine}"
	case s.Setting.Views <= 1:
		return views
	case !s.Setting.Pretrained:
		return "a pretrained start, student.arch.onnx"
	}
	return "a wider student"
}

// mean is the mean of curves of one length over seeds; nil where there is none, or lengths differ.
func mean(seeds []History, of func(History) []float64) []float64 {
	var sum []float64
	for i, h := range seeds {
		c := of(h)
		switch {
		case i == 0:
			sum = slices.Clone(c)
		case len(c) != len(sum):
			return nil
		default:
			for j, v := range c {
				sum[j] += v
			}
		}
	}
	for j := range sum {
		if sum[j] /= float64(len(seeds)); math.IsNaN(sum[j]) || math.IsInf(sum[j], 0) {
			return nil
		}
	}
	return sum
}

func average(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

func span(c []float64) float64 { return slices.Max(c) - slices.Min(c) }

func highest(c []float64) int { return slices.Index(c, slices.Max(c)) }

func lowest(c []float64) int { return slices.Index(c, slices.Min(c)) }

func negated(c []float64) []float64 {
	out := make([]float64, len(c))
	for i, v := range c {
		out[i] = -v
	}
	return out
}

// rises says whether a curve ends above where it began and does so steadily: its second half lies above its first.
func rises(c []float64) bool {
	if len(c) < 2 {
		return false
	}
	half := len(c) / 2
	return c[len(c)-1] > c[0] && average(c[half:]) > average(c[:half])
}

// settled is the first place from which on a curve gains no more than tolerance.
func settled(c []float64, tolerance float64) int {
	best := slices.Clone(c) // from a place on
	for i := len(c) - 2; i >= 0; i-- {
		best[i] = max(best[i], best[i+1])
	}
	for i := range c {
		if best[i]-c[i] <= tolerance {
			return i
		}
	}
	return len(c) - 1
}
