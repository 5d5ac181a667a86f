package logformatter

import (
	"bytes"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

// formatter writes encoded transactions as text to a buffer. There is one per format.
type formatter interface {
	// append appends the transaction, with its line break, to dst. On error dst is unchanged.
	append(dst, raw []byte) ([]byte, error)
}

// toolkitForm is what Apache's TxnLogToolkit of 3.8 prints.
type toolkitForm struct {
	dates ui.LogDates
	tty   bool // text from outside is escaped, including line breaks
}

func (t *toolkitForm) append(dst, raw []byte) ([]byte, error) {
	from := len(dst)
	f := fields{b: raw, tty: t.tty}
	h := f.header()
	dst = appendHead(dst, &t.dates, &h)
	dst, err := appendToolkitBody(dst, &f, h.Type)
	if err == nil {
		err = f.err()
	}
	if err != nil {
		return dst[:from], err
	}
	if dst[len(dst)-1] != '\n' { // as a multi may that ends in the data of its last part
		dst = append(dst, '\n')
	}
	return dst, nil
}

// logFormatterForm is what LogFormatter printed up to 3.5.
type logFormatterForm struct {
	dates ui.LogDates
	tty   bool // as in toolkitForm
}

func (l *logFormatterForm) append(dst, raw []byte) ([]byte, error) {
	from := len(dst)
	f := fields{b: raw, tty: l.tty}
	h := f.header()
	dst = appendHead(dst, &l.dates, &h)
	dst, err := appendRecord(dst, &f, h.Type, "null")
	if err == nil {
		err = f.err()
	}
	if err != nil {
		return dst[:from], err
	}
	return append(dst, '\n'), nil
}

func appendHead(dst []byte, dates *ui.LogDates, h *proto.TxnHeader) []byte {
	dst = dates.Append(dst, h.Time)
	dst = proto.AppendHex(append(dst, " session 0x"...), h.ClientID)
	dst = proto.AppendHex(append(dst, " cxid 0x"...), int64(h.Cxid))
	dst = proto.AppendHex(append(dst, " zxid 0x"...), h.Zxid)
	dst = append(append(dst, ' '), opName(h.Type)...)
	return append(dst, ' ')
}

// appendToolkitBody is TxnLogToolkit.getFormattedTxnStr: the types that it knows have data, which is
// text; the others print as the record's toString. Most lines have this form, hence no loop over the layout.
func appendToolkitBody(dst []byte, f *fields, op proto.Op) ([]byte, error) {
	switch op {
	case proto.OpCreate, proto.OpCreate2:
		dst = appendPathData(dst, f)
		dst = appendACLList(dst, f)
		if f.bool() {
			dst = append(dst, ",true,"...)
		} else {
			dst = append(dst, ",false,"...)
		}
		return appendInt(dst, int64(parentCVersion(f, op))), nil
	case proto.OpCreateContainer, proto.OpCreateTTL:
		dst = appendPathData(dst, f)
		dst = appendACLList(dst, f)
		dst = appendInt(append(dst, ','), int64(f.int()))
		if op == proto.OpCreateTTL {
			dst = appendInt(append(dst, ','), f.long())
		}
		return dst, nil
	case proto.OpSetData, proto.OpReconfig:
		dst = appendPathData(dst, f)
		return appendInt(dst, int64(f.int())), nil
	case proto.OpMulti:
		n := f.count(8)
		for i := 0; i < n && !f.bad; i++ {
			if i > 0 {
				dst = append(dst, ';')
			}
			dst = append(dst, opName(proto.Op(f.int()))...)
			dst = appendText(append(dst, ':'), f.text())
		}
		return dst, nil
	}
	return appendRecord(dst, f, op, "")
}

// appendPathData appends path and data, each followed by a comma.
func appendPathData(dst []byte, f *fields) []byte {
	dst = append(appendString(dst, f.text()), ',')
	return append(appendText(dst, f.text()), ',')
}

// parentCVersion returns -1 for a create written by 3.3 or earlier, which has no such field.
func parentCVersion(f *fields, op proto.Op) int32 {
	if op == proto.OpCreate && !f.bad && len(f.b) < 4 {
		f.b = nil
		return -1
	}
	return f.int()
}

// openACL is world:anyone with all permissions, encoded, which nearly every create has.
var openACL = []byte("\x00\x00\x00\x01\x00\x00\x00\x1f\x00\x00\x00\x05world\x00\x00\x00\x06anyone")

// appendACLList appends a list as java.util.List.toString does: each element ends with a line
// break.
func appendACLList(dst []byte, f *fields) []byte {
	if bytes.HasPrefix(f.b, openACL) {
		f.b = f.b[len(openACL):]
		return append(dst, "[31,s{'world,'anyone}\n]"...)
	}
	n := f.count(12)
	if n < 0 {
		return append(dst, "null"...)
	}
	dst = append(dst, '[')
	for i := 0; i < n && !f.bad; i++ {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(appendACL(dst, f), '\n')
	}
	return append(dst, ']')
}

func appendACL(dst []byte, f *fields) []byte {
	dst = appendInt(dst, int64(f.int()))
	dst = appendEscaped(append(dst, ",s{"...), f.text())
	dst = appendEscaped(append(dst, ','), f.text())
	return append(dst, '}')
}

// appendACLVector appends a list as jute's ToStringOutputArchive does.
func appendACLVector(dst []byte, f *fields) []byte {
	if bytes.HasPrefix(f.b, openACL) {
		f.b = f.b[len(openACL):]
		return append(dst, "v{s{31,s{'world,'anyone}}}"...)
	}
	dst = append(dst, "v{"...)
	n := f.count(12)
	for i := 0; i < n && !f.bad; i++ {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendACL(append(dst, "s{"...), f), '}')
	}
	return append(dst, '}')
}

