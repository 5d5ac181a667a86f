package transfer

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/zkctl/zkctl/internal/sorted"
	"github.com/zkctl/zkctl/internal/source"
)

// twin is what a mirror knows of a znode: how it was at the source when it was read, and how the mirror left it at the
// destination. It compares these with what is there later.
type twin struct {
	mzxid    int64 // at the source; 0 if it is to be read
	next     int32 // the number of its next sequential child there
	aversion int32 // of the ACL there

	theirs    int64 // mzxid at the destination; 0 if it was not written, -1 if it may have been
	theirACL  int32 // the ACL's version there
	unwritten bool  // the znode is somebody else's there
	gone      bool  // it is no longer at the source, and stays at the destination
}

// unfinishedACL is the version of an ACL at the source that is still to be set at the destination. It is none that there is.
const unfinishedACL = -2

// twins maps paths at the source to twins. Most of them are in temporary files.
type twins struct {
	m          *sorted.Map
	key, value []byte
}

const twinsRoom = 2 << 20 // bytes in memory

func newTwins() *twins { return &twins{m: sorted.NewMap(twinsRoom)} }

func (t *twins) len() int { return t.m.Len() }

// err is the first error of a file. After it, no twin is found.
func (t *twins) err() error { return t.m.Err() }

func (t *twins) get(path string) (twin, bool) {
	t.key = source.AppendKey(t.key[:0], path)
	v := t.m.Get(t.key)
	if len(v) == 0 {
		return twin{}, false
	}
	return twinOf(v), true
}

func (t *twins) put(path string, w twin) {
	t.key = source.AppendKey(t.key[:0], path)
	t.value = w.appendTo(t.value[:0])
	t.m.Put(t.key, t.value)
}

func (t *twins) drop(path string) {
	t.key = source.AppendKey(t.key[:0], path)
	t.m.Delete(t.key)
}

// each passes on the twins as they are now, in the order of a walk.
func (t *twins) each(visit func(path string, w twin)) error {
	b, err := t.beside()
	if err != nil {
		return err
	}
	defer b.done()
	return b.rest(visit)
}

func (t *twins) close() error { return t.m.Close() }

// beside reads the twins, as they are when it is made, beside a walk.
type beside struct {
	next  sorted.Next
	done  func()
	path  string
	twin  twin
	ended bool
}

func (t *twins) beside() (*beside, error) {
	next, done, err := t.m.Cursor()
	if err != nil {
		return nil, err
	}
	b := &beside{next: next, done: done}
	if err := b.advance(); err != nil {
		done()
		return nil, err
	}
	return b, nil
}

func (b *beside) advance() error {
	key, value, err := b.next()
	switch {
	case errors.Is(err, io.EOF):
		b.ended = true
	case err != nil:
		return err
	default:
		b.path, b.twin = source.PathOf(key), twinOf(value)
	}
	return nil
}

// at returns the twin of the znode that the walk has come to. Those before it, which the walk has not visited, go to missed.
func (b *beside) at(path string, missed func(path string, w twin)) (w twin, known bool, err error) {
	for !b.ended {
		switch c := source.Compare(b.path, path); {
		case c > 0:
			return twin{}, false, nil
		case c == 0:
			w = b.twin
			return w, true, b.advance()
		}
		missed(b.path, b.twin)
		if err := b.advance(); err != nil {
			return twin{}, false, err
		}
	}
	return twin{}, false, nil
}

// rest takes the end of the walk.
func (b *beside) rest(missed func(path string, w twin)) error {
	for !b.ended {
		missed(b.path, b.twin)
		if err := b.advance(); err != nil {
			return err
		}
	}
	return nil
}

// twinSize is the size of a twin in twins.
const twinSize = 8 + 4 + 4 + 8 + 4 + 1

func (t twin) appendTo(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(t.mzxid))
	b = binary.BigEndian.AppendUint32(b, uint32(t.next))
	b = binary.BigEndian.AppendUint32(b, uint32(t.aversion))
	b = binary.BigEndian.AppendUint64(b, uint64(t.theirs))
	b = binary.BigEndian.AppendUint32(b, uint32(t.theirACL))
	return append(b, t.flags())
}

const (
	flagUnwritten = 1 << iota
	flagGone
)

func (t twin) flags() byte {
	flags := byte(0)
	if t.unwritten {
		flags |= flagUnwritten
	}
	if t.gone {
		flags |= flagGone
	}
	return flags
}

func (t *twin) setFlags(flags byte) {
	t.unwritten, t.gone = flags&flagUnwritten != 0, flags&flagGone != 0
}

func twinOf(b []byte) twin {
	_ = b[twinSize-1]
	t := twin{
		mzxid: int64(binary.BigEndian.Uint64(b)), next: int32(binary.BigEndian.Uint32(b[8:])), aversion: int32(binary.BigEndian.Uint32(b[12:])),
		theirs: int64(binary.BigEndian.Uint64(b[16:])), theirACL: int32(binary.BigEndian.Uint32(b[24:])),
	}
	t.setFlags(b[28])
	return t
}
