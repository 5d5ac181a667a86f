package export

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

// maxLine bounds a line: the longest data that a client takes, each byte as an escape.
const maxLine = 6*client.DefaultMaxPacket + 1<<20

// ErrNotExport means that something else is in the file.
var ErrNotExport = errors.New("this is not an export")

// Is reports whether a file starts as an export does.
func Is(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	src, done, err := decompress(bufio.NewReaderSize(f, 4<<10))
	if err != nil {
		return false
	}
	defer done()
	head := make([]byte, len(mark))
	_, err = io.ReadFull(src, head)
	return err == nil && string(head) == mark
}

// Reader reads an export and checks it: each line, that paths are below the root, in order, not repeated and with their
// parents, and at the end the numbers and the checksum. It holds one line. It is not safe for concurrent use.
type Reader struct {
	name   string
	closer io.Closer // the file, or nil
	done   func()    // ends the decompression
	src    *bufio.Reader
	header Header
	head   []byte // its line
	number int    // of the current line
	long   []byte // a line that is longer than src's buffer
	sum    hash.Hash
	scan   scanner
	record Record
	data   []byte                 // of record
	seen   uint32                 // the fields of the current line
	acls   map[string][]proto.ACL // lists by their JSON
	above  []ancestor             // the znodes above the next
	count  Trailer
	end    Trailer
	err    error // what Next returns from now on
}

type ancestor struct {
	path      string
	ephemeral bool
}

// Open opens the export in a file.
func Open(name string) (*Reader, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	r, err := NewReader(f, name)
	if err != nil {
		f.Close()
		return nil, err
	}
	r.closer = f
	return r, nil
}

// NewReader reads the header of an export; name is for errors.
func NewReader(src io.Reader, name string) (*Reader, error) {
	r := &Reader{name: name, sum: sha256.New(), acls: map[string][]proto.ACL{}}
	inside, done, err := decompress(bufio.NewReaderSize(src, 64<<10))
	if err != nil {
		return nil, r.fault("", err)
	}
	r.done, r.src = done, bufio.NewReaderSize(inside, 64<<10)
	if err := r.readHeader(); err != nil {
		done()
		return nil, err
	}
	return r, nil
}

// Close closes the file, if Open has opened it.
func (r *Reader) Close() error {
	r.done()
	if r.closer != nil {
		return r.closer.Close()
	}
	return nil
}

// Header returns the header.
func (r *Reader) Header() *Header { return &r.header }

// Trailer returns the trailer, once Next has returned io.EOF.
func (r *Reader) Trailer() Trailer { return r.end }

// Line returns the number of the line that was read last.
func (r *Reader) Line() int { return r.number }

func (r *Reader) fault(field string, err error) error {
	return &Fault{File: r.name, Line: max(r.number, 1), Field: field, Err: err}
}

// line returns the next line with its line break. It is valid until the next call. The error is io.EOF only if nothing
// is left.
func (r *Reader) line() ([]byte, error) {
	r.number++
	r.long = r.long[:0]
	for {
		part, err := r.src.ReadSlice('\n')
		if err == nil && len(r.long) == 0 {
			return part, nil
		}
		if len(r.long)+len(part) > maxLine {
			return nil, r.fault("", fmt.Errorf("the line is longer than %d bytes", maxLine))
		}
		r.long = append(r.long, part...)
		switch {
		case err == nil:
			return r.long, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(r.long) == 0:
			return nil, io.EOF
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil, r.fault("", errors.New("the file ends inside the line; it was cut off"))
		default:
			return nil, r.fault("", err)
		}
	}
}

