package datasets

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
)

// ErrSource reports a data source that is configured wrongly, or asks for what the data do not have.
var ErrSource = errors.New("data source")

// Source is the configuration of a data set.
type Source struct {
	// Kind is mnist, sample, idx or folder.
	Kind string `yaml:"source"`
	// Split is train or test for mnist, sample, and idx with Dir; for folder a sub-folder of Dir, or empty for Dir itself.
	Split string `yaml:"split,omitempty"`
	// Dir is the folder with the four standard file names of MNIST, plain or with .gz (idx), or the root (folder).
	Dir string `yaml:"dir,omitempty" path:"true"`
	// Images and Labels are the two files of an IDX pair, instead of Dir.
	Images string `yaml:"images,omitempty" path:"true"`
	Labels string `yaml:"labels,omitempty" path:"true"`
	// Classes keeps only the samples of these classes, named in any order; empty keeps all.
	Classes []string `yaml:"classes,flow,omitempty"`
	// Limit keeps at most so many samples, dealt out class by class in turn so that they stay balanced; 0 keeps all.
	Limit int `yaml:"limit,omitempty" within:"[0,1000000000000]"`
	// OnError is fail (default) or skip: whether a sample that gives ErrDecode is left out. Only skips reads it.
	OnError string `yaml:"on_error,omitempty"`
}

const (
	kindMNIST  = "mnist"
	kindSample = "sample"
	kindIDX    = "idx"
	kindFolder = "folder"

	splitTrain = "train"
	splitTest  = "test"

	onErrorFail = "fail"
	onErrorSkip = "skip"
)

// Validate checks each field and that the fields fit together, without touching a file. Its errors wrap ErrSource.
func (s Source) Validate() error {
	var err error
	switch s.Kind {
	case kindMNIST, kindSample:
		err = cmp.Or(s.refuse("dir", s.Dir), s.refuse("images", s.Images), s.refuse("labels", s.Labels),
			s.checkTrainTest())
	case kindIDX:
		err = s.checkIDX()
	case kindFolder:
		err = s.checkFolder()
	case "":
		err = errors.New("source is missing, expected mnist, sample, idx or folder")
	default:
		err = fmt.Errorf("source is %q, expected mnist, sample, idx or folder", s.Kind)
	}
	if err == nil {
		err = s.checkSelection()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSource, err)
	}
	return nil
}

func (s Source) checkIDX() error {
	if s.Dir != "" {
		if s.Images != "" || s.Labels != "" {
			return fmt.Errorf("dir is %q beside images %q and labels %q, expected either dir or both files",
				s.Dir, s.Images, s.Labels)
		}
		return s.checkTrainTest()
	}
	if s.Images == "" || s.Labels == "" {
		return fmt.Errorf("images is %q and labels is %q, expected both files, or dir, for source idx", s.Images, s.Labels)
	}
	return s.refuse("split", s.Split)
}

func (s Source) checkFolder() error {
	if s.Dir == "" {
		return errors.New("dir is missing, expected the root of the images for source folder")
	}
	if s.Split != "" && !filepath.IsLocal(s.Split) {
		return fmt.Errorf("split is %q, expected a folder inside dir %q", s.Split, s.Dir)
	}
	return cmp.Or(s.refuse("images", s.Images), s.refuse("labels", s.Labels))
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
	if s.Limit < 0 {
		return fmt.Errorf("limit is %d, expected 0 (all) or more", s.Limit)
	}
	switch s.OnError {
	case "", onErrorFail, onErrorSkip:
		return nil
	}
	return fmt.Errorf("on_error is %q, expected fail or skip", s.OnError)
}

// refuse reports a field that the kind of source does not use.
func (s Source) refuse(field, value string) error {
	if value != "" {
		return fmt.Errorf("%s is %q, which source %s does not use: remove it", field, value, s.Kind)
	}
	return nil
}
