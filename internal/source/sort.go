package source

import (
	"bufio"
	"bytes"
	"container/heap"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/zkctl/zkctl/internal/tempdir"
)

const (
	sortRoom = 8 << 20  // bytes of records that are sorted in memory
	maxRuns  = 64       // that are merged at once
	runRead  = 64 << 10 // of each run that is merged
)

// sorter sorts records by the bytes of their keys; records with the same key keep their order. It
// holds up to room bytes and writes the rest, in sorted runs, to temporary files that only the user
// can read.
type sorter struct {
	room int
	buf  []byte
	recs []record
	dir  *tempdir.Dir
	runs []string // files
	made int
}

// record is a key and a value in the buffer.
type record struct{ at, key, value uint32 }

func newSorter() *sorter { return &sorter{room: sortRoom} }

// add adds a record.
func (s *sorter) add(key, value []byte) error {
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

func (s *sorter) key(r record) []byte   { return s.buf[r.at : r.at+r.key] }
func (s *sorter) value(r record) []byte { return s.buf[r.at+r.key : r.at+r.key+r.value] }

func (s *sorter) sort() {
	slices.SortFunc(s.recs, func(a, b record) int {
		if c := bytes.Compare(s.key(a), s.key(b)); c != 0 {
			return c
		}
		return int(a.at) - int(b.at)
	})
}

// spill writes what is in memory to a run.
func (s *sorter) spill() error {
	s.sort()
	i := 0
	err := s.writeRun(func() (key, value []byte, err error) {
		if i == len(s.recs) {
			return nil, nil, io.EOF
		}
		i++
		return s.key(s.recs[i-1]), s.value(s.recs[i-1]), nil
	})
	s.buf, s.recs = s.buf[:0], s.recs[:0]
	if err == nil && len(s.runs) == maxRuns {
		err = s.mergeRuns()
	}
	return err
}

// mergeRuns makes one run of all.
func (s *sorter) mergeRuns() error {
	runs := s.runs
	m, err := openMerge(runs)
	if err != nil {
		return err
	}
	defer m.close()
	s.runs = nil
	if err := s.writeRun(m.next); err != nil {
		return err
	}
	m.close()
	for _, name := range runs {
		_ = os.Remove(name) // the folder is removed anyway
	}
	return nil
}

// writeRun writes records up to io.EOF.
func (s *sorter) writeRun(next func() (key, value []byte, err error)) error {
	if s.dir == nil {
		var err error
		if s.dir, err = tempdir.Make("sort"); err != nil {
			return fmt.Errorf("sort outside memory: %w", err)
		}
	}
	s.made++
	f, err := os.OpenFile(filepath.Join(s.dir.Path(), strconv.Itoa(s.made)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("sort outside memory: %w", err)
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 256<<10)
	for {
		key, value, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		var head [8]byte
		binary.BigEndian.PutUint32(head[:], uint32(len(key)))
		binary.BigEndian.PutUint32(head[4:], uint32(len(value)))
		_, _ = w.Write(head[:])
		_, _ = w.Write(key)
		_, _ = w.Write(value) // Flush returns the error
	}
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		return fmt.Errorf("sort outside memory: %w (TMPDIR names another folder for it)", err)
	}
	s.runs = append(s.runs, f.Name())
	return nil
}

// each passes on the records in order. They are valid until visit returns.
func (s *sorter) each(ctx context.Context, visit func(key, value []byte) error) error {
	next, done, err := s.cursor()
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

// cursor returns a function that returns the records in order, each valid until the next call, and then io.EOF. No record
// may be added before done is called.
func (s *sorter) cursor() (next func() (key, value []byte, err error), done func(), err error) {
	if len(s.runs) == 0 {
		s.sort()
		i := 0
		return func() (key, value []byte, err error) {
			if i == len(s.recs) {
				return nil, nil, io.EOF
			}
			i++
			return s.key(s.recs[i-1]), s.value(s.recs[i-1]), nil
		}, func() {}, nil
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

// close removes the temporary files.
func (s *sorter) close() error { return s.dir.Remove() }

// merge merges runs.
type merge struct {
	files []*os.File
	heads runs
	last  *run // whose record was returned
}

// run is a run that is read, with its current record.
type run struct {
	number     int
	r          *bufio.Reader
	buf        []byte
	key, value []byte
}

func openMerge(names []string) (*merge, error) {
	m := &merge{}
	for i, name := range names {
		f, err := os.Open(name)
		if err != nil {
			m.close()
			return nil, fmt.Errorf("sort outside memory: %w", err)
		}
		m.files = append(m.files, f)
		r := &run{number: i, r: bufio.NewReaderSize(f, runRead)}
		if err := r.read(); err != nil {
			m.close()
			return nil, err
		}
		m.heads = append(m.heads, r)
	}
	heap.Init(&m.heads)
	return m, nil
}

// next returns the next record, which is valid until the next call.
func (m *merge) next() (key, value []byte, err error) {
	if m.last != nil {
		if err := m.last.read(); errors.Is(err, io.EOF) {
			heap.Pop(&m.heads)
		} else if err != nil {
			return nil, nil, err
		} else {
			heap.Fix(&m.heads, 0)
		}
		m.last = nil
	}
	if len(m.heads) == 0 {
		return nil, nil, io.EOF
	}
	m.last = m.heads[0]
	return m.last.key, m.last.value, nil
}

func (m *merge) close() {
	for _, f := range m.files {
		_ = f.Close()
	}
	m.files = nil
}

func (r *run) read() error {
	var head [8]byte
	if _, err := io.ReadFull(r.r, head[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return io.EOF
		}
		return fmt.Errorf("sort outside memory: %w", err)
	}
	key, value := int(binary.BigEndian.Uint32(head[:])), int(binary.BigEndian.Uint32(head[4:]))
	r.buf = slices.Grow(r.buf[:0], key+value)[:key+value]
	if _, err := io.ReadFull(r.r, r.buf); err != nil {
		return fmt.Errorf("sort outside memory: %w", err)
	}
	r.key, r.value = r.buf[:key], r.buf[key:]
	return nil
}

// runs is a heap by the next record, then by the number of the run.
type runs []*run

func (h runs) Len() int      { return len(h) }
func (h runs) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h runs) Less(i, j int) bool {
	if c := bytes.Compare(h[i].key, h[j].key); c != 0 {
		return c < 0
	}
	return h[i].number < h[j].number
}

// Push is for package heap.
func (h *runs) Push(x any) { *h = append(*h, x.(*run)) }

// Pop is for package heap.
func (h *runs) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
