package datasets

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"go.yaml.in/yaml/v3"
)

// ErrSource reports a data source that is configured wrongly, or asks for what the data do not have.
var ErrSource = errors.New("data source")

// Source is the configuration of a data set. Each kind uses some of the fields, see kinds; those that choose among the
// samples serve all.
type Source struct {
	// Kind is mnist, sample, idx, folder, files, csv, parquet, webdataset or vectors.
	Kind string `yaml:"source"`
	// Split is train or test for mnist, sample, and idx with Dir; for folder a sub-folder of Dir, or empty for Dir itself;
	// for csv the value of the column of splits; for parquet and webdataset with Dir the start of the shards' names.
	Split string `yaml:"split,omitempty"`
	// Dir is the folder with the four standard file names of MNIST, plain or with .gz (idx), or the root that the names of
	// samples and the patterns of Files are relative to.
	Dir string `yaml:"dir,omitempty" path:"true"`
	// Images and Labels are the two files of an IDX pair, instead of Dir. Labels is also the file of labels of vectors in
	// NumPy's format, and "none" for samples without labels, whatever the kind.
	Images string `yaml:"images,omitempty" path:"true"`
	Labels string `yaml:"labels,omitempty" path:"true"`
	// Files are the files of a source, or patterns of them: *, ** (any folders), ?, [a-z], {a,b} and {000..127}.
	Files Patterns `yaml:"files,flow,omitempty"`
	// Columns name what is read out of tables.
	Columns Columns `yaml:"columns,omitempty"`
	// Classes keeps only the samples of these classes, names or patterns (Greek/*); empty keeps all. ClassesFile is a file
	// that lists them, one a line.
	Classes     []string `yaml:"classes,flow,omitempty"`
	ClassesFile string   `yaml:"classes_file,omitempty" path:"true"`
	// MinPerClass leaves out classes with fewer samples.
	MinPerClass int `yaml:"min_per_class,omitempty" within:"[0,1000000000]"`
	// Limit keeps at most so many samples, dealt out class by class in turn so that they stay balanced; 0 keeps all.
	Limit int `yaml:"limit,omitempty" within:"[0,1000000000000]"`
	// OnError is fail (default) or skip: whether a sample that gives ErrDecode is left out. Only skips reads it.
	OnError string `yaml:"on_error,omitempty"`
	// OnDuplicate is keep (default) or drop: whether a sample is left out whose content and class an earlier one has.
	OnDuplicate string `yaml:"on_duplicate,omitempty"`
}

// Columns name the columns of a table, or the fields of JSON. What is not named is found by its usual name or type.
type Columns struct {
	Path   string `yaml:"path,omitempty"`   // of the picture: csv
	Image  string `yaml:"image,omitempty"`  // of bytes, or of a struct of bytes and path: parquet
	Label  string `yaml:"label,omitempty"`  // csv, parquet, webdataset, vectors
	Split  string `yaml:"split,omitempty"`  // csv
	Vector string `yaml:"vector,omitempty"` // of lists of numbers; an array of an NPZ file: vectors
	// Features are columns of single numbers that make up a vector.
	Features []string `yaml:"features,flow,omitempty"`
}

// Patterns are names of files or patterns of them. In YAML one may stand for a list of one.
type Patterns []string

// UnmarshalYAML reads a text or a list of texts.
func (p *Patterns) UnmarshalYAML(node *yaml.Node) error {
	var one string
	if node.Kind == yaml.ScalarNode && node.Decode(&one) == nil {
		*p = nil
		if one != "" {
			*p = Patterns{one}
		}
		return nil
	}
	var list []string
	if node.Kind == yaml.SequenceNode && node.Decode(&list) == nil {
		*p = list
		return nil
	}
	return fmt.Errorf("line %d: files is %s, expected %s", node.Line, describe(node), p.Expects())
}

// Expects says in messages what UnmarshalYAML reads.
func (*Patterns) Expects() string { return "a name, a pattern, or a list of them" }

const (
	kindMNIST      = "mnist"
	kindSample     = "sample"
	kindIDX        = "idx"
	kindFolder     = "folder"
	kindFiles      = "files"
	kindCSV        = "csv"
	kindParquet    = "parquet"
	kindWebDataset = "webdataset"
	kindVectors    = "vectors"

	splitTrain = "train"
	splitTest  = "test"

	labelsNone = "none"

	onErrorFail = "fail"
	onErrorSkip = "skip"

	onDuplicateKeep = "keep"
	onDuplicateDrop = "drop"
)

// kinds lists the kinds of source with the fields that each uses beside those that choose samples.
var kinds = []struct {
	name   string
	fields []string
}{
	{kindMNIST, []string{"split"}},
	{kindSample, []string{"split"}},
	{kindIDX, []string{"split", "dir", "images", "labels"}},
	{kindFolder, []string{"split", "dir"}},
	{kindFiles, []string{"dir", "files"}},
	{kindCSV, []string{"split", "dir", "files", "columns.path", "columns.label", "columns.split"}},
	{kindParquet, []string{"split", "dir", "files", "columns.image", "columns.label"}},
	{kindWebDataset, []string{"split", "dir", "files", "columns.label"}},
	{kindVectors, []string{"dir", "files", "labels", "columns.vector", "columns.features", "columns.label"}},
}

// kindNames lists the kinds in a sentence.
func kindNames() string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.name
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// used lists the fields that have a value and that only some kinds use.
func (s Source) used() map[string]string {
	used := map[string]string{
		"split": s.Split, "dir": s.Dir, "images": s.Images, "files": strings.Join(s.Files, ", "),
		"columns.path": s.Columns.Path, "columns.image": s.Columns.Image, "columns.label": s.Columns.Label,
		"columns.split": s.Columns.Split, "columns.vector": s.Columns.Vector,
		"columns.features": strings.Join(s.Columns.Features, ", "),
	}
	if s.Labels != labelsNone {
		used["labels"] = s.Labels
	}
	return used
}

