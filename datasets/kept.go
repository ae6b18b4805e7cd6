package datasets

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Keep says where a Loader keeps the compact forms of the samples that it has read. The zero value keeps none.
type Keep struct {
	Memory int64 // bytes at most
	// Dir is the folder of a scratch file for what is beyond Memory. The file has no name while it is in use, so that
	// nothing of it stays, however the process ends; it takes at most half of what is free there. Without Dir, or where it
	// is full, samples beyond Memory are read anew whenever they are needed.
	Dir string
	// Warn is called once if the scratch file fails. It may be nil.
	Warn func(error)
}

// store keeps byte strings of one size by row, the first ones in memory and the others in a file. It is safe for
// concurrent use.
type store struct {
	size   int
	places []atomic.Int64 // of each row: absent, being written, or its place from 1

	mu     sync.Mutex // of what follows; memory is read without it where a row has its place
	memory [][]byte   // blocks of rows, allocated when the first of them is put
	next   int64      // place of the next row, from 0
	inRAM  int64      // places below it are in memory
	limit  int64      // no place is given at or above it
	file   *os.File   // nil without, or not yet
	keep   Keep
	warned sync.Once
}

const (
	absent  = 0
	writing = -1

	blockBytes = 1 << 20 // of memory that is allocated at a time
)

func newStore(rows, size int, k Keep) *store {
	s := &store{size: size, keep: k}
	if k.Memory <= 0 && k.Dir == "" || size == 0 {
		return s
	}
	s.places = make([]atomic.Int64, rows)
	s.inRAM = min(k.Memory/int64(size), int64(rows))
	s.limit = s.inRAM
	if k.Dir != "" {
		s.limit = int64(rows)
	}
	s.memory = make([][]byte, (s.inRAM+s.perBlock()-1)/s.perBlock())
	return s
}

// perBlock is the number of rows in a block of memory.
func (s *store) perBlock() int64 { return max(1, blockBytes/int64(s.size)) }

// get returns a row, or nil where it is not kept. The result is in buf, or in memory that must not be written to.
func (s *store) get(row int, buf []byte) []byte {
	if s.places == nil {
		return nil
	}
	place := s.places[row].Load() - 1
	switch {
	case place < 0:
		return nil
	case place < s.inRAM:
		return s.at(place)
	}
	if _, err := s.file.ReadAt(buf, (place-s.inRAM)*int64(s.size)); err != nil {
		return nil // it is read from its source again, whose error will be told
	}
	return buf
}

// at is the memory of a place below inRAM whose block is allocated.
func (s *store) at(place int64) []byte {
	per := s.perBlock()
	start := int(place%per) * s.size
	return s.memory[place/per][start : start+s.size : start+s.size]
}

// put keeps a row, unless there is no room or it is kept already.
func (s *store) put(row int, data []byte) {
	if s.places == nil || !s.places[row].CompareAndSwap(absent, writing) {
		return
	}
	place, err := s.claim()
	switch {
	case err != nil || place < 0:
	case place < s.inRAM:
		copy(s.at(place), data)
	default:
		_, err = s.file.WriteAt(data, (place-s.inRAM)*int64(s.size))
	}
	if err != nil {
		s.full(err)
		place = -1
	}
	s.places[row].Store(place + 1) // absent where there was no room
}

// claim returns the next place, with its block or the file made, or −1 where there is no room.
func (s *store) claim() (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next >= s.limit {
		return -1, nil
	}
	if s.next < s.inRAM {
		per := s.perBlock()
		if block := s.next / per; s.memory[block] == nil {
			s.memory[block] = make([]byte, min(per, s.inRAM-block*per)*int64(s.size))
		}
	} else if s.file == nil {
		if err := s.open(); err != nil {
			return -1, err
		}
		if s.next >= s.limit {
			return -1, nil
		}
	}
	s.next++
	return s.next - 1, nil
}

// open makes the file and bounds it by half of the space that is free.
func (s *store) open() error {
	if err := os.MkdirAll(s.keep.Dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(s.keep.Dir, ".scratch-*")
	if err != nil {
		return err
	}
	if err := os.Remove(f.Name()); err != nil {
		return errors.Join(err, f.Close())
	}
	var disk unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &disk); err != nil {
		return errors.Join(fmt.Errorf("asking for free space: %w", err), f.Close())
	}
	s.file = f
	free := int64(disk.Bavail) * int64(disk.Bsize)
	s.limit = min(s.limit, s.inRAM+free/2/int64(s.size))
	if s.next >= s.limit {
		return fmt.Errorf("%d bytes are free: %w", free, io.ErrShortWrite)
	}
	return nil
}

// full ends the growth of the file.
func (s *store) full(err error) {
	s.mu.Lock()
	s.limit = min(s.limit, s.next)
	s.mu.Unlock()
	s.warned.Do(func() {
		if s.keep.Warn != nil {
			s.keep.Warn(fmt.Errorf("scratch file in %q: %w: samples beyond data.keep_memory are decoded again in every epoch",
				s.keep.Dir, err))
		}
	})
}

// Close closes the scratch file, which frees its space. get and put must not be called afterwards.
func (s *store) Close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
