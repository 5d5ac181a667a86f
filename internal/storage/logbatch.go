package storage

import "encoding/binary"

// Batch holds consecutive entries of a log. It serves callers that use the entries on several
// goroutines, which call NextBatch in turns: the entries stay valid until the batch is passed to NextBatch again,
// whatever the LogReader reads meanwhile. The zero Batch is empty and ready for use. Do not pass
// the batches of one log to another log's reader.
type Batch struct {
	window []byte // holds the entries
	data   []byte // the entries, as in the file
	offset int64  // of data in the file
	left   int    // entries in data

	entry Entry
}

// NextBatch fills b with the next entries, as many as one window of the file holds. It yields at
// least one, unless it fails as LogReader.Next does. The error concerns what follows the entries.
func (r *LogReader) NextBatch(b *Batch) error {
	b.data, b.left = nil, 0
	r.batch = b
	from := -1
	for from < 0 || r.buffered() {
		e, err := r.step()
		if err != nil {
			return err
		}
		if from < 0 {
			b.offset = e.Offset
			from = int(e.Offset - r.base)
		}
		b.data = r.window[from:r.lo]
		b.left++
	}
	b.window = r.window
	return nil
}

// buffered reports whether Next will find the whole entry in the window.
func (r *LogReader) buffered() bool {
	have := r.hi - r.lo
	return have >= entryHead && have > entryHead+int(int32(binary.BigEndian.Uint32(r.window[r.lo+8:])))
}

// Size returns the length in the file of the entries that Next has yet to return.
func (b *Batch) Size() int { return len(b.data) }

// Next returns the next entry of the batch, or nil after the last.
func (b *Batch) Next() *Entry {
	if b.left == 0 {
		return nil
	}
	end := entryHead + int(binary.BigEndian.Uint32(b.data[8:]))
	e := &b.entry
	e.Offset = b.offset
	e.Raw = b.data[entryHead:end:end]
	e.Stored = int64(binary.BigEndian.Uint64(b.data))
	e.check()
	e.Header = decodeHeader(e.Raw)
	e.EOR = 0
	if end < len(b.data) { // otherwise the file ends there
		e.EOR = b.data[end]
		end++
	}
	b.data = b.data[end:]
	b.offset += int64(end)
	b.left--
	return e
}

// take returns space for a window, reusing that of the batch's previous entries if it fits.
func (b *Batch) take(n int) []byte {
	w := b.window
	b.window = nil
	if len(w) != n {
		w = make([]byte, n)
	}
	return w
}
