package commands

import (
	"fmt"
	"io"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

// printStat prints a stat as zkCli does (StatPrinter).
func printStat(w io.Writer, s proto.Stat) {
	fmt.Fprintf(w, "cZxid = 0x%x\nctime = %s\nmZxid = 0x%x\nmtime = %s\npZxid = 0x%x\n"+
		"cversion = %d\ndataVersion = %d\naclVersion = %d\nephemeralOwner = 0x%x\ndataLength = %d\nnumChildren = %d\n",
		uint64(s.Czxid), ui.JavaDate(s.Ctime), uint64(s.Mzxid), ui.JavaDate(s.Mtime), uint64(s.Pzxid),
		s.Cversion, s.Version, s.Aversion, uint64(s.EphemeralOwner), s.DataLength, s.NumChildren)
}

// statJSON is a stat with ZooKeeper's field names. Zxids and the owner are 0x…, as in text,
// because many programs lose digits of JSON numbers beyond 2^53. Times are milliseconds since
// 1970.
type statJSON struct {
	Czxid          string `json:"czxid"`
	Mzxid          string `json:"mzxid"`
	Ctime          int64  `json:"ctime"`
	Mtime          int64  `json:"mtime"`
	Version        int32  `json:"version"`
	Cversion       int32  `json:"cversion"`
	Aversion       int32  `json:"aversion"`
	EphemeralOwner string `json:"ephemeralOwner"`
	DataLength     int32  `json:"dataLength"`
	NumChildren    int32  `json:"numChildren"`
	Pzxid          string `json:"pzxid"`
}

func jsonStat(s proto.Stat) *statJSON {
	return &statJSON{
		proto.Hex(s.Czxid), proto.Hex(s.Mzxid), s.Ctime, s.Mtime, s.Version, s.Cversion, s.Aversion,
		proto.Hex(s.EphemeralOwner), s.DataLength, s.NumChildren, proto.Hex(s.Pzxid),
	}
}

// dataJSON is a znode's data: null, text, or base64 with encoding "base64".
type dataJSON struct {
	Data     *string `json:"data"`
	Encoding string  `json:"encoding,omitempty"`
}

func jsonData(data []byte) dataJSON {
	if data == nil {
		return dataJSON{}
	}
	text, encoding := escape.DataText.Encode(data)
	return dataJSON{Data: &text, Encoding: string(encoding)}
}

type aclJSON struct {
	Scheme string `json:"scheme"`
	ID     string `json:"id"`
	Perms  string `json:"perms"`
}

func jsonACL(acl []proto.ACL) []aclJSON {
	list := make([]aclJSON, len(acl))
	for i, a := range acl {
		list[i] = aclJSON{a.ID.Scheme, a.ID.ID, a.Perms.String()}
	}
	return list
}
