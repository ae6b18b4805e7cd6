package cache

import (
	"fmt"
	"iter"
)

// about is what a shard's metadata tell beside the header: what made the embeddings, in words that pandas, Polars and
// DuckDB show. Names come in a fixed order; what is as usual is left out.
func (h Header) about() iter.Seq2[string, string] {
	dtype, pca, whiten := h.Key.DType, "", ""
	if dtype == Float32 {
		dtype = ""
	}
	if h.Key.PCA > 0 {
		pca = fmt.Sprint(h.Key.PCA)
	}
	if h.Key.Whiten > 0 {
		whiten = fmt.Sprint(h.Key.Whiten)
	}
	return func(yield func(string, string) bool) {
		for _, pair := range [][2]string{
			{"teacher", h.Key.Model},
			{"teacher_output", h.Key.Output},
			{"teacher_logits", h.Key.Logits},
			{"preprocess", h.Key.Preprocess},
			{"normalize", h.Key.Normalize},
			{"dtype", dtype},
			{"pca", pca},
			{"whiten", whiten},
			{"view_policy", h.Key.ViewPolicy},
		} {
			if pair[1] != "" && !yield(pair[0], pair[1]) {
				return
			}
		}
	}
}
