package datasets

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"rkd/datasets/regular"
)

// openWebDataset opens pictures in tar files, in the layout of WebDataset: members that follow each other and whose
// names are equal up to the first dot of the base name are a sample; the one with an image's extension is its picture,
// "cls" holds its label, a number or a text, as does a field of "json". The shards are read once for an index, in
// order, and samples by their place from then on. A sample's id is its position in all shards.
func openWebDataset(ctx context.Context, src Source, r Resources) (Dataset, error) {
	shards, err := src.shards(ctx, ".tar")
	if err != nil {
		return nil, err
	}
	index := tarIndex{label: src.Columns.Label, unlabelled: src.unlabelled()}
	for i := range shards.files {
		if err := index.add(ctx, shards.path(i), shards.files[i]); err != nil {
			return nil, fmt.Errorf("reading %q: %w", shards.path(i), err)
		}
	}
	name := filepath.Join(src.Dir, src.Split)
	if len(src.Files) > 0 {
		name = strings.Join(src.Files, ", ")
	}
	if len(index.members) == 0 {
		return nil, fmt.Errorf("%w: %s has no picture, expected members ending in %s", ErrFormat, name,
			strings.Join(imageExtensions, ", "))
	}
	of := images{
		name: name, labels: unnamed(len(index.members)), ledger: index.ledger, rel: unique(index.rel),
		path: func(id int64) string {
			m := &index.members[id]
			return m.shard + "#" + m.name
		},
		bytes: func(id int64) blob { return index.members[id] },
	}
	if !src.unlabelled() {
		of.classes, of.labels = anyClasses(index.labels)
		if len(of.classes) == 0 {
			return nil, fmt.Errorf("%w: no sample of %s has a label: expected a member \"cls\", or a field %s of \"json\" "+
				"(columns.label names another), or labels: none", ErrSource, name, strings.Join(usualLabels, ", "))
		}
	}
	return openImages(ctx, src, r, of)
}

// tarIndex says where the samples of tar files lie.
type tarIndex struct {
	label      string // field of JSON that is asked for
	unlabelled bool
	members    []tarMember // pictures
	rel        []string
	labels     []string // empty for a sample without
	ledger     Ledger
}

// tarMember is a picture in a tar file.
type tarMember struct {
	shard, name  string
	offset, size int64
}

// section is an open part of a file.
type section struct {
	*io.SectionReader
	io.Closer
}

func (m tarMember) open() (io.ReadSeekCloser, int64, error) {
	f, err := regular.Open(m.shard)
	if err != nil {
		return nil, 0, err
	}
	return section{io.NewSectionReader(f, m.offset, m.size), f}, m.size, nil
}

// maxLabel bounds a member that holds labels.
const maxLabel = 1 << 20

// tarSample is a sample whose members are being read.
type tarSample struct {
	key     string
	picture *tarMember
	label   string
	members int
}

func (x *tarIndex) add(ctx context.Context, shard, rel string) error {
	f, err := regular.Open(shard)
	if err != nil {
		return err
	}
	defer f.Close()
	var magic [2]byte
	if n, _ := f.ReadAt(magic[:], 0); n == 2 && magic == [2]byte{0x1f, 0x8b} {
		return fmt.Errorf("%w: it is compressed, and samples in it cannot be found by their place: unpack it with gunzip",
			ErrFormat)
	}
	files := tar.NewReader(f)
	var s tarSample
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			x.finish(s, rel)
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrFormat, err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		dir, base := path.Split(h.Name)
		stem, ext, dotted := strings.Cut(base, ".")
		if !dotted || stem == "" {
			x.ledger.ignoreFile(h.Name)
			continue
		}
		if s.key != dir+stem {
			x.finish(s, rel)
			s = tarSample{key: dir + stem}
		}
		at, err := f.Seek(0, io.SeekCurrent) // the reader asks for whole blocks and no more
		if err != nil {
			return err
		}
		s.members++
		switch ext = strings.ToLower(ext); {
		case slices.Contains(imageExtensions, "."+ext):
			if s.picture != nil {
				return fmt.Errorf("%w: sample %q has two pictures, %q and %q", ErrFormat, s.key, s.picture.name, h.Name)
			}
			s.picture = &tarMember{shard: shard, name: h.Name, offset: at, size: h.Size}
		case !x.unlabelled && (ext == "cls" && x.label == "" || ext == "json"):
			if h.Size > maxLabel {
				return fmt.Errorf("%w: %q has %d bytes, expected a label in at most %d", ErrFormat, h.Name, h.Size, maxLabel)
			}
			data, err := io.ReadAll(files)
			if err != nil {
				return fmt.Errorf("%w: reading %q: %w", ErrFormat, h.Name, err)
			}
			if err := s.read(ext, x.label, data); err != nil {
				return fmt.Errorf("%w: %q: %w", ErrFormat, h.Name, err)
			}
		}
	}
}

// read takes the label out of a member.
func (s *tarSample) read(ext, field string, data []byte) error {
	if ext == "cls" {
		s.label = strings.TrimSpace(string(data))
		return nil
	}
	var about map[string]any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&about); err != nil {
		return err
	}
	names := usualLabels
	if field != "" {
		names = []string{field}
	}
	for _, name := range names {
		switch v := about[name].(type) {
		case nil:
			continue
		case string, json.Number, bool:
			if s.label == "" || field != "" {
				s.label = fmt.Sprint(v)
			}
			return nil
		default:
			return fmt.Errorf("field %q is %v, expected a number or a text", name, v)
		}
	}
	return nil
}

// finish takes a sample whose members are read.
func (x *tarIndex) finish(s tarSample, shard string) {
	switch {
	case s.members == 0:
	case s.picture == nil:
		x.ledger.Found++
		x.ledger.leaveOut("no picture", 1)
	default:
		x.members = append(x.members, *s.picture)
		x.rel = append(x.rel, shard+"/"+s.picture.name)
		x.labels = append(x.labels, s.label)
	}
}
