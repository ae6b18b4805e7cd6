package cache

import (
	"encoding/json"
	"iter"
)

// featuresKey is where the Hugging Face datasets library looks for the types of a Parquet file's columns.
const featuresKey = "huggingface"

// feature is the type of a column as that library writes it.
type feature struct {
	DType   string   `json:"dtype,omitempty"`
	Feature *feature `json:"feature,omitempty"` // of a list's elements
	Length  int      `json:"length,omitempty"`
	Type    string   `json:"_type"`
}

func value(dtype string) *feature { return &feature{DType: dtype, Type: "Value"} }

// list is called Sequence because every version of the library knows that name.
func list(length int) *feature {
	return &feature{Feature: value("float32"), Length: length, Type: "Sequence"}
}

// about is what a shard's metadata tell beside the header: what made the embeddings, in words that pandas, Polars and
// DuckDB show, and the columns' types for the datasets library. Names come in a fixed order.
func (h Header) about() iter.Seq2[string, string] {
	features := map[string]*feature{ // its JSON is sorted by name
		"id": value("int64"), "view": value("int32"), "label": value("int32"), "class": value("string"),
		"path":    value("string"),
		"content": value("binary"), "view_params": value("string"), "embedding": list(h.Dim),
	}
	if h.LogitsDim > 0 {
		features["logits"] = list(h.LogitsDim)
	}
	text, _ := json.Marshal(map[string]any{"info": map[string]any{"features": features}}) // always encodes
	return func(yield func(string, string) bool) {
		for _, pair := range [][2]string{
			{featuresKey, string(text)},
			{"teacher", h.Key.Model},
			{"teacher_output", h.Key.Output},
			{"teacher_logits", h.Key.Logits},
			{"preprocess", h.Key.Preprocess},
			{"normalize", h.Key.Normalize},
			{"view_policy", h.Key.ViewPolicy},
		} {
			if pair[1] != "" && !yield(pair[0], pair[1]) {
				return
			}
		}
	}
}
