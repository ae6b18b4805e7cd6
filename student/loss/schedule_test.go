package loss_test

import (
	"math"
	"testing"

	"go.yaml.in/yaml/v3"

	"rkd/student/loss"
)

func TestScheduleIsAFactorOverEpochs(t *testing.T) {
	linear := loss.Schedule{Decay: loss.DecayLinear, From: 2, To: 6, Floor: 0.2}
	cosine := loss.Schedule{Decay: loss.DecayCosine, From: 2, To: 6}
	both := loss.Schedule{Warmup: 4, Decay: loss.DecayLinear, From: 2, To: 6}
	step := loss.Schedule{Decay: loss.DecayLinear, From: 3, To: 3, Floor: 0.5}
	for _, c := range []struct {
		name        string
		schedule    loss.Schedule
		epoch, want float64
	}{
		{"none at first", loss.Schedule{}, 0, 1},
		{"none later", loss.Schedule{Decay: loss.DecayNone}, 1e9, 1},
		{"warm-up at first", loss.Schedule{Warmup: 4}, 0, 0},
		{"warm-up before the first", loss.Schedule{Warmup: 4}, -1, 0},
		{"warm-up within", loss.Schedule{Warmup: 4}, 1, 0.25},
		{"warm-up at its end", loss.Schedule{Warmup: 4}, 4, 1},
		{"warm-up later", loss.Schedule{Warmup: 4}, 40, 1},
		{"linear before", linear, 1.5, 1},
		{"linear at its start", linear, 2, 1},
		{"linear within", linear, 3, 0.8},
		{"linear at its end", linear, 6, 0.2},
		{"linear later", linear, 60, 0.2},
		{"cosine at its start", cosine, 2, 1},
		{"cosine within", cosine, 3, (1 + math.Sqrt2/2) / 2},
		{"cosine in its middle", cosine, 4, 0.5},
		{"cosine at its end", cosine, 6, 0},
		{"both within", both, 3, 0.75 * 0.75},
		{"step before", step, math.Nextafter(3, 0), 1},
		{"step at", step, 3, 0.5},
	} {
		if err := c.schedule.Validate(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := c.schedule.At(c.epoch); math.Abs(got-c.want) > 1e-15 {
			t.Errorf("%s: factor at epoch %g is %.17g, expected %.17g", c.name, c.epoch, got, c.want)
		}
	}
}

func TestScheduleRefusesBadSettings(t *testing.T) {
	for _, c := range []struct {
		schedule loss.Schedule
		expect   string
	}{
		{loss.Schedule{Warmup: -1}, "warmup is -1"},
		{loss.Schedule{Warmup: math.NaN()}, "warmup is NaN"},
		{loss.Schedule{Warmup: math.Inf(1)}, "warmup is +Inf"},
		{loss.Schedule{Decay: "exponential"}, `decay is "exponential", expected one of none, linear, cosine`},
		{loss.Schedule{To: 5}, "from is 0, to is 5 and floor is 0 without a decay"},
		{loss.Schedule{Decay: loss.DecayNone, Floor: 0.5}, "floor is 0.5 without a decay"},
		{loss.Schedule{Decay: loss.DecayLinear}, "to is 0, expected an epoch after the first"},
		{
			loss.Schedule{Decay: loss.DecayLinear, From: 5, To: 4},
			"to is 4, expected an epoch after the first and not before from, which is 5",
		},
		{loss.Schedule{Decay: loss.DecayLinear, From: -1, To: 4}, "from is -1"},
		{loss.Schedule{Decay: loss.DecayCosine, To: math.Inf(1)}, "to is +Inf"},
		{loss.Schedule{Decay: loss.DecayCosine, To: 4, Floor: 1.5}, "floor is 1.5"},
		{loss.Schedule{Decay: loss.DecayCosine, To: 4, Floor: math.NaN()}, "floor is NaN"},
	} {
		checkOption(t, c.schedule.Validate(), c.expect)
	}
}

func TestScheduleIsASectionOfYAML(t *testing.T) {
	want := loss.Schedule{Warmup: 1, Decay: loss.DecayCosine, From: 2, To: 3.5, Floor: 0.25}
	const text = "warmup: 1\ndecay: cosine\nfrom: 2\nto: 3.5\nfloor: 0.25\n"
	var got loss.Schedule
	if err := yaml.Unmarshal([]byte(text), &got); err != nil || got != want {
		t.Errorf("%q is read as %+v (%v), expected %+v", text, got, err, want)
	}
	for s, expect := range map[loss.Schedule]string{want: text, {}: "{}\n"} {
		if out, err := yaml.Marshal(s); err != nil || string(out) != expect {
			t.Errorf("%+v is written as %q (%v), expected %q", s, out, err, expect)
		}
	}
}
