package export

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
)

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
		if err == nil && (x.Next < 0 || x.Next > math.MaxInt32) {
			err = fmt.Errorf("%d is not a counter, from 0 to %d", x.Next, math.MaxInt32)
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
	if len(list) == 0 {
		return errors.New("it is empty; leave the field out if the ACL is not known")
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
