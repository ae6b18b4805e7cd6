package config_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"rkd/pipeline/config"
)

// How a cluster runs an experiment belongs to no training: neither variants nor the resolved file hold it.
func TestBatch(t *testing.T) {
	section := "\nbatch: {tasks: 3, resources: {cpus: 2, gpus: 1, time: \"01:00:00\"}, stages: {distill: {cpus: 8}, " +
		"collect: {gpus: 2}}}\n"
	e, err := config.Parse("x.yaml", []byte(text+section), nil)
	if err != nil {
		t.Fatal(err)
	}
	if e.Batch.Tasks != 3 || *e.Batch.Retries != 2 || e.Batch.MaxArraySize != 1001 {
		t.Errorf("batch is %+v", e.Batch)
	}
	for stage, want := range map[string]config.Resources{
		"precompute": {CPUs: 2, GPUs: 1, Time: "01:00:00"}, "finalize": {CPUs: 2, Time: "01:00:00"},
		"distill": {CPUs: 8, GPUs: 1, Time: "01:00:00"}, "collect": {CPUs: 2, GPUs: 2, Time: "01:00:00"},
	} {
		if got := e.Batch.Of(stage); got != want {
			t.Errorf("%s gets %+v, expected %+v", stage, got, want)
		}
	}
	without, err := config.Parse("x.yaml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range e.Variants {
		got, _ := yaml.Marshal(v.Config)
		want, _ := yaml.Marshal(without.Variants[i].Config)
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("variant %s (-want +got):\n%s", v.Name, diff)
		}
	}
	for wrong, says := range map[string]string{
		"resources: {memory: 16}": "batch: resources.memory", "stages: {distill: {time: 4h}}": "batch: stages.distill.time",
		"tasks: -1": "batch: tasks", "retries: -1": "batch: retries", "directives: [constraint=x]": "directives[0]",
		"partition: a b": "partition", "environment: {A-B: c}": `"A-B"`, "max_array_size: 1": "max_array_size",
		"cpu: 1": "batch.cpu", "parallel: 0": "batch.parallel", "namespace: a.b": "namespace", "image: a b": "image",
		"service_account: -a": "service_account", "secrets: [A]": "secrets[0]", "node_selector: {a b: c}": "node_selector",
		"node_selector: {a: b c}": "node_selector.a", "user: 0": "batch.user", "volume: {mount: /a}": "volume.mount",
		"volume: {claim: a}": "volume.mount", "volume: {claim: a, host_path: /b, mount: /c}": "volume.claim",
		"volume: {host_path: a}": "volume.host_path", "volume: {host_path: /a, mount: /}": "volume.mount",
		"tolerations: [{operator: exists}]": "tolerations[0].operator", "tolerations: [{value: a}]": "tolerations[0].key",
		"tolerations: [{key: a, seconds: 3}]":                 "tolerations[0].seconds",
		"tolerations: [{key: a, effect: No}]":                 "tolerations[0].effect",
		"tolerations: [{key: a, value: b, operator: Exists}]": "tolerations[0].value",
		"job: [a]": "job is no section", "gpu_resource: /": "gpu_resource",
	} {
		_, err := config.Parse("x.yaml", []byte(text+"batch: {"+wrong+"}\n"), nil)
		if !errors.Is(err, config.ErrConfig) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, expected %q", wrong, err, says)
		}
	}
}