// Validate checks each field and that the fields fit together, without touching a file. Its errors wrap ErrSource.
func (s Source) Validate() error {
	if err := cmp.Or(s.checkKind(), s.checkSelection()); err != nil {
		return fmt.Errorf("%w: %w", ErrSource, err)
	}
	return nil
}

func (s Source) checkKind() error {
	at := slices.IndexFunc(kinds, func(k struct {
		name   string
		fields []string
	},
	) bool {
		return k.name == s.Kind
	})
	if s.Kind == "" {
		return fmt.Errorf("source is missing, expected %s", kindNames())
	}
	if at < 0 {
		return fmt.Errorf("source is %q, expected %s", s.Kind, kindNames())
	}
	used := s.used()
	for _, field := range []string{
		"dir", "images", "labels", "files", "split", "columns.path", "columns.image", "columns.label", "columns.split",
		"columns.vector", "columns.features",
	} {
		if value := used[field]; value != "" && !slices.Contains(kinds[at].fields, field) {
			return fmt.Errorf("%s is %q, which source %s does not use: remove it", field, value, s.Kind)
		}
	}
	switch s.Kind {
	case kindMNIST, kindSample:
		return s.checkTrainTest()
	case kindIDX:
		return s.checkIDX()
	case kindFolder:
		return s.checkFolder()
	case kindFiles:
		if s.Dir == "" && len(s.Files) == 0 {
			return errors.New("dir and files are missing, expected a folder of images, patterns of their names, or both, " +
				"for source files")
		}
	case kindParquet, kindWebDataset:
		if (s.Dir == "") == (len(s.Files) == 0) {
			return fmt.Errorf("dir is %q and files are %q, expected either the folder of the shards or patterns of their "+
				"names for source %s", s.Dir, s.Files, s.Kind)
		}
		if s.Split != "" && len(s.Files) > 0 {
			return fmt.Errorf("split is %q beside files, expected files alone, or dir and split", s.Split)
		}
	case kindCSV, kindVectors:
		if len(s.Files) == 0 {
			return fmt.Errorf("files is missing, expected the files of source %s", s.Kind)
		}
	}
	return s.checkPatterns()
}

func (s Source) checkPatterns() error {
	for _, p := range s.Files {
		if !doublestar.ValidatePattern(p) {
			return fmt.Errorf("files has %q, expected a name or a pattern of *, **, ?, [a-z] and {a,b}", p)
		}
	}
	if s.Columns.Vector != "" && len(s.Columns.Features) > 0 {
		return fmt.Errorf("columns.vector is %q beside columns.features, expected one of them", s.Columns.Vector)
	}
	return nil
}

func (s Source) checkIDX() error {
	if s.Dir != "" {
		if s.Images != "" || s.Labels != "" && s.Labels != labelsNone {
			return fmt.Errorf("dir is %q beside images %q and labels %q, expected either dir or both files",
				s.Dir, s.Images, s.Labels)
		}
		return s.checkTrainTest()
	}
	if s.Images == "" || s.Labels == "" {
		return fmt.Errorf("images is %q and labels is %q, expected both files, or dir, for source idx", s.Images, s.Labels)
	}
	if s.Split != "" {
		return fmt.Errorf("split is %q, which source %s does not use: remove it", s.Split, s.Kind)
	}
	return nil
}

func (s Source) checkFolder() error {
	if s.Dir == "" {
		return errors.New("dir is missing, expected the root of the images for source folder")
	}
	if s.Split != "" && !filepath.IsLocal(s.Split) {
		return fmt.Errorf("split is %q, expected a folder inside dir %q", s.Split, s.Dir)
	}
	return nil
}

// checkTrainTest requires the split: with a default, a forgotten line would train on the test set.
func (s Source) checkTrainTest() error {
	if s.Split != splitTrain && s.Split != splitTest {
		return fmt.Errorf("split is %q, expected train or test for source %s", s.Split, s.Kind)
	}
	return nil
}

func (s Source) checkSelection() error {
	for i, c := range s.Classes {
		if slices.Contains(s.Classes[:i], c) {
			return fmt.Errorf("classes names %q twice, expected each once", c)
		}
	}
	if s.unlabelled() {
		for _, f := range []struct {
			name string
			used bool
		}{
			{"classes", len(s.Classes) > 0},
			{"classes_file", s.ClassesFile != ""},
			{"min_per_class", s.MinPerClass > 0},
		} {
			if f.used {
				return fmt.Errorf("%s chooses by labels, and the source has none: remove it, or labels: none", f.name)
			}
		}
	}
	if s.Limit < 0 {
		return fmt.Errorf("limit is %d, expected 0 (all) or more", s.Limit)
	}
	if s.MinPerClass < 0 {
		return fmt.Errorf("min_per_class is %d, expected 0 (all) or more", s.MinPerClass)
	}
	if s.OnError != "" && s.OnError != onErrorFail && s.OnError != onErrorSkip {
		return fmt.Errorf("on_error is %q, expected fail or skip", s.OnError)
	}
	if s.OnDuplicate != "" && s.OnDuplicate != onDuplicateKeep && s.OnDuplicate != onDuplicateDrop {
		return fmt.Errorf("on_duplicate is %q, expected keep or drop", s.OnDuplicate)
	}
	return nil
}

// unlabelled says that no sample of the source has a label.
func (s Source) unlabelled() bool { return s.Labels == labelsNone || s.Kind == kindFiles }
