package logformatter

import (
	"encoding/hex"
	"strconv"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
)

// jsonForm writes one object per line, with ZooKeeper's field names. Zxids, sessions, digests and
// checksums are 0x…, because many programs lose digits of JSON numbers beyond 2^53; times are
// milliseconds since 1970.
type jsonForm struct {
	data   escape.DataForm
	stored int64 // the checksum stored in the file
	intact bool
}

func (j *jsonForm) append(dst, raw []byte) ([]byte, error) {
	from := len(dst)
	f := fields{b: raw}
	h := f.header()
	dst = proto.AppendHex(append(dst, `{"zxid":"0x`...), h.Zxid)
	dst = proto.AppendHex(append(dst, `","sessionId":"0x`...), h.ClientID)
	dst = proto.AppendHex(append(dst, `","clientId":"0x`...), h.ClientID) // the previous name of sessionId, kept for one release
	dst = appendInt(append(dst, `","cxid":`...), int64(h.Cxid))
	dst = appendInt(append(dst, `,"time":`...), h.Time)
	dst = append(append(append(dst, `,"type":"`...), h.Type.String()...), '"')
	dst, err := j.body(dst, &f, h.Type)
	if err == nil {
		err = f.err()
	}
	if err != nil {
		return dst[:from], err
	}
	if len(f.b) >= 12 {
		dst = appendInt(append(dst, `,"digest":{"version":`...), int64(f.int()))
		dst = append(proto.AppendHex(append(dst, `,"treeDigest":"0x`...), f.long()), `"}`...)
	}
	dst = append(proto.AppendHex(append(dst, `,"crc":"0x`...), j.stored), '"')
	if !j.intact {
		dst = append(dst, `,"crcError":true`...)
	}
	return append(dst, "}\n"...), nil
}

// body adds the fields of the transaction's record, each preceded by a comma.
func (j *jsonForm) body(dst []byte, f *fields, op proto.Op) ([]byte, error) {
	list := layout(op)
	if list == nil {
		return dst, unsupported(op)
	}
	for i := range list {
		dst = append(dst, list[i].json...)
		switch list[i].kind {
		case fieldPath:
			dst = appendJSONString(dst, f.buffer())
		case fieldData:
			dst = j.appendData(dst, f.buffer())
		case fieldACL:
			dst = appendJSONACL(dst, f)
		case fieldBool:
			dst = strconv.AppendBool(dst, f.bool())
		case fieldCVersion:
			dst = appendInt(dst, int64(parentCVersion(f, op)))
		case fieldInt:
			dst = appendInt(dst, int64(f.int()))
		case fieldLong:
			dst = appendInt(dst, f.long())
		case fieldError:
			code := proto.Error(f.int())
			dst = appendInt(append(dst, `,"err":`...), int64(code))
			dst = appendJSONField(dst, "error", []byte(code.Name()))
		case fieldPaths:
			n := f.closedPaths()
			if n < 0 {
				return append(dst, `,"paths2Delete":null`...), nil
			}
			dst = append(dst, `,"paths2Delete":[`...)
			for i := 0; i < n; i++ {
				if i > 0 {
					dst = append(dst, ',')
				}
				dst = appendJSONString(dst, f.buffer())
			}
			dst = append(dst, ']')
		case fieldParts:
			dst = append(dst, `,"txns":[`...)
			n := f.count(8)
			for i := 0; i < n && !f.bad; i++ {
				if i > 0 {
					dst = append(dst, ',')
				}
				dst = j.part(dst, f)
			}
			dst = append(dst, ']')
		}
	}
	return dst, nil
}

// part adds one part of a multi, or its raw bytes if it cannot be decoded.
func (j *jsonForm) part(dst []byte, f *fields) []byte {
	op := proto.Op(f.int())
	raw := f.buffer()
	dst = append(append(append(dst, `{"type":"`...), op.String()...), '"')
	from := len(dst)
	fields := fields{b: raw}
	if op != proto.OpMulti {
		var err error
		if dst, err = j.body(dst, &fields, op); err == nil && fields.err() == nil {
			return append(dst, '}')
		}
	}
	dst = hex.AppendEncode(append(dst[:from], `,"undecoded":"`...), raw)
	return append(dst, `"}`...)
}

func (j *jsonForm) appendData(dst, data []byte) []byte {
	switch {
	case j.data == escape.DataNone:
		return dst
	case j.data == escape.DataLength:
		if data == nil {
			return append(dst, `,"dataLength":null`...)
		}
		return appendInt(append(dst, `,"dataLength":`...), int64(len(data)))
	}
	return j.data.AppendJSON(append(dst, `,"data":`...), data)
}

func appendJSONField(dst []byte, name string, value []byte) []byte {
	dst = append(append(append(dst, `,"`...), name...), `":`...)
	return appendJSONString(dst, value)
}

func appendJSONACL(dst []byte, f *fields) []byte {
	n := f.count(12)
	if n < 0 {
		return append(dst, `,"acl":null`...)
	}
	dst = append(dst, `,"acl":[`...)
	for i := 0; i < n && !f.bad; i++ {
		if i > 0 {
			dst = append(dst, ',')
		}
		perms := proto.Perms(f.int())
		scheme, id := f.buffer(), f.buffer()
		dst = appendJSONString(append(dst, `{"scheme":`...), scheme)
		dst = appendJSONString(append(dst, `,"id":`...), id)
		dst = append(append(append(dst, `,"perms":"`...), perms.String()...), `"}`...)
	}
	return append(dst, ']')
}

// appendJSONString appends a string, or null for nil.
func appendJSONString(dst, s []byte) []byte {
	if s == nil {
		return append(dst, "null"...)
	}
	return escape.AppendJSON(dst, s)
}
