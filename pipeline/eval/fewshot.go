package eval

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/floats"
)

// FewShotOptions say what an episode is and how many there are.
type FewShotOptions struct {
	Ways     int // classes of an episode, at least 2
	Shots    int // labelled samples of each class, at least 1
	Queries  int // samples of each class to be classified, at least 1
	Episodes int // at least 2
	Seed     uint64
}

// FewShotScore is accuracy over episodes.
type FewShotScore struct {
	Accuracy float64 // mean over episodes, in [0,1]
	CI95     float64 // half the width of the 95 % confidence interval of Accuracy
	Episodes int
}

// FewShot classifies by nearest prototype in episodes. An episode draws Ways classes, and from each of them Shots and
// Queries different samples; with S_w the shots of way w,
//
//	p_w      = 1/Shots Σ_{x∈S_w} x
//	accuracy = mean over the Ways·Queries queries x of [ argmin_w ‖x − p_w‖² is x's way ]
//
// The score is the mean over episodes with CI95 = 1.96·s/√Episodes, s being the sample standard deviation of the
// accuracy of episodes. Of equally near prototypes the way drawn first wins, so that embeddings which are all the same
// score 1/Ways.
//
// embeddings is (N,D), row-major, with N = n and D = d ≥ 1; labels is (N) with at least Ways classes, each of Shots +
// Queries samples or more. Distances are computed in float64. What an episode draws is a function of Seed and its
// number alone; results do not depend on the number of threads.
//
// It returns ErrInput for shapes, values and options that break these rules, naming the class that is too small, and
// the row in the case of a NaN or an infinity.
//
// Source: Snell et al., NeurIPS 2017 (arXiv:1703.05175), eq. 1 and section 3.1.
func FewShot(ctx context.Context, embeddings []float32, n, d int, labels []int32,
	o FewShotOptions,
) (FewShotScore, error) {
	if err := checkFewShot(embeddings, n, d, labels, o); err != nil {
		return FewShotScore{}, fmt.Errorf("%w: %w", ErrInput, err)
	}
	byClass := map[int32][]int{}
	for i, label := range labels {
		byClass[label] = append(byClass[label], i)
	}
	var classes [][]int // in the order of their labels
	for _, label := range slices.Sorted(maps.Keys(byClass)) {
		classes = append(classes, byClass[label])
	}
	accuracies := make([]float64, o.Episodes)
	err := eachBlock(ctx, o.Episodes, 1, func(i, _ int) {
		accuracies[i] = drawEpisode(classes, o, i).accuracy(embeddings, d)
	})
	if err != nil {
		return FewShotScore{}, err
	}
	mean, std := MeanStd(accuracies)
	return FewShotScore{Accuracy: mean, CI95: 1.96 * std / math.Sqrt(float64(o.Episodes)), Episodes: o.Episodes}, nil
}

func checkFewShot(embeddings []float32, n, d int, labels []int32, o FewShotOptions) error {
	if err := checkShape(embeddings, n, d, labels); err != nil {
		return err
	}
	for _, option := range []struct {
		what        string
		value, from int
	}{
		{"ways", o.Ways, 2}, {"shots", o.Shots, 1}, {"queries", o.Queries, 1}, {"episodes", o.Episodes, 2},
	} {
		if option.value < option.from {
			return fmt.Errorf("%d %s, expected at least %d", option.value, option.what, option.from)
		}
	}
	sizes := classSizes(labels)
	if len(sizes) < o.Ways {
		return fmt.Errorf("%d classes for episodes of %d ways, expected at least as many", len(sizes), o.Ways)
	}
	for _, label := range slices.Sorted(maps.Keys(sizes)) {
		// Compared without their sum, which may overflow.
		if size := sizes[label]; o.Shots > size || o.Queries > size-o.Shots {
			return fmt.Errorf("class %d has %d samples, expected at least %d shots and %d queries",
				label, size, o.Shots, o.Queries)
		}
	}
	return checkFinite(embeddings, d, "embeddings")
}

// episode is the rows of one, by way.
type episode struct{ shots, queries [][]int }

// drawEpisode draws from classes, the rows of each.
func drawEpisode(classes [][]int, o FewShotOptions, number int) episode {
	rng := rand.New(rand.NewPCG(o.Seed, uint64(number)))
	var e episode
	for _, class := range rng.Perm(len(classes))[:o.Ways] {
		var rows []int
		for _, i := range rng.Perm(len(classes[class]))[:o.Shots+o.Queries] {
			rows = append(rows, classes[class][i])
		}
		e.shots = append(e.shots, rows[:o.Shots])
		e.queries = append(e.queries, rows[o.Shots:])
	}
	return e
}

func (e episode) accuracy(embeddings []float32, d int) float64 {
	row := make([]float64, d)
	load := func(i int) []float64 {
		for j, v := range embeddings[i*d : (i+1)*d] {
			row[j] = float64(v)
		}
		return row
	}
	prototypes := make([][]float64, len(e.shots)) // (Ways,D)
	for way, rows := range e.shots {
		prototypes[way] = make([]float64, d)
		for _, i := range rows {
			floats.Add(prototypes[way], load(i))
		}
		floats.Scale(1/float64(len(rows)), prototypes[way])
	}
	right, queries := 0, 0
	for way, rows := range e.queries {
		for _, i := range rows {
			x := load(i)
			nearest, least := 0, math.Inf(1)
			for w, prototype := range prototypes {
				if distance := floats.Distance(x, prototype, 2); distance < least {
					nearest, least = w, distance
				}
			}
			if nearest == way {
				right++
			}
			queries++
		}
	}
	return float64(right) / float64(queries)
}
