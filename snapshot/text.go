package snapshot

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
)

// textForm is what SnapshotFormatter prints.
type textForm struct {
	*ui.Batches
	tty      bool
	data     escape.DataForm
	date     javaDate
	lastZxid int64
}

// textHeader precedes the znodes. SnapshotFormatter counts the root twice, because its table of
// znodes has the root under two names.
func textHeader(count int, whole bool) []byte {
	if whole {
		count++
	}
	return fmt.Appendf(nil, "ZNode Details (count=%d):\n", count)
}

func (t *textForm) add(n *storage.Node) error {
	b := append(t.Text, "----\n"...)
	b = t.appendPath(b, n.Path)
	s := &n.Stat
	b = appendZxid(b, "\n  cZxid = ", s.Czxid)
	b = t.date.append(append(b, "\n  ctime = "...), s.Ctime)
	b = appendZxid(b, "\n  mZxid = ", s.Mzxid)
	b = t.date.append(append(b, "\n  mtime = "...), s.Mtime)
	b = appendZxid(b, "\n  pZxid = ", s.Pzxid)
	b = strconv.AppendInt(append(b, "\n  cversion = "...), int64(s.Cversion), 10)
	b = strconv.AppendInt(append(b, "\n  dataVersion = "...), int64(s.Version), 10)
	b = strconv.AppendInt(append(b, "\n  aclVersion = "...), int64(s.Aversion), 10)
	b = appendZxid(b, "\n  ephemeralOwner = ", s.EphemeralOwner)
	b = appendData(b, t.data, n.Data)
	t.Text = append(b, '\n')
	t.lastZxid = max(t.lastZxid, s.Mzxid, s.Pzxid)
	return t.More()
}

// tail follows the znodes. As the last zxid SnapshotFormatter prints the larger of the zxid in
// the file's name and those of the znodes. If the file breaks off, its znodes do not tell.
func (t *textForm) tail(sessions []storage.Session, ephemerals map[int64]int, zxid int64, complete bool) {
	t.Text = append(t.Text, "----\nSession Details (sid, timeout, ephemeralCount):\n"...)
	for _, s := range javaOrder(sessions) {
		t.Text = appendZxid(t.Text, "", s.ID)
		t.Text = strconv.AppendInt(append(t.Text, ", "...), int64(s.Timeout), 10)
		t.Text = strconv.AppendInt(append(t.Text, ", "...), int64(ephemerals[s.ID]), 10)
		t.Text = append(t.Text, '\n')
	}
	if complete {
		t.Text = proto.AppendHex(append(t.Text, "----\nLast zxid: 0x"...), max(zxid, t.lastZxid))
		t.Text = append(t.Text, '\n')
	}
}

// appendZxid writes v as Java's %#016x does: 0x and at least 14 digits.
func appendZxid(b []byte, name string, v int64) []byte {
	b = append(append(b, name...), "0x"...)
	u := uint64(v)
	for shift := (max(14, (bits.Len64(u)+3)/4)+1)/2*8 - 8; shift >= 0; shift -= 8 {
		pair := byte(u >> shift)
		if shift == 56 && pair < 16 {
			b = append(b, hexDigits[pair])
			continue
		}
		b = append(b, hexDigits[pair>>4], hexDigits[pair&15])
	}
	return b
}

const hexDigits = "0123456789abcdef"

// appendPath is shown, for a buffer.
func (t *textForm) appendPath(b []byte, path string) []byte {
	if t.tty {
		return append(b, escape.Line(shown(path))...)
	}
	if path != "" && utf8.ValidString(path) {
		return append(b, path...)
	}
	return append(b, shown(path)...)
}

// javaDate writes dates as java.util.Date.toString does. It remembers the latest seconds, because
// the znodes of a tree share their creation times.
type javaDate struct {
	known [1024]struct {
		second int64
		text   []byte
	}
}

func (d *javaDate) append(b []byte, ms int64) []byte {
	second := ms / 1000
	if ms%1000 < 0 {
		second--
	}
	slot := &d.known[uint64(second)%uint64(len(d.known))]
	if slot.second != second || slot.text == nil {
		slot.second, slot.text = second, append(slot.text[:0], ui.JavaDate(second*1000)...)
	}
	return append(b, slot.text...)
}

// javaOrder sorts sessions as a java.util.HashMap with Long keys lists them: by bucket, in a
// table that doubles when it is three quarters full.
func javaOrder(sessions []storage.Session) []storage.Session {
	table := uint32(16)
	for int(table)*3/4 < len(sessions) {
		table *= 2
	}
	bucket := func(s storage.Session) uint32 {
		h := uint32(uint64(s.ID) ^ uint64(s.ID)>>32)
		return (h ^ h>>16) & (table - 1)
	}
	sorted := slices.Clone(sessions)
	slices.SortStableFunc(sorted, func(a, b storage.Session) int { return int(bucket(a)) - int(bucket(b)) })
	return sorted
}

// dataAuto is without --data: in text its length, in JSON as [escape.DataText].
const dataAuto escape.DataForm = ""

func appendData(b []byte, form escape.DataForm, data []byte) []byte {
	switch form {
	case escape.DataNone:
		return b
	case dataAuto, escape.DataLength:
		return strconv.AppendInt(append(b, "\n  dataLength = "...), int64(len(data)), 10)
	}
	b = append(b, "\n  data = "...)
	if form == escape.DataText && utf8.Valid(data) {
		return escape.Append(b, data, false)
	}
	b, _ = form.Append(b, data)
	return b
}