func (r *Reader) readHeader() error {
	line, err := r.line()
	if errors.Is(err, io.EOF) {
		return r.fault("", fmt.Errorf("%w: the file is empty", ErrNotExport))
	}
	if err != nil {
		return err
	}
	var mark struct {
		Mark   string `json:"zkctl"`
		Schema int    `json:"schema"`
		Writer string `json:"version"`
	}
	if err := json.Unmarshal(line, &mark); err != nil || mark.Mark != "export" {
		return r.fault("", fmt.Errorf(`%w: the first line does not say "zkctl":"export"`, ErrNotExport))
	}
	switch {
	case mark.Schema > Schema:
		return r.fault("schema", fmt.Errorf("the schema is %d, written by zkctl %s; this zkctl reads up to %d, so use a newer one", mark.Schema, mark.Writer, Schema))
	case mark.Schema < 1:
		return r.fault("schema", fmt.Errorf("%d is not a schema", mark.Schema))
	}
	var j headerJSON
	strict := json.NewDecoder(bytes.NewReader(line))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&j); err != nil {
		field := ""
		if typ := (*json.UnmarshalTypeError)(nil); errors.As(err, &typ) {
			field = typ.Field
		}
		return r.fault(field, errors.New(strings.TrimPrefix(err.Error(), "json: ")))
	}
	h := &r.header
	*h = Header{Schema: j.Schema, Writer: j.Writer, Source: j.Source, Root: j.Root, Consistent: j.Consistent, Dirty: j.Dirty,
		Time: j.Time, Kinds: j.Kinds, Options: j.Options}
	if j.Encoding != "" {
		b, err := base64.StdEncoding.DecodeString(j.Root)
		if err != nil || j.Encoding != "base64" {
			return r.fault("root", errors.New("it is not base64"))
		}
		h.Root = string(b)
	}
	if err := client.ValidatePath(h.Root); err != nil {
		return r.fault("root", err)
	}
	for _, zxid := range []struct {
		field, text string
		to          *int64
	}{{"zxidStart", j.Start, &h.Start}, {"zxidEnd", j.End, &h.End}} {
		if *zxid.to, err = proto.ParseHex(zxid.text); err != nil {
			return r.fault(zxid.field, fmt.Errorf("%q is not a zxid", zxid.text))
		}
	}
	r.head = slices.Clone(line)
	return nil
}

// Next returns the next znode, which is valid until the next call. After the last one it checks the trailer and returns
// io.EOF. Any other error but one of the file system is a *Fault.
func (r *Reader) Next() (*Record, error) {
	if r.err != nil {
		return nil, r.err
	}
	record, err := r.next()
	r.err = err
	return record, err
}

func (r *Reader) next() (*Record, error) {
	line, err := r.line()
	if errors.Is(err, io.EOF) {
		return nil, r.fault("", fmt.Errorf("the file ends after %d znodes without its last line; it was cut off", r.count.Znodes))
	}
	if err != nil {
		return nil, err
	}
	r.scan.reset(line)
	end, err := r.parse()
	if err != nil {
		return nil, err
	}
	if end {
		return nil, r.finish()
	}
	r.sum.Write(line) // never fails
	if err := r.place(); err != nil {
		return nil, err
	}
	r.count.Znodes++
	r.count.Bytes += int64(len(r.record.Data))
	return &r.record, nil
}

// finish checks the trailer.
func (r *Reader) finish() error {
	c := &r.count
	c.Sum = hex.EncodeToString(r.sum.Sum(nil))
	r.sum.Write(r.head)
	c.SHA256 = hex.EncodeToString(r.sum.Sum(nil))
	edited := r.end.SHA256 == ""
	switch {
	case !edited && r.end.Znodes != c.Znodes:
		return r.fault("znodes", fmt.Errorf("%d, but the file has %d; lines are missing or were added (if you changed it, remove the field sha256)", r.end.Znodes, c.Znodes))
	case !edited && (r.end.SHA256 != c.SHA256 || r.end.Sum != c.Sum || r.end.Bytes != c.Bytes):
		return r.fault("sha256", errors.New("the checksum is wrong: the file was changed or is damaged (if you changed it, remove the field sha256)"))
	}
	switch _, err := r.line(); {
	case errors.Is(err, io.EOF):
	case err != nil:
		return err
	default:
		return r.fault("", errors.New("a line follows what should be the last"))
	}
	c.SHA256 = r.end.SHA256
	r.end = *c
	return io.EOF
}

// place checks where the path of a record is.
func (r *Reader) place() error {
	path := r.record.Path
	if len(r.above) == 0 {
		if path != r.header.Root {
			return r.fault("path", fmt.Errorf("%q comes first, but the root, %q, has to", path, r.header.Root))
		}
		r.above = append(r.above, ancestor{path, r.record.Kind == Ephemeral})
		return nil
	}
	if last := r.above[len(r.above)-1].path; Compare(last, path) >= 0 {
		if last == path {
			return r.fault("path", fmt.Errorf("%q occurs twice", path))
		}
		return r.fault("path", fmt.Errorf("%q comes after %q, but belongs before it: znodes are in the order of a walk, siblings by the bytes of their names", path, last))
	}
	if root := r.header.Root; root != "/" && !strings.HasPrefix(path, root+"/") {
		return r.fault("path", fmt.Errorf("%q is outside the root, %q", path, root))
	}
	parent := path[:max(strings.LastIndexByte(path, '/'), 1)]
	for r.above[len(r.above)-1].path != parent {
		if len(r.above) == 1 {
			return r.fault("path", fmt.Errorf("the parent of %q is missing", path))
		}
		r.above = r.above[:len(r.above)-1]
	}
	if r.above[len(r.above)-1].ephemeral {
		return r.fault("path", fmt.Errorf("the parent of %q is ephemeral, which cannot have children", path))
	}
	r.above = append(r.above, ancestor{path, r.record.Kind == Ephemeral})
	return nil
}

