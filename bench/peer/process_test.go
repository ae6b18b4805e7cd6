package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestProcessAsksInLinesAndReadsTheAnswers(t *testing.T) {
	var asked bytes.Buffer
	p := newProcess(&asked, strings.NewReader("{}\n{\"ms\": 1.5, \"value\": 0.25}\n"))
	if err := p.prepare("loss", array{[]float32{1, -2}, []int{1, 2}}); err != nil {
		t.Fatal(err)
	}
	got, err := p.run(7)
	if err != nil {
		t.Fatal(err)
	}
	if want := (sample{Millis: 1.5, Value: 0.25}); got != want {
		t.Errorf("sample is %+v, want %+v", got, want)
	}
	// 00 00 80 3f and 00 00 00 c0
	want := `{"arrays":[{"data":"AACAPwAAAMA=","shape":[1,2]}],"work":"loss"}` + "\n" + `{"repeat":7}` + "\n"
	if asked.String() != want {
		t.Errorf("the peer was asked\n%swant\n%s", asked.String(), want)
	}
}

func TestProcessSaysThatThePeerEnded(t *testing.T) {
	p := newProcess(io.Discard, strings.NewReader("{}\n"))
	if err := p.prepare("loss"); err != nil {
		t.Fatal(err)
	}
	_, err := p.run(1)
	if !errors.Is(err, io.EOF) || !strings.Contains(err.Error(), "the peer's answer") {
		t.Errorf("error is %v, expected an end of file while reading the peer's answer", err)
	}
}
