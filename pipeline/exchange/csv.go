package exchange

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"rkd/datasets/regular"
)

// csvColumns says what the columns of a CSV file are.
type csvColumns struct {
	id, path, view, vector int // -1 without
	numbers                []int
}

func columnsOf(head []string) csvColumns {
	c := csvColumns{id: -1, path: -1, view: -1, vector: -1}
	for i, name := range head {
		switch name = strings.ToLower(strings.TrimSpace(name)); {
		case slices.Contains(idNames, name) && c.id < 0:
			c.id = i
		case slices.Contains(pathNames, name) && c.path < 0:
			c.path = i
		case name == "view":
			c.view = i
		case name == "label", name == "class", name == "content":
		case slices.Contains(vecNames, name):
			c.vector = i
		default:
			c.numbers = append(c.numbers, i)
		}
	}
	return c
}

// readCSV reads a table with a head: an id or a path, and either a column with a list as JSON, or a number a column.
func readCSV(path string) (*Set, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.ReuseRecord = true
	head, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("%w: reading %q: its head: %w", ErrFormat, path, err)
	}
	c := columnsOf(head)
	s := &Set{}
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err == nil {
			err = s.addRecord(record, c)
		}
		if err != nil {
			line, _ := r.FieldPos(0)
			return nil, fmt.Errorf("%w: reading %q: line %d: %w", ErrFormat, path, line, err)
		}
	}
}

func (s *Set) addRecord(record []string, c csvColumns) error {
	before := len(s.Values)
	if c.vector >= 0 {
		var v []float32
		if err := json.Unmarshal([]byte(record[c.vector]), &v); err != nil {
			return fmt.Errorf("%.40q is no list of numbers", record[c.vector])
		}
		s.Values = append(s.Values, v...)
	} else {
		for _, i := range c.numbers {
			v, err := strconv.ParseFloat(strings.TrimSpace(record[i]), 32)
			if err != nil {
				return fmt.Errorf("%q is no number", record[i])
			}
			s.Values = append(s.Values, float32(v))
		}
	}
	width := len(s.Values) - before
	if s.Dim == 0 {
		s.Dim = width
	}
	if width != s.Dim || width == 0 {
		return fmt.Errorf("%d numbers, expected %d", width, s.Dim)
	}
	if c.id >= 0 {
		id, err := strconv.ParseInt(record[c.id], 10, 64)
		if err != nil {
			return fmt.Errorf("id %q is no integer", record[c.id])
		}
		s.IDs = append(s.IDs, id)
	}
	if c.path >= 0 {
		s.Paths = append(s.Paths, strings.Clone(record[c.path]))
	}
	if c.view >= 0 {
		view, err := strconv.ParseInt(record[c.view], 10, 32)
		if err != nil {
			return fmt.Errorf("view %q is no integer", record[c.view])
		}
		s.Views = append(s.Views, int32(view))
	}
	return nil
}