// appendRecord appends a record's toString, which ends with a line break; none is what
// stands for a closeSession without a body.
func appendRecord(dst []byte, f *fields, op proto.Op, none string) ([]byte, error) {
	switch op { // those that logs are full of: a loop over the layout takes a few percent longer
	case proto.OpCreate, proto.OpCreate2:
		dst = appendEscaped(dst, f.text())
		dst = appendEscapedBuffer(append(dst, ','), f.buffer())
		dst = appendACLVector(append(dst, ','), f)
		if f.bool() {
			dst = append(dst, ",T,"...)
		} else {
			dst = append(dst, ",F,"...)
		}
		return append(appendInt(dst, int64(parentCVersion(f, op))), '\n'), nil
	case proto.OpSetData:
		dst = appendEscaped(dst, f.text())
		dst = appendEscapedBuffer(append(dst, ','), f.buffer())
		return append(appendInt(append(dst, ','), int64(f.int())), '\n'), nil
	case proto.OpDelete:
		return append(appendEscaped(dst, f.text()), '\n'), nil
	}
	list := layout(op)
	switch {
	case list == nil, op == proto.OpCheck: // Apache's tools know check only as a part of a multi
		return dst, unsupported(op)
	case list[0].kind != fieldPath:
		return appendSole(dst, f, list[0].kind, none), nil
	}
	dst = appendEscaped(dst, f.text())
	for i := 1; i < len(list); i++ {
		dst = append(dst, ',')
		switch list[i].kind {
		case fieldData:
			dst = appendEscapedBuffer(dst, f.buffer())
		case fieldACL:
			dst = appendACLVector(dst, f)
		case fieldBool:
			if f.bool() {
				dst = append(dst, 'T')
			} else {
				dst = append(dst, 'F')
			}
		case fieldCVersion:
			dst = appendInt(dst, int64(parentCVersion(f, op)))
		case fieldInt:
			dst = appendInt(dst, int64(f.int()))
		case fieldLong:
			dst = appendInt(dst, f.long())
		}
	}
	return append(dst, '\n'), nil
}

// appendSole is appendRecord for a record about no znode, which has one field.
func appendSole(dst []byte, f *fields, kind fieldKind, none string) []byte {
	switch kind {
	case fieldInt, fieldError:
		dst = appendInt(dst, int64(f.int()))
	case fieldPaths:
		n := f.closedPaths()
		if n < 0 {
			return append(dst, none...)
		}
		dst = append(dst, "v{"...)
		for i := 0; i < n; i++ {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendEscaped(dst, f.text())
		}
		dst = append(dst, '}')
	case fieldParts:
		dst = append(dst, "v{"...)
		n := f.count(8)
		for i := 0; i < n && !f.bad; i++ {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendInt(append(dst, "s{"...), int64(f.int()))
			dst = append(appendEscapedBuffer(append(dst, ','), f.buffer()), '}')
		}
		dst = append(dst, '}')
	}
	return append(dst, '\n')
}
