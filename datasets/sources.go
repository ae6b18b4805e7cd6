package datasets

import (
	"fmt"
	"slices"
)

// Sources are the sources of a part of the data, one data set together: see OpenAll. In YAML one may stand for a list
// of one.
type Sources []Source

// Single says that one source may stand for a list of one.
func (*Sources) Single() {}

// MarshalYAML writes one source as itself.
func (s Sources) MarshalYAML() (any, error) {
	if len(s) == 1 {
		return s[0], nil
	}
	return []Source(s), nil
}

// Validate checks every source. Its errors wrap ErrSource.
func (s Sources) Validate() error {
	if len(s) == 0 {
		return fmt.Errorf("%w: there is no source, expected one or a list of them", ErrSource)
	}
	for i, source := range s {
		if err := source.Validate(); err != nil {
			if len(s) > 1 {
				return fmt.Errorf("[%d]: %w", i, err)
			}
			return err
		}
		if i > 0 && (source.Kind == kindVectors) != (s[0].Kind == kindVectors) {
			return fmt.Errorf("%w: [%d] is of source %s and [0] of %s, expected pictures or vectors throughout", ErrSource, i,
				source.Kind, s[0].Kind)
		}
	}
	return nil
}

// Unlabelled says that no sample has a label, as far as the configuration tells.
func (s Sources) Unlabelled() bool {
	return !slices.ContainsFunc(s, func(source Source) bool { return !source.unlabelled() })
}

// Vectors says that samples are vectors and not pictures.
func (s Sources) Vectors() bool { return len(s) > 0 && s[0].Kind == kindVectors }
