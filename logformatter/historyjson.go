package logformatter

import (
	"bufio"
	"encoding/json"
	"io"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

// jsonChange is one object per line, with the field names and data forms of dump --format json.
type jsonChange struct {
	data escape.DataForm
	w    io.Writer
}

func newJSONChange(w io.Writer, data escape.DataForm) *jsonChange {
	return &jsonChange{data, w}
}

type changeObject struct {
	Zxid           string          `json:"zxid"`
	SessionID      string          `json:"sessionId,omitempty"`
	ClientID       string          `json:"clientId,omitempty"` // the previous name of sessionId, kept for one release
	Cxid           *int32          `json:"cxid,omitempty"`
	Time           int64           `json:"time"`
	Type           string          `json:"type"`
	Multi          bool            `json:"multi,omitempty"`
	Path           string          `json:"path"`
	Change         string          `json:"change"`
	Snapshot       string          `json:"snapshot,omitempty"`
	Err            *int32          `json:"err,omitempty"`
	Error          string          `json:"error,omitempty"`
	SessionEnd     string          `json:"sessionEnd,omitempty"`
	Data           json.RawMessage `json:"data,omitempty"`
	Encoding       string          `json:"encoding,omitempty"`
	DataLength     *int            `json:"dataLength,omitempty"`
	OldData        json.RawMessage `json:"oldData,omitempty"`
	OldEncoding    string          `json:"oldEncoding,omitempty"`
	OldDataLength  *int            `json:"oldDataLength,omitempty"`
	OldUnknown     bool            `json:"oldUnknown,omitempty"`
	ACL            []aclObject     `json:"acl,omitempty"`
	OldACL         []aclObject     `json:"oldAcl,omitempty"`
	Version        *int32          `json:"version,omitempty"`
	OldVersion     *int32          `json:"oldVersion,omitempty"`
	Aversion       *int32          `json:"aversion,omitempty"`
	OldAversion    *int32          `json:"oldAversion,omitempty"`
	EphemeralOwner string          `json:"ephemeralOwner,omitempty"`
	Container      bool            `json:"container,omitempty"`
	TTL            int64           `json:"ttl,omitempty"`
	CRCError       bool            `json:"crcError,omitempty"`
}

type aclObject struct {
	Scheme string `json:"scheme"`
	ID     string `json:"id"`
	Perms  string `json:"perms"`
}

func (j *jsonChange) write(_ *bufio.Writer, c *change) error {
	o := changeObject{
		Zxid: proto.Hex(c.Zxid), SessionID: proto.Hex(c.ClientID), ClientID: proto.Hex(c.ClientID), Cxid: &c.Cxid, Time: c.Time,
		Type: c.op.String(), Multi: c.multi, Path: c.path, Change: c.what, CRCError: c.damaged, Snapshot: c.snapshot,
	}
	if c.what == changePresent {
		o.Type, o.SessionID, o.ClientID, o.Cxid = "snapshot", "", "", nil
	}
	if c.err != nil {
		o.Err, o.Error = (*int32)(c.err), c.err.Name()
	}
	if c.op == proto.OpCloseSession {
		o.SessionEnd = sessionEnd(&c.TxnHeader)
	}
	aclOnly := c.op == proto.OpSetACL
	whole := c.what == changePresent || c.op.Creates()
	if z := c.now; z != nil {
		o.Container, o.TTL = z.container, z.ttl
		if z.owner != 0 {
			o.EphemeralOwner = proto.Hex(z.owner)
		}
		if z.data && !aclOnly {
			o.Data, o.Encoding, o.DataLength = j.value(z.bytes)
			o.Version = &z.version
		}
		if z.acl && (aclOnly || whole) {
			o.ACL, o.Aversion = aclObjects(z.list), &z.aversion
		}
	}
	switch z := c.old; {
	case c.op == proto.OpCheck:
		o.Version = &c.version
	case whole:
	case z == nil || aclOnly && !z.acl || !aclOnly && !z.data:
		o.OldUnknown = true
	case aclOnly:
		o.OldACL, o.OldAversion = aclObjects(z.list), &z.aversion
	default:
		o.OldData, o.OldEncoding, o.OldDataLength = j.value(z.bytes)
		o.OldVersion = &z.version
	}
	return ui.PrintJSON(j.w, &o)
}

func (j *jsonChange) value(data []byte) (value json.RawMessage, encoding string, length *int) {
	switch {
	case j.data == escape.DataNone:
		return nil, "", nil
	case j.data == escape.DataLength:
		n := len(data)
		return nil, "", &n
	case data == nil:
		return json.RawMessage("null"), "", nil
	}
	text, form := j.data.Encode(data)
	return escape.AppendJSONString(nil, text), string(form), nil
}

func aclObjects(list []proto.ACL) []aclObject {
	objects := make([]aclObject, len(list))
	for i, a := range list {
		objects[i] = aclObject{a.ID.Scheme, a.ID.ID, a.Perms.String()}
	}
	return objects
}
