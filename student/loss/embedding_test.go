package loss_test

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"strings"
	"testing"

	"rkd/student/internal/blas"
	"rkd/student/loss"
)

// embeddingCase is one case of embedding_golden.json or logit_golden.json in testdata, made by the scripts beside them.
type embeddingCase struct {
	Student, Teacher, Logits   goldenMatrix
	Labels                     []int32
	Margin                     float64
	Alpha, Beta, Base, Epsilon float64
	Kind                       string
	Temperature                float64
	Square                     bool
	Smoothing                  float64
	Shots                      int
	Loss                       goldenLoss
}

// checkEmbeddingGolden compares what build makes of each case of the loss called name with PyTorch.
func checkEmbeddingGolden(t *testing.T, name string, build func(c embeddingCase) loss.Loss[float64]) {
	t.Helper()
	checkCases(t, goldenCases[embeddingCase](t, "embedding_golden.json", name), build)
}

// goldenCases are the cases of the loss called name in a file of testdata.
func goldenCases[C any](t *testing.T, file, name string) []C {
	t.Helper()
	data, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var losses map[string]json.RawMessage
	if err := json.Unmarshal(data, &losses); err != nil {
		t.Fatal(err)
	}
	var cases []C
	if err := json.Unmarshal(losses[name], &cases); err != nil || len(cases) == 0 {
		t.Fatalf("%s holds no cases of %s: %v", file, name, err)
	}
	return cases
}

func checkCases(t *testing.T, cases []embeddingCase, build func(c embeddingCase) loss.Loss[float64]) {
	t.Helper()
	for i, c := range cases {
		b := loss.Batch[float64]{
			Student: c.Student.matrix(), Teacher: c.Teacher.matrix(), Logits: c.Logits.matrix(), Labels: c.Labels,
		}
		value, grad := eval(t, build(c), b)
		if math.Abs(value-c.Loss.Value) > 1e-10*max(1, c.Loss.Value) {
			t.Errorf("case %d: value is %.15g, expected %.15g", i, value, c.Loss.Value)
		}
		if e := relative(grad, c.Loss.Grad); e > 1e-9 {
			t.Errorf("case %d: gradient is %g off, expected at most 1e-9", i, e)
		}
	}
}

// embeddingBatch is rows around mean, the teacher's as wide as the student's and its logits too, with labels of four
// classes.
func embeddingBatch[T blas.Float](seed uint64, n, dim int, mean float64) loss.Batch[T] {
	b := gaussianBatch[T](seed, n, dim, dim, mean)
	b.Labels, b.Logits = balanced(4, n/4), b.Teacher
	return b
}

// checkTerm requires one term of that name with the value as a whole, and that weight and grad add up.
func checkTerm(t *testing.T, name string, l loss.Loss[float64]) {
	t.Helper()
	b := embeddingBatch[float64](3, 12, 5, 0)
	_, once := eval(t, l, b)
	grad := zeros[float64](12, 5)
	for i := range grad.Data {
		grad.Data[i] = 1
	}
	v, err := l.Eval(b, 3, grad)
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Terms) != 1 || v.Terms[0] != (loss.Term{Name: name, Weight: 1, Value: v.Total}) {
		t.Errorf("terms are %+v, expected one %s of weight 1 and value %g", v.Terms, name, v.Total)
	}
	want := make([]float64, len(once))
	for i, g := range once {
		want[i] = 1 + 3*g
	}
	if e := relative(grad.Data, want); e > 1e-12 {
		t.Errorf("gradient with weight 3 on top of ones is %g off, expected at most 1e-12", e)
	}
}

// checkSinglePrecision compares float32 with float64 on the same rows, with and without a large common offset.
func checkSinglePrecision(t *testing.T, single loss.Loss[float32], double loss.Loss[float64]) {
	t.Helper()
	for _, mean := range []float64{0, 100} {
		b := embeddingBatch[float32](5, 32, 16, mean)
		wide := loss.Batch[float64]{
			Student: widen(b.Student), Teacher: widen(b.Teacher), Logits: widen(b.Logits),
			Labels: b.Labels,
		}
		got, gotGrad := eval(t, single, b)
		want, wantGrad := eval(t, double, wide)
		if math.Abs(got-want) > 1e-5*math.Abs(want) {
			t.Errorf("mean %g: value is %.9g in float32, %.9g in float64", mean, got, want)
		}
		if e := relative(gotGrad, wantGrad); e > 1e-5 {
			t.Errorf("mean %g: gradient in float32 is %g off, expected at most 1e-5", mean, e)
		}
	}
}

