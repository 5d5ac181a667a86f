// Package sorted keeps records in the order of the bytes of their keys, outside memory: in sorted runs in temporary files that
// only their user can read.
//
//	sort.go   sorts records
//	map.go    keys and their values, which change
//	run.go    the files
package sorted

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
)

const (
	// Room is the usual number of bytes of records to sort in memory.
	Room    = 8 << 20
	maxRuns = 64 // that are merged at once
)

// Sorter sorts records by the bytes of their keys; records with the same key keep their order. It
// holds up to room bytes and writes the rest to runs.
type Sorter struct {
	room  int
	buf   []byte
	recs  []record
	files files
	runs  []string
}

// record is a key and a value in the buffer.
type record struct{ at, key, value uint32 }

// NewSorter returns a sorter that holds up to room bytes in memory.
func NewSorter(room int) *Sorter { return &Sorter{room: room} }

// Add adds a record.
func (s *Sorter) Add(key, value []byte) error {
	if size := len(key) + len(value); len(s.recs) > 0 && len(s.buf)+12*len(s.recs)+size > s.room {
		if err := s.spill(); err != nil {
			return err
		}
	}
	s.recs = append(s.recs, record{uint32(len(s.buf)), uint32(len(key)), uint32(len(value))})
	if need := len(s.buf) + len(key) + len(value); need > cap(s.buf) && need > s.room/8 { // at once, instead of doubling
		s.buf = append(make([]byte, 0, max(s.room, need)), s.buf...)
	}
	s.buf = append(append(s.buf, key...), value...)
	return nil
}

func (s *Sorter) key(r record) []byte   { return s.buf[r.at : r.at+r.key] }
func (s *Sorter) value(r record) []byte { return s.buf[r.at+r.key : r.at+r.key+r.value] }

// sort sorts what is in memory, and returns it.
func (s *Sorter) sort() Next {
	slices.SortFunc(s.recs, func(a, b record) int {
		if c := bytes.Compare(s.key(a), s.key(b)); c != 0 {
			return c
		}
		return int(a.at) - int(b.at)
	})
	i := 0
	return func() (key, value []byte, err error) {
		if i == len(s.recs) {
			return nil, nil, io.EOF
		}
		i++
		return s.key(s.recs[i-1]), s.value(s.recs[i-1]), nil
	}
}

// spill writes what is in memory to a run.
func (s *Sorter) spill() error {
	run, err := s.files.write(s.sort(), nil)
	s.buf, s.recs = s.buf[:0], s.recs[:0]
	if err != nil {
		return err
	}
	if s.runs = append(s.runs, run); len(s.runs) == maxRuns {
		return s.mergeRuns()
	}
	return nil
}

// mergeRuns makes one run of all.
func (s *Sorter) mergeRuns() error {
	m, err := openMerge(s.runs)
	if err != nil {
		return err
	}
	defer m.close()
	run, err := s.files.write(m.next, nil)
	if err != nil {
		return err
	}
	m.close()
	s.files.remove(s.runs...)
	s.runs = []string{run}
	return nil
}

// Each passes on the records in order. They are valid until visit returns.
func (s *Sorter) Each(ctx context.Context, visit func(key, value []byte) error) error {
	next, done, err := s.Cursor()
	if err != nil {
		return err
	}
	defer done()
	for i := 0; ; i++ {
		if i&0x3ff == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		key, value, err := next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = visit(key, value)
		}
		if err != nil {
			return err
		}
	}
}

// Cursor returns a function that returns the records in order, each valid until the next call, and then io.EOF. No record
// may be added before done is called.
func (s *Sorter) Cursor() (next Next, done func(), err error) {
	if len(s.runs) == 0 {
		return s.sort(), func() {}, nil
	}
	if len(s.recs) > 0 {
		if err := s.spill(); err != nil {
			return nil, nil, err
		}
	}
	s.buf, s.recs = nil, nil
	m, err := openMerge(s.runs)
	if err != nil {
		return nil, nil, err
	}
	return m.next, m.close, nil
}

// Close removes the temporary files.
func (s *Sorter) Close() error { return s.files.close() }