// The fields of a line.
var fields = []string{"path", "pathEncoding", "data", "encoding", "kind", "ttl", "next", "czxid", "mzxid", "pzxid", "ctime", "mtime",
	"version", "cversion", "aversion", "numChildren", "ephemeralOwner", "acl", "znodes", "bytes", "sum", "sha256"}

// firstEnd is the first field of the trailer.
var firstEnd = slices.Index(fields, "znodes")

func (r *Reader) has(name string) bool { return r.seen>>slices.Index(fields, name)&1 != 0 }

// parse reads a line into record or end.
func (r *Reader) parse() (end bool, err error) {
	x := &r.record
	*x = Record{Kind: Persistent, Bare: true}
	r.seen, r.end = 0, Trailer{}
	path, encoded, encoding, current := "", false, "", ""
	err = r.scan.object(func(name []byte) error {
		at := slices.Index(fields, string(name))
		if at < 0 {
			return fmt.Errorf("unknown field %q", name)
		}
		current = fields[at]
		if r.seen>>at&1 != 0 {
			return errors.New("it occurs twice")
		}
		r.seen |= 1 << at
		err := r.field(at, &path, &encoded, &encoding)
		if err == nil {
			current = ""
		}
		return err
	})
	if err == nil {
		err = r.scan.end()
	}
	switch {
	case err != nil:
		return false, r.fault(current, err)
	case r.seen == 0:
		return false, r.fault("", errors.New("it has no fields"))
	case r.seen>>firstEnd != 0:
		if r.seen&(1<<firstEnd-1) != 0 {
			return false, r.fault("path", errors.New("the last line describes no znode"))
		}
		return true, nil
	case !r.has("path"):
		return false, r.fault("path", errors.New("it is missing"))
	}
	return false, r.complete(path, encoded, encoding)
}

// field reads the value of a field.
func (r *Reader) field(at int, path *string, encoded *bool, encoding *string) error {
	x, s := &r.record, &r.scan
	text := func(to *string) error {
		b, err := s.text()
		*to = string(b)
		return err
	}
	long := func(to *int64) (err error) { *to, err = s.number(); return err }
	short := func(to *int32) error {
		n, err := s.number()
		if err == nil && (n < math.MinInt32 || n > math.MaxInt32) {
			err = fmt.Errorf("%d needs more than 32 bits", n)
		}
		*to = int32(n)
		return err
	}
	zxid := func(to *int64) error {
		b, err := s.text()
		if err != nil {
			return err
		}
		if *to, err = proto.ParseHex(string(b)); err != nil || !bytes.HasPrefix(b, []byte("0x")) {
			return fmt.Errorf("%q is not a hexadecimal number such as 0x100000041", b)
		}
		return nil
	}
	switch fields[at] {
	case "path":
		return text(path)
	case "pathEncoding":
		*encoded = true
		b, err := s.text()
		if err == nil && string(b) != "base64" {
			err = fmt.Errorf("%q is unknown; use base64", b)
		}
		return err
	case "data":
		x.Bare = false
		if s.word("null") {
			return nil
		}
		b, err := s.text()
		r.data = append(r.data[:0], b...)
		x.Data = r.data
		if x.Data == nil {
			x.Data = []byte{}
		}
		return err
	case "encoding":
		return text(encoding)
	case "kind":
		b, err := s.text()
		if err != nil {
			return err
		}
		for _, kind := range []string{Persistent, Ephemeral, Container, TTL} {
			if string(b) == kind {
				x.Kind = kind
				return nil
			}
		}
		return fmt.Errorf("%q is unknown; use persistent, ephemeral, container or ttl", b)
	case "ttl":
		return long(&x.TTL)
	case "next":
		err := long(&x.Next)
		if err == nil && (x.Next < 0 || x.Next > math.MaxUint32) {
			err = fmt.Errorf("%d is not a counter, from 0 to %d", x.Next, uint32(math.MaxUint32))
		}
		return err
	case "czxid":
		return zxid(&x.Stat.Czxid)
	case "mzxid":
		return zxid(&x.Stat.Mzxid)
	case "pzxid":
		return zxid(&x.Stat.Pzxid)
	case "ctime":
		return long(&x.Stat.Ctime)
	case "mtime":
		return long(&x.Stat.Mtime)
	case "version":
		return short(&x.Stat.Version)
	case "cversion":
		return short(&x.Stat.Cversion)
	case "aversion":
		return short(&x.Stat.Aversion)
	case "numChildren":
		return short(&x.Stat.NumChildren)
	case "ephemeralOwner":
		return zxid(&x.Stat.EphemeralOwner)
	case "acl":
		return r.acl()
	case "znodes":
		return long(&r.end.Znodes)
	case "bytes":
		return long(&r.end.Bytes)
	case "sum":
		return text(&r.end.Sum)
	default:
		return text(&r.end.SHA256)
	}
}