// checkRepeatable requires equal bits whatever the threads, and no allocation, on a batch of several tiles.
func checkRepeatable(t *testing.T, l loss.Loss[float32]) {
	t.Helper()
	b := embeddingBatch[float32](6, 76, 150, 0)
	checkBits(t, func() []float32 {
		value, grad := eval(t, l, b)
		return append(grad, float32(value))
	})
	checkNoAllocation(t, l, b)
}

// checkFiniteEmbedding requires finite numbers of identical rows, and of rows of zeros.
func checkFiniteEmbedding(t *testing.T, l loss.Loss[float64]) {
	t.Helper()
	for _, fill := range []float64{0.3, 0} {
		b := loss.Batch[float64]{Student: zeros[float64](8, 3), Teacher: zeros[float64](8, 3), Labels: balanced(4, 2)}
		for i := range b.Student.Data {
			b.Student.Data[i], b.Teacher.Data[i] = fill, fill
		}
		b.Logits = b.Teacher
		value, grad := eval(t, l, b)
		if size := norm(grad); math.IsNaN(value-value) || math.IsNaN(size-size) || size > 1e3 {
			t.Errorf("rows of %g: value is %g, gradient's norm %g, expected finite and moderate numbers", fill, value, size)
		}
	}
}

// refusal is a change that makes a good batch a bad one, and the error it deserves.
type refusal struct {
	name   string
	spoil  func(b *loss.Batch[float32])
	want   error
	expect string
}

func studentRefusals() []refusal {
	return []refusal{
		{"one row", func(b *loss.Batch[float32]) {
			b.Student, b.Teacher, b.Labels = zeros[float32](1, 3), zeros[float32](1, 3), []int32{0}
		}, loss.ErrShape, "student is (1,3)"},
		{
			"NaN", func(b *loss.Batch[float32]) { b.Student.Data[7] = float32(math.NaN()) }, loss.ErrNotFinite,
			"student row 2 has NaN",
		},
		{
			"infinity", func(b *loss.Batch[float32]) { b.Student.Data[3] = float32(math.Inf(1)) }, loss.ErrNotFinite,
			"student row 1 has +Inf",
		},
	}
}

func labelRefusals() []refusal {
	return append(studentRefusals(), refusal{
		"a label missing",
		func(b *loss.Batch[float32]) { b.Labels = b.Labels[:7] }, loss.ErrShape, "7 labels for student (8,3)",
	})
}

// singleRefusals are for losses to which a single row is a batch.
func singleRefusals() []refusal {
	return append(studentRefusals()[1:], refusal{"no rows", func(b *loss.Batch[float32]) {
		b.Student, b.Logits, b.Labels = zeros[float32](0, 3), zeros[float32](0, 3), nil
	}, loss.ErrShape, "student is (0,3)"})
}

func teacherRefusals() []refusal {
	return append(studentRefusals(), []refusal{
		{
			"a row missing", func(b *loss.Batch[float32]) { b.Teacher = zeros[float32](7, 3) }, loss.ErrShape,
			"teacher is (7,3)",
		},
		{"another width", func(b *loss.Batch[float32]) { b.Teacher = zeros[float32](8, 5) }, loss.ErrShape, "not 3 and 5"},
		{"NaN in the teacher", func(b *loss.Batch[float32]) {
			b.Teacher.Data[4] = float32(math.NaN())
		}, loss.ErrNotFinite, "teacher row 1 has NaN"},
	}...)
}

func checkRefusals(t *testing.T, l loss.Loss[float32], cases []refusal) {
	t.Helper()
	for _, c := range append(cases, refusal{"nothing", func(*loss.Batch[float32]) {}, nil, ""}) {
		b := embeddingBatch[float32](1, 8, 3, 0)
		c.spoil(&b)
		_, err := l.Eval(b, 1, zeros[float32](b.Student.Rows, b.Student.Cols))
		t.Run(c.name, func(t *testing.T) { checkError(t, err, c.want, c.expect) })
	}
	b := embeddingBatch[float32](1, 8, 3, 0)
	if _, err := l.Eval(b, 1, zeros[float32](8, 2)); !errors.Is(err, loss.ErrShape) {
		t.Errorf("gradient (8,2) for student (8,3): error is %v, expected ErrShape", err)
	}
}

// must is the loss that a constructor returned with that error.
func must[L any](l L, err error) func(t *testing.T) L {
	return func(t *testing.T) L {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
}

func checkError(t *testing.T, err, want error, expect string) {
	t.Helper()
	if !errors.Is(err, want) || err != nil && !strings.Contains(err.Error(), expect) {
		t.Errorf("error is %v, expected %v that says %q", err, want, expect)
	}
}

func checkOption(t *testing.T, err error, expect string) {
	t.Helper()
	checkError(t, err, loss.ErrOption, expect)
}
