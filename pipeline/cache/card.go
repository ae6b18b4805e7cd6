package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"go.yaml.in/yaml/v3"

	"rkd/pipeline/storage"
)

// CardName is the file in which a cache describes itself: a dataset card as the Hugging Face datasets library reads it,
// for people below. Nothing in this package depends on it.
const CardName = "README.md"

// cardMark is the first comment of a card of ours; a README.md without it is somebody else's and stays.
const cardMark = "# written by rkd with the cache's manifest"

// maxClasses is the largest number of classes whose names a card lists.
const maxClasses = 10_000

// feature is a column as that library describes it.
type feature struct {
	Name  string `yaml:"name"`
	DType any    `yaml:"dtype,omitempty"`
	List  string `yaml:"list,omitempty"`
	Len   int    `yaml:"length,omitempty"`
}

// card returns the card of a cache: the columns' types, the shards that the manifest lists, and what made them. classes
// are the names of labels, nil where they are not those of 0 to K−1.
func (m *Manifest) card(classes []string) ([]byte, error) {
	label := feature{Name: "label", DType: "int32"}
	if len(classes) > 0 {
		names := yaml.Node{Kind: yaml.MappingNode}
		for i, c := range classes {
			names.Content = append(names.Content,
				&yaml.Node{Kind: yaml.ScalarNode, Value: fmt.Sprint(i), Style: yaml.SingleQuotedStyle},
				&yaml.Node{Kind: yaml.ScalarNode, Value: c, Style: yaml.DoubleQuotedStyle})
		}
		label.DType = map[string]any{"class_label": map[string]any{"names": &names}}
	}
	number := "float32"
	if m.Key.DType == Int8 {
		number = "int8"
	}
	features := []feature{
		{Name: "id", DType: "int64"},
		{Name: "view", DType: "int32"},
		label,
		{Name: "class", DType: "string"},
		{Name: "path", DType: "string"},
		{Name: "content", DType: "binary"},
		{Name: "view_params", DType: "string"},
	}
	if m.Key.DType == Int8 {
		features = append(features, feature{Name: "scale", DType: "float32"})
	}
	features = append(features, feature{Name: "embedding", List: number, Len: m.Dim})
	if m.LogitsDim > 0 {
		features = append(features, feature{Name: "logits", List: "float32", Len: m.LogitsDim})
	}
	files := []string{"shard-*.parquet"}
	if len(m.Shards) <= maxListed {
		files = files[:0]
		for _, s := range m.Shards {
			files = append(files, s.File)
		}
	}
	head, err := yaml.Marshal(map[string]any{
		"dataset_info": map[string]any{"features": features},
		"configs": []any{map[string]any{
			"config_name": "default", "data_files": []any{map[string]any{"split": "train", "path": files}},
		}},
	})
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "---\n%s\n%s---\n\n# A teacher's embeddings\n\n", cardMark, head)
	fmt.Fprintf(&b, "%d rows of %d numbers. `load_dataset(\"DIR\", split=\"train\")` of the Hugging Face datasets "+
		"library reads them\nwith the types above; pandas, Polars and DuckDB read `shard-*.parquet`.\n\n| | |\n|---|---|\n",
		m.Rows,
		m.Dim)
	for _, line := range [][2]string{{"format_version", fmt.Sprint(m.FormatVersion)}, {"key", m.KeyHash}} {
		fmt.Fprintf(&b, "| %s | `%s` |\n", line[0], line[1])
	}
	for name, text := range m.about() {
		fmt.Fprintf(&b, "| %s | `%s` |\n", name, text)
	}
	return b.Bytes(), nil
}

// classNames are the names of labels, as far as samples have told them.
type classNames []string

// add takes what samples tell, and says whether each label still has one name.
func (c *classNames) add(samples []Sample) bool {
	for _, s := range samples {
		if s.Label < 0 || s.Label >= maxClasses {
			return false
		}
		for len(*c) <= int(s.Label) {
			*c = append(*c, "")
		}
		if at := &(*c)[s.Label]; *at != "" && *at != s.Class || s.Class == "" {
			return false
		} else {
			*at = s.Class
		}
	}
	return true
}

// all returns the names of the labels 0 to K−1, nil where labels have gaps or a name is that of two.
func (c classNames) all() []string {
	seen := map[string]bool{"": true}
	for _, n := range c {
		if seen[n] {
			return nil
		}
		seen[n] = true
	}
	return c
}

// classes returns the names of the plan's classes, nil where there are none for all labels. A table of samples that is
// not in memory is read in pieces.
func (w *Writer) classes(ctx context.Context) ([]string, error) {
	var names classNames
	if t := w.plan.table; t != nil {
		if !names.add(t.samples) {
			return nil, nil
		}
		return names.all(), nil
	}
	p := w.plan.PlanFile
	piece := max(1, samplesPerGroup*p.Key.Views/p.RowsPerShard) // shards
	for from := 0; from < p.ShardCount; from += piece {
		of, err := openPlanned(ctx, w.store, p, from, min(from+piece, p.ShardCount))
		if err != nil {
			return nil, err
		}
		if !names.add(of.table.samples) {
			return nil, nil
		}
	}
	return names.all(), nil
}

// writeCard writes the card of the cache, unless it is there or the file is somebody else's.
func (w *Writer) writeCard(ctx context.Context, m *Manifest) error {
	classes, err := w.classes(ctx)
	if err != nil {
		return err
	}
	data, err := m.card(classes)
	if err != nil {
		return err
	}
	there, err := storage.ReadFile(ctx, w.store, CardName, maxJSON)
	if err == nil && (bytes.Equal(there, data) || !bytes.HasPrefix(there, []byte("---\n"+cardMark))) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil // not a file of ours
	}
	return w.store.Replace(ctx, CardName, func(out io.Writer) error {
		_, err := out.Write(data)
		return err
	})
}
