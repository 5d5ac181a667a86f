package replica

import (
	"testing"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
)

// FuzzWeigh weighs the replies to requests of any bytes, as happens before they are parsed.
func FuzzWeigh(f *testing.F) {
	path := jute.Marshal(&proto.PathWatchRequest{Path: "/"})
	for op := range operations {
		f.Add(int32(op), path)
		f.Add(int32(op), []byte{0x7f, 0xff, 0xff, 0xff})
	}
	f.Add(int32(proto.OpMultiRead), jute.Marshal(&proto.MultiRequest{Ops: []proto.MultiOp{
		{Type: proto.OpGetData, Request: &proto.PathWatchRequest{Path: "/"}},
		{Type: proto.OpGetChildren, Request: &proto.PathWatchRequest{Path: "/zookeeper"}},
	}}))
	f.Fuzz(func(t *testing.T, op int32, body []byte) {
		s := &Replica{owned: owned{tree: ztree.New()}}
		r := &request{}
		r.Type, r.Body, r.Session = proto.Op(op), body, 1
		// A znode's reply is as large as the znode; lists in a request count, too.
		if weight := s.weigh(r); weight < 100 || weight > 10_000+64*len(body) {
			t.Errorf("a reply of %d bytes to %v of %d bytes", weight, r.Type, len(body))
		}
	})
}