// complete checks a record as a whole.
func (r *Reader) complete(path string, encoded bool, encoding string) error {
	x := &r.record
	x.Path = path
	if encoded {
		b, err := base64.StdEncoding.DecodeString(path)
		if err != nil {
			return r.fault("path", errors.New("it is not base64"))
		}
		x.Path = string(b)
	}
	if err := client.ValidatePath(x.Path); err != nil {
		return r.fault("path", err)
	}
	switch encoding {
	case "":
	case "base64":
		n, err := base64.StdEncoding.Decode(r.data, r.data)
		if err != nil {
			return r.fault("data", errors.New("it is not base64"))
		}
		x.Data = r.data[:n]
	default:
		return r.fault("encoding", fmt.Errorf("%q is unknown; use base64", encoding))
	}
	x.Stat.DataLength = int32(len(x.Data))
	if cap(r.data) > keptLine {
		r.data = nil // the record keeps it
	}
	switch ttl := x.Kind == TTL; {
	case ttl != r.has("ttl"):
		return r.fault("ttl", errors.New("a znode of the kind ttl, and no other, has it"))
	case ttl && (x.TTL < 1 || x.TTL > proto.MaxTTL):
		return r.fault("ttl", fmt.Errorf("%d is not a number of milliseconds from 1 to %d", x.TTL, int64(proto.MaxTTL)))
	case (x.Kind == Ephemeral) != (x.Stat.EphemeralOwner != 0):
		return r.fault("ephemeralOwner", errors.New("an ephemeral znode, and no other, has it"))
	}
	return nil
}

// mostACLs bounds the table of lists that are not read again.
const mostACLs = 1000

// acl reads a list.
func (r *Reader) acl() error {
	s := &r.scan
	s.space()
	from := s.i
	if end := bytes.IndexByte(s.b[from:], ']'); end >= 0 {
		if list, ok := r.acls[string(s.b[from:from+end+1])]; ok {
			s.i, r.record.ACL = from+end+1, list
			return nil
		}
	}
	list := []proto.ACL{}
	if err := s.list('[', ']', func() error {
		a, err := r.aclEntry()
		list = append(list, a)
		return err
	}); err != nil {
		return err
	}
	r.record.ACL = list
	// Text up to the first bracket is the list only if no name has one.
	if raw := s.b[from:s.i]; len(r.acls) < mostACLs && bytes.IndexByte(raw, ']') == len(raw)-1 {
		r.acls[string(raw)] = list
	}
	return nil
}

func (r *Reader) aclEntry() (a proto.ACL, err error) {
	s := &r.scan
	seen := map[string]bool{}
	err = s.object(func(name []byte) error {
		if seen[string(name)] {
			return fmt.Errorf("%s occurs twice in an entry", name)
		}
		seen[string(name)] = true
		switch string(name) {
		case "scheme", "id":
			to := &a.ID.Scheme
			if string(name) == "id" {
				to = &a.ID.ID
			}
			b, err := s.text()
			*to = string(b)
			return err
		case "perms":
			if s.next() != '"' {
				n, err := s.number()
				if err == nil && (n < math.MinInt32 || n > math.MaxInt32) {
					err = fmt.Errorf("%d is not a set of permissions", n)
				}
				a.Perms = proto.Perms(n)
				return err
			}
			b, err := s.text()
			if err != nil {
				return err
			}
			for _, c := range b {
				at := strings.IndexByte("rwcda", c)
				if at < 0 {
					return fmt.Errorf("%q is not a permission; use letters of cdrwa", c)
				}
				a.Perms |= 1 << at
			}
			return nil
		}
		return fmt.Errorf("unknown field %q in an entry; it has scheme, id and perms", name)
	})
	if err == nil && len(seen) != 3 {
		err = errors.New("an entry needs scheme, id and perms")
	}
	return a, err
}

// LastTrailer returns the trailer of an export without checking the rest.
func LastTrailer(name string) (Trailer, error) {
	r, err := Open(name)
	if err != nil {
		return Trailer{}, err
	}
	defer r.Close()
	last := []byte(nil)
	for {
		line, err := r.line()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Trailer{}, err
		}
		last = append(last[:0], line...)
	}
	r.number--
	r.scan.reset(last)
	if end, err := r.parse(); err != nil || !end {
		return Trailer{}, cmp.Or(err, r.fault("", errors.New("the last line is not that of an export; it was cut off")))
	}
	return r.end, nil
}
