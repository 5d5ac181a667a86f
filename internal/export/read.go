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
	"os"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/zpath"
)

// maxLine bounds a line: the longest data that a client takes, each byte as an escape.
const maxLine = 6*client.DefaultMaxPacket + 1<<20

// ErrNotExport means that something else is in the file.
var ErrNotExport = errors.New("this is not an export")

// Is reports whether a file starts as an export does. It must be a regular file: what was read of a pipe is gone.
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
	head := make([]byte, 4*len(Mark)) // other programs write JSON with spaces
	n, _ := io.ReadFull(src, head)
	return bytes.HasPrefix(bytes.ReplaceAll(head[:n], []byte(" "), nil), []byte(Mark))
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
	parent := zpath.Parent(path)
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
