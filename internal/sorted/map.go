package sorted

import (
	"bytes"
	"io"
	"maps"
	"os"
	"slices"
	"sort"
)

// Map maps keys to values. It holds those that were put last in memory, up to room bytes, and of the others little more
// than one key for each block of a file.
//
// An error of a file stays: from then on nothing is found, and Err returns it.
type Map struct {
	room   int
	recent map[string][]byte // nil for a key that was deleted
	size   int               // about how many bytes it takes
	files  files
	tables []*table // the oldest and largest first; what is in a later one counts
	n      int
	err    error
	block  []byte
}

// table is a run in which single keys can be found.
type table struct {
	file   *os.File
	size   int64
	last   []byte
	blocks []block
}

// block is a part of a table that is read at once.
type block struct {
	first []byte
	at    int64
}

const (
	blockSize     = 4 << 10
	entryOverhead = 64 // bytes in recent, besides key and value
)

// NewMap returns an empty map.
func NewMap(room int) *Map { return &Map{room: room, recent: map[string][]byte{}} }

// Len returns the number of keys.
func (m *Map) Len() int { return m.n }

// Err returns the first error of a file.
func (m *Map) Err() error { return m.err }

// Get returns a key's value, or nil. It is valid until the next call.
func (m *Map) Get(key []byte) []byte {
	if value, ok := m.recent[string(key)]; ok {
		return value
	}
	for _, t := range slices.Backward(m.tables) {
		if m.err != nil {
			break
		}
		if value, ok := m.find(t, key); ok {
			return value
		}
	}
	return nil
}

// Put sets a key's value, which must not be empty.
func (m *Map) Put(key, value []byte) {
	if m.Get(key) == nil {
		m.n++
	}
	m.set(key, slices.Clone(value))
}

// Delete deletes a key, if it is there.
func (m *Map) Delete(key []byte) {
	if m.Get(key) != nil {
		m.n--
		m.set(key, nil)
	}
}

func (m *Map) set(key, value []byte) {
	if old, ok := m.recent[string(key)]; ok {
		m.size += len(value) - len(old)
	} else {
		m.size += len(key) + len(value) + entryOverhead
	}
	m.recent[string(key)] = value
	if m.size > m.room && m.err == nil {
		m.err = m.spill()
	}
}

// spill writes what is in memory to a table. Tables that are not much larger than the next one are merged with it, so that
// there are few, and a record is seldom written again.
func (m *Map) spill() error {
	keys := slices.Sorted(maps.Keys(m.recent))
	next := func() (key, value []byte, err error) {
		if len(keys) == 0 {
			return nil, nil, io.EOF
		}
		name := keys[0]
		keys = keys[1:]
		return []byte(name), m.recent[name], nil
	}
	t, err := m.write(next, len(m.tables) == 0)
	if err != nil {
		return err
	}
	m.tables = append(m.tables, t)
	clear(m.recent)
	m.size = 0
	for n := len(m.tables); n > 1 && m.tables[n-2].size < 2*m.tables[n-1].size; n = len(m.tables) {
		if err := m.mergeLast(); err != nil {
			return err
		}
	}
	return nil
}

// mergeLast makes one table of the last two.
func (m *Map) mergeLast() error {
	n := len(m.tables) - 2
	next, done, err := m.latest(m.tables[n:])
	if err != nil {
		return err
	}
	defer done()
	t, err := m.write(next, n == 0)
	if err != nil {
		return err
	}
	for _, old := range m.tables[n:] {
		_ = old.file.Close() // it was only read
		m.files.remove(old.file.Name())
	}
	m.tables = append(m.tables[:n], t)
	return nil
}

// write writes a table. If it is the oldest, it need not tell which keys were deleted.
func (m *Map) write(next Next, oldest bool) (*table, error) {
	t := &table{}
	if oldest {
		next = present(next)
	}
	name, err := m.files.write(next, func(key []byte, at int64) {
		if n := len(t.blocks); n == 0 || at-t.blocks[n-1].at >= blockSize {
			t.blocks = append(t.blocks, block{bytes.Clone(key), at})
		}
		t.last = append(t.last[:0], key...)
	})
	if err != nil {
		return nil, err
	}
	if t.file, err = os.Open(name); err != nil {
		return nil, notKept(err)
	}
	info, err := t.file.Stat()
	if err != nil {
		return nil, notKept(err)
	}
	t.size = info.Size()
	return t, nil
}

// find looks for a key in a table. The value is nil if the key was deleted.
func (m *Map) find(t *table, key []byte) (value []byte, ok bool) {
	i := sort.Search(len(t.blocks), func(i int) bool { return bytes.Compare(t.blocks[i].first, key) > 0 }) - 1
	if i < 0 || bytes.Compare(t.last, key) < 0 {
		return nil, false
	}
	end := t.size
	if i+1 < len(t.blocks) {
		end = t.blocks[i+1].at
	}
	size := int(end - t.blocks[i].at)
	m.block = slices.Grow(m.block[:0], size)[:size]
	if _, err := t.file.ReadAt(m.block, t.blocks[i].at); err != nil {
		m.err = notKept(err)
		return nil, false
	}
	r := run{r: bytes.NewReader(m.block)}
	for r.read() == nil {
		switch bytes.Compare(r.key, key) {
		case 0:
			if len(r.value) == 0 {
				return nil, true
			}
			return r.value, true
		case 1:
			return nil, false
		}
	}
	return nil, false
}

// Cursor returns a function that returns the keys and values, in order, as they are now: the map may be changed meanwhile.
// done must be called at the end.
func (m *Map) Cursor() (next Next, done func(), err error) {
	if len(m.recent) > 0 && m.err == nil {
		m.err = m.spill()
	}
	if m.err != nil {
		return nil, nil, m.err
	}
	next, done, err = m.latest(m.tables)
	if err != nil {
		m.err = err
		return nil, nil, err
	}
	return present(next), done, nil
}

func (m *Map) latest(tables []*table) (next Next, done func(), err error) {
	names := make([]string, len(tables))
	for i, t := range tables {
		names[i] = t.file.Name()
	}
	all, err := openMerge(names)
	if err != nil {
		return nil, nil, err
	}
	return Latest(all.next), all.close, nil
}

// present leaves out the keys that were deleted.
func present(each Next) Next {
	return func() (key, value []byte, err error) {
		for {
			if key, value, err = each(); err != nil || len(value) > 0 {
				return key, value, err
			}
		}
	}
}

// Close removes the files.
func (m *Map) Close() error {
	for _, t := range m.tables {
		_ = t.file.Close() // it was only read
	}
	m.tables = nil
	return m.files.close()
}
