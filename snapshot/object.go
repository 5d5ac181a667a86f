package snapshot

import (
	"strconv"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
)

// objectForm prints each znode as a JSON object on its own line. Zxids and owners are 0x…,
// because many programs lose digits of JSON numbers beyond 2^53. Times are milliseconds since
// 1970.
type objectForm struct {
	*ui.Batches
	data escape.DataForm
	acl  func(key int64) ([]proto.ACL, bool)
	acls map[int64][]byte // encoded, by key
}

func (f *objectForm) add(n *storage.Node) error {
	b := append(f.Text, `{"path":`...)
	if n.Path == "" {
		b = append(b, `"/"`...)
	} else {
		b = escape.AppendJSONString(b, n.Path)
	}
	b = appendDataJSON(b, f.data, n.Data)
	b = append(b, ',')
	b = appendStatJSON(b, &n.Stat, len(n.Data))
	list, ok := f.acls[n.ACL]
	if !ok {
		if f.acls == nil {
			f.acls = map[int64][]byte{}
		}
		acl, known := f.acl(n.ACL)
		list = appendACLJSON(nil, acl)
		if !known {
			list = []byte("null")
		}
		f.acls[n.ACL] = list
	}
	b = append(append(b, `,"acl":`...), list...)
	f.Text = append(b, "}\n"...)
	return f.More()
}

// appendDataJSON appends the field data, unless the form has none.
func appendDataJSON(b []byte, form escape.DataForm, data []byte) []byte {
	if form == escape.DataNone || form == escape.DataLength { // dataLength is one of the stat fields
		return b
	}
	return form.AppendJSON(append(b, `,"data":`...), data)
}

func appendStatJSON(b []byte, s *proto.StatPersisted, dataLength int) []byte {
	hex := func(name string, v int64) {
		b = append(proto.AppendHex(append(append(b, name...), `"0x`...), v), '"')
	}
	number := func(name string, v int64) { b = strconv.AppendInt(append(b, name...), v, 10) }
	hex(`"czxid":`, s.Czxid)
	hex(`,"mzxid":`, s.Mzxid)
	number(`,"ctime":`, s.Ctime)
	number(`,"mtime":`, s.Mtime)
	number(`,"version":`, int64(s.Version))
	number(`,"cversion":`, int64(s.Cversion))
	number(`,"aversion":`, int64(s.Aversion))
	hex(`,"ephemeralOwner":`, s.EphemeralOwner)
	number(`,"dataLength":`, int64(dataLength))
	hex(`,"pzxid":`, s.Pzxid)
	return b
}

func appendACLJSON(b []byte, acl []proto.ACL) []byte {
	b = append(b, '[')
	for i, a := range acl {
		if i > 0 {
			b = append(b, ',')
		}
		b = escape.AppendJSONString(append(b, `{"scheme":`...), a.ID.Scheme)
		b = escape.AppendJSONString(append(b, `,"id":`...), a.ID.ID)
		b = escape.AppendJSONString(append(b, `,"perms":`...), a.Perms.String())
		b = append(b, '}')
	}
	return append(b, ']')
}
