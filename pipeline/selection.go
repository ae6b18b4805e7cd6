package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"rkd/datasets"
	"rkd/pipeline/cache"
	"rkd/pipeline/config"
	"rkd/pipeline/eval"
	"rkd/student/loss"
	"rkd/student/sampler"
)

// score chooses the best checkpoint by the embeddings of the selection split.
type score struct {
	metric string
	of     func(ctx context.Context, embeddings []float32, labels []int32) (float64, error)
}

// newScore chooses a training's score on the selection split, or, where nothing can be measured on what that holds,
// lays no sample aside, so that the training keeps its last checkpoint. It says what is not as the configuration reads.
//
// By MAP@R, as a rule: on classes that training has seen, Recall@1 is near 1 from the first epoch on, and noise would
// decide. A classification with a head is chosen by its accuracy. Where fewer than half of the split's samples have
// labels, or their labels are too few for a figure, it is the agreement with the teacher: the rank correlation of
// distances. A drop-in student is chosen by what it is for: that it finds among the teacher's embeddings what the
// teacher finds.
func (r *Runner) newScore(t *training, table *cache.Table, classes []string) (score, error) {
	train, held, err := sampler.Split(table.Labels, table.IDs, *t.options.Selection, t.Seed)
	if err != nil {
		return score{}, err
	}
	r.sayShort(t, sampler.Short(table.Labels, train, t.options.Batch), classes)
	if len(held) == 0 {
		return score{}, nil
	}
	sizes, labelled := map[int32]int{}, 0
	for _, row := range held {
		if label := table.Labels[row]; label != datasets.NoLabel {
			sizes[label]++
			labelled++
		}
	}
	onLabels := labelled > 0 && (2*labelled >= len(held) || table.Dim == 0)
	head := t.objective.Head
	switch {
	case t.Config.Student.DropIn && len(held) > dropInK:
		return dropInScore(t.network.Dim, table, held), nil
	case t.Config.Goal == config.Classification && head != nil && onLabels:
		return accuracyScore(t.network.Dim, head), nil
	case onLabels && len(sizes) > 1 && len(sizes) < labelled:
		metrics, err := eval.ParseMetrics([]string{eval.MAPAtR})
		if err != nil {
			return score{}, err
		}
		return score{eval.MAPAtR, func(ctx context.Context, embeddings []float32, labels []int32) (float64, error) {
			figures, err := eval.Measure(ctx, metrics, eval.Outputs{
				Embeddings: embeddings, Labels: labels, Dim: t.network.Dim,
			}, eval.MetricOptions{})
			return figures.Values[eval.MAPAtR], err
		}}, nil
	case len(held) >= smallestAgreement && table.Dim > 0:
		if onLabels {
			r.Progress.Say("distill %s: the %d samples held out to choose the best checkpoint have too few of a class for %s: "+
				"it is chosen by %s with the teacher", t, len(held), eval.MAPAtR, eval.Spearman)
		}
		return agreementScore(t.network.Dim, table, held), nil
	}
	r.Progress.Say("distill %s: %d samples are too few to choose a checkpoint by: all are trained on, and the last "+
		"checkpoint is kept", t, len(held))
	none := 0.0
	t.options.Selection = &none
	return score{}, nil
}

// smallestAgreement is the number of samples below which the rank correlation of their distances says nothing.
const smallestAgreement = 4

func accuracyScore(dim int, head *loss.Projection[float32]) score {
	var logits []float32
	return score{"top-1", func(_ context.Context, embeddings []float32, labels []int32) (float64, error) {
		var err error
		if logits, err = head.Forward(logits, loss.Matrix[float32]{Rows: len(labels), Cols: dim, Data: embeddings}); err !=
			nil {
			return 0, err
		}
		classes := len(logits) / len(labels)
		some, of := make([]float32, 0, len(logits)), make([]int32, 0, len(labels))
		for i, label := range labels {
			if label != datasets.NoLabel {
				some, of = append(some, logits[i*classes:(i+1)*classes]...), append(of, label)
			}
		}
		accuracy, err := eval.TopK(some, len(of), classes, of, []int{1})
		return accuracy[1], err
	}}
}

