package objective

import (
	"slices"
	"testing"

	"go.yaml.in/yaml/v3"

	"rkd/student/loss"
	"rkd/student/sampler"
)

// Every line of the two tables makes a loss that learns from a batch; only the one with a weight is computed.
func TestEveryLossOfTheTablesCanBeBuilt(t *testing.T) {
	w := Widths{Student: 3, Teacher: 4, Logits: 5, Classes: 5, Shots: 1}
	section := func(key string) Losses {
		var l Losses
		if err := yaml.Unmarshal([]byte(key+": {weight: 2}"), &l); err != nil {
			t.Fatal(err)
		}
		return l
	}
	var tables []Losses
	var keys []string
	for _, entry := range (Losses{}).terms(w) {
		tables, keys = append(tables, section(entry.name)), append(keys, entry.name)
	}
	for _, kind := range labelKinds {
		l := LabelLoss{Term: Term{Weight: 2}}
		if _, err := l.OfKind(kind.name); err != nil {
			t.Fatal(err)
		}
		tables, keys = append(tables, Losses{Labels: LabelLosses{l}}), append(keys, kind.name)
	}
	if len(keys) < 14 || !slices.Contains(keys, "rkd_angle") || !slices.Contains(keys, "info_nce") {
		t.Errorf("the tables have %v, expected all losses", keys)
	}
	for i, l := range tables {
		if err := l.CheckWeights(); err != nil {
			t.Errorf("%s: %v", keys[i], err)
		}
		o, err := l.Build(w, Head{}, 1)
		if err != nil {
			t.Errorf("%s: %v", keys[i], err)
			continue
		}
		matrix := func(rows, cols int) loss.Matrix[float32] {
			m := loss.Matrix[float32]{Rows: rows, Cols: cols, Data: make([]float32, rows*cols)}
			r := sampler.Stream(3, "test", cols)
			for i := range m.Data {
				m.Data[i] = r.Float32()
			}
			return m
		}
		grad := loss.Matrix[float32]{Rows: 8, Cols: 3, Data: make([]float32, 24)}
		v, err := o.Sum.Eval(loss.Batch[float32]{
			Student: matrix(8, 3), Teacher: matrix(8, 4), Logits: matrix(8, 5), Labels: []int32{0, 0, 1, 1, 2, 2, 3, 3},
			Rand: sampler.Stream(1, "test", 0),
		}, grad)
		if err != nil || len(v.Terms) != 1 || v.Terms[0].Name != keys[i] || v.Terms[0].Weight != 2 {
			t.Errorf("%s: value is %+v, %v, expected one term of weight 2", keys[i], v, err)
		}
		if !slices.ContainsFunc(grad.Data, func(g float32) bool { return g != 0 }) {
			t.Errorf("%s: no gradient", keys[i])
		}
	}
}

func TestBuildRefusesWidthsThatDoNotFit(t *testing.T) {
	no := false
	for name, l := range map[string]Losses{
		"regression": {Regression: OnPairedRows[loss.RegressionOptions]{Term: Term{Weight: 1}, Project: &no}},
		"hkd":        {HKD: OnLogits[loss.SoftTargetOptions]{Term: Term{Weight: 1}}},
	} {
		if _, err := l.Build(Widths{Student: 3, Teacher: 4, Logits: 5, Classes: 6}, Head{}, 1); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestResolvedFillsInDefaults(t *testing.T) {
	var l Losses
	l.CC.Weight, l.CC.Options.Order = 1, 3
	label := LabelLoss{Term: Term{Weight: 1}}
	if _, err := label.OfKind(MultiSimilarity); err != nil {
		t.Fatal(err)
	}
	l.Labels = LabelLosses{label}
	got := l.Resolved()
	if want := (loss.CorrelationOptions{Kernel: "gaussian", Gamma: 0.4, Order: 3}); got.CC.Options != want {
		t.Errorf("cc has %+v, expected %+v", got.CC.Options, want)
	}
	if o := *got.Labels[0].Options.(*loss.MultiSimilarityOptions); o.Beta != 50 {
		t.Errorf("multi_similarity has %+v, expected beta 50", o)
	}
	if o := *l.Labels[0].Options.(*loss.MultiSimilarityOptions); o.Beta != 0 {
		t.Error("the section itself was changed")
	}
}

// A key of one kind is told from one of none.
func TestKindsWith(t *testing.T) {
	for key, want := range map[string][]string{
		"margin": {Triplet, Contrastive}, "miner": {Triplet}, "smoothing": {CrossEntropy}, "shots": nil, "nonsense": nil,
	} {
		if got := (*LabelLoss)(nil).KindsWith(key); !slices.Equal(got, want) {
			t.Errorf("%s belongs to %v, expected %v", key, got, want)
		}
	}
}
