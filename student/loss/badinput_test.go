package loss_test

import (
	"errors"
	"math"
	"testing"

	"rkd/student/loss"
)

// everyLoss is a loss of each kind, with default settings where there are any.
func everyLoss(t *testing.T) map[string]loss.Loss[float32] {
	t.Helper()
	logits := func(inner loss.Loss[float32]) loss.Loss[float32] {
		return loss.NewProjected(projection[float32](t, loss.ProjectionOptions{}, 3, 4), inner)
	}
	return map[string]loss.Loss[float32]{
		"rkd_distance":     loss.NewRelational[float32](1, 0),
		"rkd_angle":        loss.NewRelational[float32](0, 1),
		"sp":               loss.NewSimilarity[float32](),
		"pkt":              loss.NewPKT[float32](),
		"cc":               must(loss.NewCorrelation[float32](loss.CorrelationOptions{}))(t),
		"dark_rank":        must(loss.NewDarkRank[float32](loss.DarkRankOptions{}))(t),
		"regression":       regression[float32](t, ""),
		"info_nce":         infoNCE[float32](t, 0),
		"hkd":              logits(softTarget[float32](t, loss.SoftTargetOptions{})),
		"logit_mse":        logits(loss.NewLogitMSE[float32]()),
		"triplet":          newTriplet[float32](t, loss.TripletOptions{Margin: 0.2}),
		"contrastive":      must(loss.NewContrastive[float32](loss.ContrastiveOptions{Margin: 1}))(t),
		"multi_similarity": multiSimilarity[float32](t, loss.MultiSimilarityOptions{}),
		"cross_entropy":    logits(crossEntropy[float32](t, 0)),
		"prototypical":     prototypical[float32](t, 1),
	}
}

func TestEveryLossMeetsBadBatches(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(b *loss.Batch[float32])
		want  map[string]error // other than nil
	}{
		{"a single row", func(b *loss.Batch[float32]) {
			b.Student, b.Teacher, b.Logits = head(b.Student, 1), head(b.Teacher, 1), head(b.Logits, 1)
			b.Labels = b.Labels[:1]
		}, map[string]error{
			"rkd_distance": loss.ErrShape, "rkd_angle": loss.ErrShape, "sp": loss.ErrShape, "pkt": loss.ErrShape,
			"cc": loss.ErrShape, "dark_rank": loss.ErrShape, "regression": loss.ErrShape, "info_nce": loss.ErrShape,
			"triplet": loss.ErrShape, "contrastive": loss.ErrShape, "multi_similarity": loss.ErrShape,
			"prototypical": loss.ErrBatch,
		}},
		{"a single class", func(b *loss.Batch[float32]) { b.Labels = make([]int32, 8) }, map[string]error{
			"triplet": loss.ErrBatch, "multi_similarity": loss.ErrBatch, "prototypical": loss.ErrBatch,
		}},
		{"a row a class", func(b *loss.Batch[float32]) {
			b.Student, b.Teacher, b.Logits, b.Labels = head(b.Student, 4), head(b.Teacher, 4), head(b.Logits, 4), balanced(4, 1)
		}, map[string]error{
			"triplet": loss.ErrBatch, "multi_similarity": loss.ErrBatch, "prototypical": loss.ErrBatch,
		}},
		{"identical rows", func(b *loss.Batch[float32]) {
			for i := range b.Student.Data {
				b.Student.Data[i] = 0.5
			}
		}, map[string]error{"rkd_distance": loss.ErrDegenerate, "rkd_angle": loss.ErrDegenerate}},
	} {
		for name, l := range everyLoss(t) {
			b := embeddingBatch[float32](1, 8, 3, 0)
			b.Logits, b.Rand = gaussian[float32](newRand(2), 8, 4, 0), newRand(3)
			c.spoil(&b)
			grad := zeros[float32](b.Student.Rows, b.Student.Cols)
			v, err := l.Eval(b, 1, grad)
			if !errors.Is(err, c.want[name]) {
				t.Errorf("%s on %s: error is %v, expected %v", name, c.name, err, c.want[name])
			}
			if err == nil && (math.IsNaN(v.Total-v.Total) || math.IsNaN(norm(grad.Data)-norm(grad.Data))) {
				t.Errorf("%s on %s: value is %g, gradient's norm %g, expected numbers", name, c.name, v.Total, norm(grad.Data))
			}
		}
	}
}

func TestEveryLossNamesTheRowThatIsNoNumber(t *testing.T) {
	for name, l := range everyLoss(t) {
		for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			b := embeddingBatch[float32](1, 8, 3, 0)
			b.Logits, b.Rand = gaussian[float32](newRand(2), 8, 4, 0), newRand(3)
			b.Student.Data[3*5+1] = float32(bad)
			_, err := l.Eval(b, 1, zeros[float32](8, 3))
			row, ok := errors.AsType[*loss.RowError](err)
			if !ok || row.Row != 5 || row.Side != "student" || !errors.Is(err, loss.ErrNotFinite) {
				t.Errorf("%s on %g: error is %v, expected one about row 5 of the student", name, bad, err)
			}
		}
	}
}

func head(m loss.Matrix[float32], rows int) loss.Matrix[float32] {
	return loss.Matrix[float32]{Rows: rows, Cols: m.Cols, Data: m.Data[:rows*m.Cols]}
}
