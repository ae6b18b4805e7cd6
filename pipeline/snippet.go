package pipeline

import (
	"fmt"

	"rkd/models/onnx"
	"rkd/pipeline/config"
	"rkd/pipeline/snippet"
)

// SnippetLanguages are those of Snippet.
var SnippetLanguages = snippet.Languages

// Snippet returns a program in a language that embeds pictures with the exported student in path, made of what the
// file's metadata say. It returns onnx.ErrFormat for a model that rkd did not export or that says less than is needed,
// and config.ErrConfig for a language or preprocessing that there is no program for.
func Snippet(path, language string) (string, error) {
	m, err := onnx.Load(path)
	if err != nil {
		return "", err
	}
	if _, exported, err := exportedOptions(path, m); err != nil {
		return "", err
	} else if !exported {
		return "", fmt.Errorf("%w: %q was not exported by rkd, so that nothing says how it is used", onnx.ErrFormat, path)
	}
	c, err := readCard(m)
	if err != nil {
		return "", err
	}
	if len(c.Shape) != 3 {
		return "", fmt.Errorf("%w: %q was exported by an earlier version, which says too little: 'rkd export' makes it again",
			onnx.ErrFormat, path)
	}
	channels := c.Shape[0]
	if c.Baked || c.Preprocess.Layout == "NHWC" {
		channels = c.Shape[2]
	}
	text, err := snippet.Write(language, snippet.Model{
		File: path, Name: c.Name, Input: c.Input, Pixels: c.Baked, Any: c.Shape[0] == 0, Channels: channels,
		Preprocess: c.Preprocess, Output: c.Embedding, Metric: c.Metric, Dim: c.Dim, Unit: c.Normalize == "l2",
	})
	if err != nil {
		return "", fmt.Errorf("%w: --snippet: %w", config.ErrConfig, err)
	}
	return text, nil
}