// agreementScore compares with the teacher's embeddings of the rows held out. Where all of the student's embeddings
// coincide it is the worst: -1.
func agreementScore(dim int, table *cache.Table, held []int) score {
	held = held[:min(len(held), eval.MaxPairwiseRows)]
	p := eval.Pair{N: len(held), DA: table.Dim, DB: dim}
	for _, row := range held {
		p.A = append(p.A, table.Embeddings[row*table.Dim:(row+1)*table.Dim]...)
	}
	return score{eval.Spearman + " with the teacher", func(ctx context.Context, embeddings []float32, _ []int32) (float64,
		error,
	) {
		p.B = embeddings[:len(held)*dim]
		value, err := eval.PairwiseSpearman(ctx, p)
		if err != nil && ctx.Err() == nil && constant(p.B, dim) {
			return -1, nil
		}
		return value, err
	}}
}

// dropInK is the number of neighbours by which drop-in students are chosen.
const dropInK = 10

// dropInScore searches the teacher's embeddings of the rows held out.
func dropInScore(dim int, table *cache.Table, held []int) score {
	held = held[:min(len(held), eval.MaxPairwiseRows)]
	gallery := make([]float32, 0, len(held)*dim)
	for _, row := range held {
		gallery = append(gallery, table.Embeddings[row*dim:(row+1)*dim]...)
	}
	return score{dropInScoreName, func(ctx context.Context, embeddings []float32, _ []int32) (float64, error) {
		return eval.CrossOverlap(ctx, embeddings[:len(gallery)], gallery, len(held), dim, dropInK)
	}}
}

const dropInScoreName = "asymmetric-overlap@10"

// constant says that all rows of a matrix are equal.
func constant(values []float32, dim int) bool {
	for i := dim; i < len(values); i++ {
		if values[i] != values[i-dim] {
			return false
		}
	}
	return true
}

// sayShort counts, in one line, the classes that are too small for a batch.
func (r *Runner) sayShort(t *training, short map[int32]int, classes []string) {
	if len(short) == 0 {
		return
	}
	r.Progress.Say("distill %s: %s", t, shortLine(short, t.options.Batch, classes))
}

// shortLine says what becomes of classes that are too small for a batch.
func shortLine(short map[int32]int, batch sampler.Shape, classes []string) string {
	var named []string
	for _, label := range slices.Sorted(maps.Keys(short)) {
		if len(named) == sayShown {
			named = append(named, "…")
			break
		}
		named = append(named, fmt.Sprintf("%s (%d)", datasets.ClassName(classes, label), short[label]))
	}
	does := "repeat them"
	if batch.Short == sampler.ShortDrop {
		does = "are left out of batches"
	}
	of := batch.PerClass
	if batch.Kind == sampler.Episodes {
		of = batch.Shots + batch.Queries
	}
	noun := "classes have"
	if len(short) == 1 {
		noun = "class has"
		does = strings.Replace(strings.Replace(does, "repeat", "repeats", 1), "are left", "is left", 1)
	}
	return fmt.Sprintf("%d %s fewer than the %d training samples that a batch takes of one, and %s: %s", len(short), noun,
		of,
		does, strings.Join(named, ", "))
}

// mixes says that some samples of a data set have labels and others none.
func mixes(d datasets.Dataset) bool {
	with, without := labelCounts(d)
	return with > 0 && without > 0
}

func labelCounts(d datasets.Dataset) (with, without int) {
	for i := range d.Len() {
		if d.Label(i) == datasets.NoLabel {
			without++
		} else {
			with++
		}
	}
	return with, without
}

// scoreName is what a report calls the score of a training's selection split: the rule, whatever the data made of it.
func scoreName(c *config.Config) string {
	switch {
	case c.Student.DropIn:
		return dropInScoreName
	case c.Data.Train.Unlabelled():
		return eval.Spearman + " with the teacher"
	case c.Goal == config.Classification && c.Loss.OnLogits():
		return "top-1"
	}
	return eval.MAPAtR
}
