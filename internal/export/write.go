package export

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
)

// headerJSON is a Header on its line.
type headerJSON struct {
	Mark       string  `json:"zkctl"`
	Schema     int     `json:"schema"`
	Writer     string  `json:"version"`
	Source     string  `json:"source"`
	Root       string  `json:"root"`
	Encoding   string  `json:"rootEncoding,omitempty"`
	Start      string  `json:"zxidStart"`
	End        string  `json:"zxidEnd"`
	Consistent bool    `json:"consistent"`
	Dirty      int     `json:"dirty,omitempty"`
	Time       int64   `json:"time"`
	Kinds      bool    `json:"kinds"`
	Options    Options `json:"options"`
}

type trailerJSON struct {
	Znodes int64  `json:"znodes"`
	Bytes  int64  `json:"bytes"`
	Sum    string `json:"sum,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
}

// Writer writes an export. It is not safe for concurrent use.
type Writer struct {
	dst     *bufio.Writer
	head    []byte
	sum     hash.Hash
	line    []byte
	trailer Trailer
}

// NewWriter starts an export with its header.
func NewWriter(dst io.Writer, h *Header) (*Writer, error) {
	j := headerJSON{Mark: "export", Schema: Schema, Writer: h.Writer, Source: h.Source, Root: h.Root,
		Start: proto.Hex(h.Start), End: proto.Hex(h.End), Consistent: h.Consistent, Dirty: h.Dirty, Time: h.Time, Kinds: h.Kinds, Options: h.Options}
	if !utf8.ValidString(h.Root) {
		var form escape.DataForm
		j.Root, form = escape.DataText.Encode([]byte(h.Root))
		j.Encoding = string(form)
	}
	head, err := escape.MarshalJSON(j)
	if err != nil {
		return nil, err
	}
	w := &Writer{dst: bufio.NewWriterSize(dst, 64<<10), head: append(head, '\n'), sum: sha256.New()}
	_, err = w.dst.Write(w.head)
	return w, err
}

// Add writes a znode, which comes after those before in the order of a walk.
func (w *Writer) Add(r *Record) error {
	w.line = AppendLine(w.line[:0], r)
	w.sum.Write(w.line) // never fails
	w.trailer.Znodes++
	w.trailer.Bytes += int64(len(r.Data))
	_, err := w.dst.Write(w.line)
	if cap(w.line) > keptLine {
		w.line = nil
	}
	return err
}

// Close writes the trailer. It does not close the destination.
func (w *Writer) Close() (Trailer, error) {
	t := &w.trailer
	t.Sum = hex.EncodeToString(w.sum.Sum(nil))
	w.sum.Write(w.head)
	t.SHA256 = hex.EncodeToString(w.sum.Sum(nil))
	end, err := escape.MarshalJSON(trailerJSON(*t))
	if err != nil {
		return *t, err
	}
	_, _ = w.dst.Write(append(end, '\n')) // Flush returns the error
	return *t, w.dst.Flush()
}

// keptLine is the longest line whose buffer is kept.
const keptLine = 1 << 20

// AppendLine appends the line of a znode.
func AppendLine(b []byte, r *Record) []byte {
	b = append(b, `{"path":`...)
	if utf8.ValidString(r.Path) {
		b = escape.AppendJSONString(b, r.Path)
	} else {
		text, form := escape.DataText.Append(nil, []byte(r.Path))
		b = append(append(b, '"'), text...)
		b = append(append(append(b, `","pathEncoding":"`...), form...), '"')
	}
	if !r.Bare {
		b = escape.DataText.AppendJSON(append(b, `,"data":`...), r.Data)
	}
	if r.Kind != "" {
		b = escape.AppendJSONString(append(b, `,"kind":`...), r.Kind)
	}
	hex := func(name string, v int64) {
		b = append(proto.AppendHex(append(append(b, name...), `"0x`...), v), '"')
	}
	number := func(name string, v int64) { b = strconv.AppendInt(append(b, name...), v, 10) }
	if r.TTL != 0 {
		number(`,"ttl":`, r.TTL)
	}
	number(`,"next":`, r.Next)
	s := &r.Stat
	hex(`,"czxid":`, s.Czxid)
	hex(`,"mzxid":`, s.Mzxid)
	hex(`,"pzxid":`, s.Pzxid)
	number(`,"ctime":`, s.Ctime)
	number(`,"mtime":`, s.Mtime)
	number(`,"version":`, int64(s.Version))
	number(`,"cversion":`, int64(s.Cversion))
	number(`,"aversion":`, int64(s.Aversion))
	number(`,"numChildren":`, int64(s.NumChildren))
	if s.EphemeralOwner != 0 {
		hex(`,"ephemeralOwner":`, s.EphemeralOwner)
	}
	if r.ACL != nil {
		b = appendACL(append(b, `,"acl":`...), r.ACL)
	}
	return append(b, "}\n"...)
}

func appendACL(b []byte, acl []proto.ACL) []byte {
	b = append(b, '[')
	for i, a := range acl {
		if i > 0 {
			b = append(b, ',')
		}
		b = escape.AppendJSONString(append(b, `{"scheme":`...), a.ID.Scheme)
		b = escape.AppendJSONString(append(b, `,"id":`...), a.ID.ID)
		b = append(b, `,"perms":`...)
		if a.Perms&^proto.PermAll == 0 {
			b = append(append(append(b, '"'), a.Perms.String()...), '"')
		} else { // bits that have no letter
			b = strconv.AppendInt(b, int64(a.Perms), 10)
		}
		b = append(b, '}')
	}
	return append(b, ']')
}
