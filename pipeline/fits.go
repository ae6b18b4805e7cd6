package pipeline

import (
	"rkd/datasets"
	"rkd/pipeline/config"
	"rkd/pipeline/eval"
)

func metricOptions(e config.Eval) eval.MetricOptions {
	return eval.MetricOptions{Queries: e.Queries, Episodes: e.Episodes, Seed: e.Seed}
}

func labelsOf(data datasets.Dataset) []int32 {
	labels := make([]int32, data.Len())
	for i := range labels {
		labels[i] = data.Label(i)
	}
	return labels
}
