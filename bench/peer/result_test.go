package main

import (
	"encoding/json"
	"testing"
)

func TestEncodeWritesOneRowACase(t *testing.T) {
	got := encode([]result{
		{"loss/N=64,Ds=64,Dt=512", []float64{0.9, 1.23456, 2}, []float64{30, 37.5, 80}},
		{"step/mlp,batch=256", []float64{10}, []float64{5}},
	})
	want := `[{"case": "loss/N=64,Ds=64,Dt=512", "ours_ms": 1.235, "peer_ms": 37.5, "speedup": 30.38},
 {"case": "step/mlp,batch=256", "ours_ms": 10, "peer_ms": 5, "speedup": 0.5}]
`
	if string(got) != want {
		t.Errorf("results are\n%s\nwant\n%s", got, want)
	}
	if !json.Valid(got) {
		t.Error("results are no JSON")
	}
}
