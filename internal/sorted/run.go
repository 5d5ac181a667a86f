package sorted

import (
	"bufio"
	"bytes"
	"container/heap"
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
	runRead  = 64 << 10 // of each run that is merged
	headSize = 8        // before each record: the lengths of key and value, 4 bytes each
)

// Next returns the next record, valid until the next call, and then io.EOF.
type Next func() (key, value []byte, err error)

// Latest returns only the last of the records of each key.
func Latest(each Next) Next {
	var key, value []byte
	var k, v []byte
	var failed error
	begun := false
	return func() ([]byte, []byte, error) {
		if !begun {
			begun = true
			k, v, failed = each()
		}
		if failed != nil {
			return nil, nil, failed
		}
		key, value = append(key[:0], k...), append(value[:0], v...)
		for {
			if k, v, failed = each(); failed != nil || !bytes.Equal(k, key) {
				break
			}
			value = append(value[:0], v...)
		}
		if failed != nil && !errors.Is(failed, io.EOF) {
			return nil, nil, failed
		}
		return key, value, nil
	}
}

// files are runs in a temporary folder, which is made for the first one.
type files struct {
	dir  *tempdir.Dir
	made int
}

// write writes a run of the records that next returns. each, if it is not nil, gets each record's place.
func (f *files) write(next Next, each func(key []byte, at int64)) (name string, err error) {
	if f.dir == nil {
		if f.dir, err = tempdir.Make("sort"); err != nil {
			return "", notKept(err)
		}
	}
	f.made++
	file, err := os.OpenFile(filepath.Join(f.dir.Path(), strconv.Itoa(f.made)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", notKept(err)
	}
	defer file.Close()
	w := bufio.NewWriterSize(file, 256<<10)
	at := int64(0)
	for {
		key, value, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		if each != nil {
			each(key, at)
		}
		var head [headSize]byte
		binary.BigEndian.PutUint32(head[:], uint32(len(key)))
		binary.BigEndian.PutUint32(head[4:], uint32(len(value)))
		_, _ = w.Write(head[:])
		_, _ = w.Write(key)
		_, _ = w.Write(value) // Flush returns the error
		at += int64(headSize + len(key) + len(value))
	}
	if err := errors.Join(w.Flush(), file.Close()); err != nil {
		return "", notKept(err)
	}
	return file.Name(), nil
}

// remove removes runs.
func (f *files) remove(names ...string) {
	for _, name := range names {
		_ = os.Remove(name) // the folder is removed anyway
	}
}

func (f *files) close() error { return f.dir.Remove() }

// notKept is the error for a file that could not be written or read.
func notKept(err error) error {
	return fmt.Errorf("keep records outside memory: %w (TMPDIR names another folder for them)", err)
}

// merge merges runs.
type merge struct {
	files []*os.File
	heads runs
	last  *run // whose record was returned
}

// run is a run that is read, with its current record.
type run struct {
	number     int
	r          io.Reader
	buf        []byte
	key, value []byte
}

func openMerge(names []string) (*merge, error) {
	m := &merge{}
	for i, name := range names {
		f, err := os.Open(name)
		if err != nil {
			m.close()
			return nil, notKept(err)
		}
		m.files = append(m.files, f)
		r := &run{number: i, r: bufio.NewReaderSize(f, runRead)}
		switch err := r.read(); {
		case errors.Is(err, io.EOF):
			continue
		case err != nil:
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
	var head [headSize]byte
	if _, err := io.ReadFull(r.r, head[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return io.EOF
		}
		return notKept(err)
	}
	key, value := int(binary.BigEndian.Uint32(head[:])), int(binary.BigEndian.Uint32(head[4:]))
	r.buf = slices.Grow(r.buf[:0], key+value)[:key+value]
	if _, err := io.ReadFull(r.r, r.buf); err != nil {
		return notKept(err)
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
