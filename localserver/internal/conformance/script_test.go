package conformance

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
)

var open = proto.OpenACL

func create(path string, mode proto.CreateMode) []byte {
	return raw(path, []byte("data"), open, int32(mode))
}

func acls(list ...proto.ACL) []proto.ACL { return list }

func acl(perms proto.Perms, scheme, id string) proto.ACL {
	return proto.ACL{Perms: perms, ID: proto.ID{Scheme: scheme, ID: id}}
}

// part is one part of a multi.
func part(op proto.Op, body ...any) []byte {
	return append(jute.Marshal(&proto.MultiHeader{Type: op, Err: -1}), raw(body...)...)
}

var multiEnd = verbatim(jute.Marshal(&proto.MultiHeader{Type: -1, Done: true, Err: -1}))

func multi(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = append(out, p...)
	}
	return append(out, multiEnd...)
}

// make creates a persistent znode.
func (p *player) make(name string, paths ...string) {
	for _, path := range paths {
		p.send(name, proto.OpCreate, verbatim(create(path, proto.Persistent)))
	}
}

// look reads everything about a znode.
func (p *player) look(name, path string) {
	p.send(name, proto.OpGetData, path, false)
	p.send(name, proto.OpGetChildren2, path, false)
}

var badPaths = []string{"", "a", "/", "//", "/a/", "/a//b", "/a/./b", "/a/../b", "/.", "/..", "/.../x", "/a\x00b", "/\x00",
	"/\x01", "/\x1f", "/\x7f", "/\u0080", "/\u009f", "/\u00a0", "/\ud7ff", "/\ue000", "/\uf8ff", "/\uf900", "/\uffef", "/\ufff0",
	"/\uffff", "/\U0001f600", "/\xed\xa0\x80", "/\xff", "/\xc0\x80", "/a ", "/\n", "/\t", "/a/b/", "relative/path", "/none/child", "/zookeeper",
	"/zookeeper/", "/zookeeper/quota", "/zookeeper/config", "/ok.", "/..ok", "/.ok", "/é", "/zookeeper/new"}

var scripts = map[string]func(p *player){
	"create and read": func(p *player) {
		p.open("A")
		for _, op := range []proto.Op{proto.OpCreate, proto.OpCreate2} {
			root := "/cr" + op.String()
			p.make("A", root)
			for mode := proto.CreateMode(-2); mode < 9; mode++ {
				p.send("A", op, verbatim(create(root+"/m", mode)))
				p.send("A", op, verbatim(create(root+"/m", mode)))
				p.send("A", proto.OpGetChildren2, root, false)
				p.send("A", proto.OpExists, root+"/m", false)
				p.send("A", proto.OpDelete, root+"/m", -1)
			}
			p.look("A", root)
		}
		p.make("A", "/crc")
		for mode := proto.CreateMode(-1); mode < 8; mode++ {
			p.send("A", proto.OpCreateContainer, verbatim(create("/crc/m", mode)))
			p.send("A", proto.OpExists, "/crc/m", false)
			p.send("A", proto.OpGetEphemerals, "")
			p.send("A", proto.OpCreate, verbatim(create("/crc/m/kid", proto.Persistent)))
			p.send("A", proto.OpDelete, "/crc/m/kid", -1)
			p.send("A", proto.OpDelete, "/crc/m", -1)
		}
		p.make("A", "/crt")
		for mode := proto.CreateMode(-1); mode < 8; mode++ {
			for _, ttl := range []int64{1, 0, 1 << 40, proto.MaxTTL, -2, 1 << 62} {
				if ttl < 0 && !mode.IsTTL() {
					continue // crashes Apache ZooKeeper: see TestCreateTTLWithout
				}
				p.send("A", proto.OpCreateTTL, "/crt/m", []byte("x"), open, int32(mode), ttl)
				p.send("A", proto.OpExists, "/crt/m", false)
				p.send("A", proto.OpDelete, "/crt/m", -1)
			}
		}
		p.look("A", "/crt")
		p.send("A", proto.OpCreate, "/crn", null{}, open, 0)
		p.look("A", "/crn")
		p.send("A", proto.OpSetData, "/crn", null{}, -1)
		p.look("A", "/crn")
		p.send("A", proto.OpCreate, "/crn/e", []byte{}, open, 1)
		p.send("A", proto.OpCreate, "/crn/e/x", []byte{}, open, 0)
		p.send("A", proto.OpCreate, "/crn/e/x", []byte{}, open, 2)
		p.look("A", "/crn/e")
		p.look("A", "/")
		p.look("A", "/zookeeper")
		p.look("A", "/zookeeper/config")
		p.look("A", "/zookeeper/quota")
		p.send("A", proto.OpGetACL, "/")
		p.send("A", proto.OpGetACL, "/zookeeper")
		p.send("A", proto.OpGetACL, "/zookeeper/config")
		p.send("A", proto.OpGetACL, "/zookeeper/quota")
		p.send("A", proto.OpGetACL, "/none")
	},
	"bad paths": func(p *player) {
		p.open("A")
		p.make("A", "/a")
		for _, path := range badPaths {
			for mode := range proto.CreateMode(4) {
				p.send("A", proto.OpCreate, verbatim(create(path, mode)))
			}
			p.send("A", proto.OpCreate2, verbatim(create(path, 0)))
			p.send("A", proto.OpCreateContainer, verbatim(create(path, 4)))
			p.send("A", proto.OpCreateTTL, path, []byte{}, open, 5, int64(100_000_000))
			p.send("A", proto.OpExists, path, true)
			p.send("A", proto.OpGetData, path, true)
			p.send("A", proto.OpGetChildren, path, true)
			p.send("A", proto.OpGetChildren2, path, false)
			p.send("A", proto.OpGetACL, path)
			p.send("A", proto.OpSync, path)
			if path != "/" && path != "" {
				p.send("A", proto.OpSetData, path, []byte("new"), -1)
				p.send("A", proto.OpSetACL, path, open, -1)
			}
			p.send("A", proto.OpCheck, path, 77)
			p.send("A", proto.OpGetAllChildrenNumber, path)
			p.send("A", proto.OpGetEphemerals, path)
			p.send("A", proto.OpAddWatch, path, 0)
			p.send("A", proto.OpCheckWatches, path, 3)
			p.send("A", proto.OpRemoveWatches, path, 3)
			p.send("A", proto.OpSetWatches, int64(0), []string{path}, []string{path}, []string{path})
			p.send("A", proto.OpMulti, verbatim(multi(part(proto.OpCreate, verbatim(create("/bp", 0))), part(proto.OpCheck, path, 77),
				part(proto.OpDelete, path, 77))))
			p.send("A", proto.OpMulti, verbatim(multi(part(proto.OpCreate, verbatim(create(path+"x", 2))), part(proto.OpCreate, verbatim(create(path+"x", 0))))))
			p.send("A", proto.OpMultiRead, verbatim(multi(part(proto.OpGetData, path, false), part(proto.OpGetChildren, path, false))))
			p.send("A", proto.OpDelete, path, -1)
		}
		p.send("A", proto.OpCreate, verbatim(create("a", 0)))
	},
	"null strings": func(p *player) {
		p.open("A")
		p.make("A", "/ns")
		rest := map[proto.Op][]any{
			proto.OpCreate: {[]byte{}, open, 0}, proto.OpCreate2: {[]byte{}, open, 0}, proto.OpCreateContainer: {[]byte{}, open, 4},
			proto.OpCreateTTL: {[]byte{}, open, 5, int64(99999999)}, proto.OpDelete: {-1}, proto.OpSetData: {[]byte{}, -1},
			proto.OpSetACL: {open, -1}, proto.OpCheck: {-1}, proto.OpExists: {false}, proto.OpGetData: {false},
			proto.OpGetChildren: {false}, proto.OpGetChildren2: {false}, proto.OpGetACL: nil, proto.OpGetAllChildrenNumber: nil,
			proto.OpGetEphemerals: nil, proto.OpSync: nil, proto.OpCheckWatches: {3}, proto.OpRemoveWatches: {3},
		}
		for _, op := range slices.Sorted(maps.Keys(rest)) {
			p.send("A", op, append([]any{null{}}, rest[op]...)...)
		}
		for _, list := range [][]any{
			{null{}}, {0}, {1, 31, null{}, "anyone"},
			{1, 31, null{}, null{}}, {1, 31, "auth", null{}}, {1, 31, "none", null{}},
		} {
			body := append(append([]any{"/ns/x", []byte{}}, list...), 0)
			p.send("A", proto.OpCreate, body...)
			p.send("A", proto.OpSetACL, append(append([]any{"/ns"}, list...), -1)...)
		}
		p.send("A", proto.OpGetACL, "/ns")
		p.look("A", "/ns")
		p.send("A", proto.OpGetData, "/ns", false)
	},
	"malformed bodies": func(p *player) {
		p.open("A")
		p.make("A", "/mb")
		bodies := map[proto.Op][]byte{
			proto.OpCreate: create("/mb/x", 0), proto.OpCreate2: create("/mb/x", 0), proto.OpCreateContainer: create("/mb/x", 4),
			proto.OpCreateTTL: raw("/mb/x", []byte{}, open, 5, int64(99999999)), proto.OpDelete: raw("/mb/x", 9),
			proto.OpSetData: raw("/mb", []byte("b"), -1), proto.OpSetACL: raw("/mb", open, -1), proto.OpCheck: raw("/mb", 99),
			proto.OpExists: raw("/mb", true), proto.OpGetData: raw("/mb", true), proto.OpGetChildren: raw("/mb", true),
			proto.OpGetChildren2: raw("/mb", true), proto.OpGetACL: raw("/mb"), proto.OpGetAllChildrenNumber: raw("/mb"),
			proto.OpGetEphemerals: raw("/mb"), proto.OpSync: raw("/mb"), proto.OpCheckWatches: raw("/mb", 3), proto.OpRemoveWatches: raw("/mb", 3),
			proto.OpAddWatch: raw("/mb", 0), proto.OpSetWatches: raw(int64(1), []string{"/mb"}, []string{}, []string{}),
			proto.OpSetWatches2: raw(int64(1), []string{"/mb"}, []string{}, []string{}, []string{}, []string{}),
			proto.OpMulti:       multi(part(proto.OpCheck, "/mb", -1)), proto.OpMultiRead: multi(part(proto.OpGetData, "/mb", false)),
			proto.OpReconfig: raw(null{}, null{}, null{}, int64(-1)), proto.OpWhoAmI: nil, proto.OpDeleteContainer: raw("/mb"),
			proto.OpCreateSession: raw(5000),
		}
		counts := map[proto.Op][]int{proto.OpCreate: {17}, proto.OpCreate2: {17}, proto.OpCreateContainer: {17}, proto.OpCreateTTL: {13},
			proto.OpSetACL: {7}, proto.OpSetWatches: {8, 19, 23}, proto.OpSetWatches2: {8, 19, 23, 27, 31}}
		for op := proto.Op(-20); op < 120; op++ {
			body, ok := bodies[op]
			if !ok {
				continue
			}
			for n := 0; n < len(body) && op != proto.OpReconfig; n += 1 + n/6 {
				p.send("A", op, verbatim(body[:n]))
			}
			p.send("A", op, verbatim(append(body[:len(body):len(body)], "trailing"...)))
			for i := 0; i+4 <= len(body) && i < 40; i += 2 {
				for _, v := range []byte{0xff, 0x7f} {
					if op == proto.OpReconfig {
						continue // an unreadable one gets no zxid there
					}
					bad := append([]byte{}, body...)
					bad[i], bad[i+1] = v, 0xff
					if slices.ContainsFunc(counts[op], func(at int) bool { return bad[at]&0x80 != 0 }) {
						continue // a vector with a negative length is empty there, and refused here
					}
					if op == proto.OpCreateTTL && i > 30 {
						continue
					}
					p.send("A", op, verbatim(bad))
				}
			}
		}
		p.look("A", "/mb")
	},
	"operations that are none": func(p *player) {
		for op := proto.Op(-15); op < 130; op++ {
			switch op {
			case proto.OpNotification, proto.OpError, proto.OpAuth, proto.OpSASL, 10, -2, -9, 99, 108, 127, 23:
			case proto.OpCreateSession, proto.OpCloseSession:
			default:
				continue
			}
			p.open("A")
			p.make("A", "/on")
			p.send("A", op)
			p.end("A")
			p.open("A")
			p.send("A", op, int64(5000), int64(1), int64(2))
			p.send("A", proto.OpGetChildren, "/on", false)
			p.sendRaw("A", request(-1, op, raw("x")))
			p.sendRaw("A", request(-2, op, raw("x")))
			p.end("A")
		}
		p.open("B")
		for _, xid := range []int32{-1, -4, -8, -100, 0, 1 << 30} {
			p.sendRaw("B", request(xid, proto.OpGetData, raw("/on", false)))
			p.sendRaw("B", request(xid, proto.OpSetData, raw("/on", []byte("y"), -1)))
			p.sendRaw("B", request(xid, proto.OpPing, nil))
			p.sendRaw("B", request(xid, proto.OpPing, raw("body")))
		}
		for _, b := range [][]byte{{0, 0, 0, 0}, {0, 0, 0, 4, 1, 2, 3, 4}, {0, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7}, {0xff, 0xff, 0xff, 0xff}, {0x7f, 0, 0, 0}, {0, 0x10, 0, 0}} {
			p.open("C")
			p.sendRaw("C", b)
			p.end("C")
		}
	},
	"versions": func(p *player) {
		p.open("A")
		p.make("A", "/v", "/v/kid")
		for _, v := range []int{-2, 0, 0, 1, 1, 5, -1, 1 << 30} {
			p.send("A", proto.OpSetData, "/v", []byte("d"), v)
			p.send("A", proto.OpSetACL, "/v", open, v)
			p.send("A", proto.OpCheck, "/v", v)
			p.send("A", proto.OpDelete, "/v", v)
			p.send("A", proto.OpDelete, "/v/none", v)
			p.send("A", proto.OpSetData, "/v/none", []byte("d"), v)
		}
		p.look("A", "/v")
		p.send("A", proto.OpDelete, "/v/kid", 3)
		p.send("A", proto.OpDelete, "/v/kid", 0)
		p.send("A", proto.OpDelete, "/v", -1)
	},
	"sequences": func(p *player) {
		p.open("A")
		p.make("A", "/s", "/s/-")
		for range 3 {
			p.send("A", proto.OpCreate, verbatim(create("/s/n-", 2)))
			p.send("A", proto.OpCreate2, verbatim(create("/s/", 3)))
			p.send("A", proto.OpCreateTTL, "/s/t", []byte{}, open, 6, int64(99999999))
			p.send("A", proto.OpDelete, "/s/n-0000000001", -1)
			p.send("A", proto.OpCreate, verbatim(create("/s/p", 0)))
			p.send("A", proto.OpDelete, "/s/p", -1)
		}
		p.look("A", "/s")
		p.pipeline("A", call{proto.OpCreate, create("/s/q", 2)}, call{proto.OpCreate, create("/s/q", 2)}, call{proto.OpGetChildren2, raw("/s", false)},
			call{proto.OpMulti, multi(part(proto.OpCreate, verbatim(create("/s/m", 2))), part(proto.OpCreate, verbatim(create("/s/m", 2))), part(proto.OpDelete, "/none", -1))},
			call{proto.OpCreate, create("/s/q", 2)},
			call{proto.OpMulti, multi(part(proto.OpCreate, verbatim(create("/s/m", 2))), part(proto.OpCreate, verbatim(create("/s/m", 3))))},
			call{proto.OpCreate, create("/s/q", 2)}, call{proto.OpGetChildren2, raw("/s", false)})
		p.send("A", proto.OpCreate, verbatim(create("/s/q0000000033", 0)))
		p.send("A", proto.OpCreate, verbatim(create("/", 2)))
		p.look("A", "/s")
	},
	"access": func(p *player) {
		p.open("A")
		p.open("B")
		p.open("S")
		p.send("A", proto.OpAuth, 0, "digest", []byte("alice:a"))
		p.send("S", proto.OpAuth, 0, "digest", []byte("super:secret"))
		p.send("B", proto.OpAuth, 0, "digest", []byte("bob:b"))
		p.send("B", proto.OpAuth, 0, "digest", []byte("bob:b"))
		p.send("B", proto.OpAuth, 7, "digest", []byte("other:x"))
		p.send("B", proto.OpAuth, 7, "ip", []byte("whatever"))
		for _, s := range []string{"A", "B", "S"} {
			p.send(s, proto.OpWhoAmI)
			p.send(s, proto.OpWhoAmI, "trailing")
		}
		p.send("A", proto.OpCreate, "/acc", []byte("x"), open, 0)
		lists := [][]proto.ACL{
			{}, {acl(31, "world", "anyone")}, {acl(31, "world", "someone")}, {acl(31, "auth", "")}, {acl(31, "auth", "x")}, {acl(31, "none", "x")},
			{acl(1, "world", "anyone"), acl(1, "world", "anyone")}, {acl(1, "auth", ""), acl(2, "auth", "")}, {acl(0, "world", "anyone")},
			{acl(-1, "world", "anyone")}, {acl(0x7fffffff, "digest", "a:b")}, {acl(31, "digest", "a")}, {acl(31, "digest", "a:b:c")}, {acl(31, "digest", ":")},
			{acl(31, "digest", "")}, {acl(31, "ip", "127.0.0.1")}, {acl(31, "ip", "127.0.0.0/8")}, {acl(31, "ip", "10.0.0.0/8")}, {acl(31, "ip", "x")},
			{acl(31, "ip", "127.0.0.1/33")}, {acl(31, "ip", "::1")}, {acl(31, "sasl", "x")}, {acl(31, "x509", "CN=x")}, {acl(31, "super", "")}, {acl(31, "", "")},
			{acl(31, "world", "anyone"), acl(31, "none", "x")}, {acl(1, "world", "anyone"), acl(30, "auth", "")}, {acl(31, "digest", "a\xff:b")},
			{acl(16, "digest", "bob:z+rYfwv8GUOsEbnGOfAmz6XDFZY="), acl(1, "world", "anyone")}, {acl(4, "world", "anyone")}, {acl(2, "world", "anyone")}, {acl(8, "world", "anyone")},
		}
		for i, list := range lists {
			path := "/acc/" + string(rune('a'+i))
			p.send("A", proto.OpCreate, path, []byte("x"), list, 0)
			for _, s := range []string{"A", "B", "S"} {
				p.send(s, proto.OpGetACL, path)
				p.send(s, proto.OpGetData, path, true)
				p.send(s, proto.OpGetChildren, path, false)
				p.send(s, proto.OpGetChildren2, path, false)
				p.send(s, proto.OpGetAllChildrenNumber, path)
				p.send(s, proto.OpExists, path, false)
				p.send(s, proto.OpSetData, path, []byte("y"), 77)
				p.send(s, proto.OpSetData, path, []byte("y"), -1)
				p.send(s, proto.OpCheck, path, 77)
				p.send(s, proto.OpCreate, verbatim(create(path+"/k", 0)))
				p.send(s, proto.OpDelete, path+"/k", 5)
				p.send(s, proto.OpDelete, path+"/k", -1)
				p.send(s, proto.OpMultiRead, verbatim(multi(part(proto.OpGetData, path, true), part(proto.OpGetChildren, path, true))))
				p.send(s, proto.OpMulti, verbatim(multi(part(proto.OpCheck, path, -1), part(proto.OpSetData, path, []byte("z"), -1))))
				p.send(s, proto.OpSetACL, path, acls(), -1)
				p.send(s, proto.OpSetACL, path, list, 99)
				p.send(s, proto.OpSetACL, path, list, -1)
			}
			p.send("B", proto.OpDelete, path, -1)
			p.send("S", proto.OpSetACL, path, list, -1)
		}
		for _, s := range []string{"A", "B", "S"} {
			p.send(s, proto.OpSetData, "/zookeeper/config", []byte("x"), -1)
			p.send(s, proto.OpDelete, "/zookeeper/config", -1)
			p.send(s, proto.OpReconfig, null{}, null{}, null{}, int64(-1))
			p.send(s, proto.OpReconfig, "server.1=localhost:1:2;3", null{}, null{}, int64(-1))
		}
		for _, bad := range [][]byte{nil, {}, []byte("x"), []byte(":"), []byte("a:b:c"), []byte("\xff\xfe:x")} {
			p.open("D")
			p.send("D", proto.OpAuth, 0, "digest", bad)
			p.send("D", proto.OpWhoAmI)
			p.send("D", proto.OpCreate, "/acc/dd", []byte("x"), acls(acl(31, "auth", "")), 1)
			p.send("D", proto.OpGetACL, "/acc/dd")
			p.end("D")
		}
		for _, scheme := range []any{"none", "", "world", "auth", "super", "sasl", "x509", null{}, "DIGEST"} {
			p.open("D")
			p.send("D", proto.OpAuth, 0, scheme, []byte("x:y"))
			p.send("D", proto.OpWhoAmI)
			p.end("D")
		}
		p.open("D")
		p.send("D", proto.OpAuth, 0)
	},
	"precedence": func(p *player) {
		p.open("A")
		p.open("B")
		p.send("A", proto.OpAuth, 0, "digest", []byte("alice:a"))
		p.make("A", "/pr")
		p.send("A", proto.OpCreate, "/pr/none", []byte{}, acls(acl(31, "auth", "")), 0)
		p.send("A", proto.OpCreate, "/pr/none/kid", []byte{}, open, 0)
		p.send("A", proto.OpCreate, "/pr/eph", []byte{}, open, 1)
		bad := acls(acl(31, "none", ""))
		for _, path := range []string{"/pr/none/x", "/pr/none/kid", "/pr/eph/x", "/pr/nix/x", "/pr/none/x/", "x", "/pr/none/../x", "/pr/none", "/pr/eph/x/", "/pr/eph/../x", "/pr/nix/../x"} {
			for _, list := range [][]proto.ACL{open, bad} {
				for _, mode := range []int{0, 1, 2, 5, 9} {
					p.send("B", proto.OpCreate, path, []byte{}, list, mode)
					p.send("B", proto.OpCreateTTL, path, []byte{}, list, mode, int64(0))
				}
				p.send("B", proto.OpSetACL, path, list, 99)
			}
			p.send("B", proto.OpSetData, path, []byte{}, 99)
			p.send("B", proto.OpDelete, path, 99)
			p.send("B", proto.OpDelete, path, -1)
			p.send("B", proto.OpCheck, path, 99)
			p.send("B", proto.OpGetData, path, true)
			p.send("B", proto.OpGetACL, path)
		}
		for _, path := range []string{"/zookeeper", "/zookeeper/quota", "/zookeeper/config", "/"} {
			p.send("B", proto.OpDelete, path, 99)
		}
		p.send("A", proto.OpDelete, "/pr/none", 99)
		p.send("A", proto.OpDelete, "/pr/none", -1)
	},
	"multi": func(p *player) {
		p.open("A")
		p.open("W")
		p.make("A", "/mu")
		for _, path := range []string{"/mu", "/mu/a", "/mu/b"} {
			p.send("W", proto.OpExists, path, true)
			p.send("W", proto.OpGetChildren, path, true)
		}
		p.send("A", proto.OpMulti, multiEnd)
		p.send("A", proto.OpMultiRead, multiEnd)
		c := func(path string, mode proto.CreateMode) []byte {
			return part(proto.OpCreate, verbatim(create(path, mode)))
		}
		ops := [][]byte{c("/mu/a", 0), part(proto.OpCreate2, verbatim(create("/mu/b", 0))), part(proto.OpSetData, "/mu/a", []byte("n"), 0), part(proto.OpCheck, "/mu/a", 1),
			c("/mu/s-", 2), c("/mu/e-", 3), part(proto.OpDelete, "/mu/b", -1), part(proto.OpCreateContainer, verbatim(create("/mu/c", 4))),
			part(proto.OpCreateTTL, "/mu/t", []byte{}, open, 5, int64(999999999)), part(proto.OpCreateTTL, "/mu/t0", []byte{}, open, 0, int64(-1)),
			part(proto.OpCreateContainer, verbatim(create("/mu/c0", 0))), c("/mu/c1", 4), part(proto.OpCreate2, verbatim(create("/mu/c2", 4))), c("/mu/a/k", 0), part(proto.OpDelete, "/mu/a/k", 0)}
		fails := [][]byte{part(proto.OpCheck, "/mu", 99), part(proto.OpCheck, "/none", -1), part(proto.OpDelete, "/mu/none", -1), c("/mu", 0), c("/mu/x", 9), c("x", 0),
			part(proto.OpSetData, "/mu", []byte{}, 99), part(proto.OpCreate, "/mu/z", []byte{}, acls(), 0), part(proto.OpDelete, "/zookeeper", -1)}
		for at := range len(ops) + 1 {
			for _, f := range fails {
				list := append(append(append([][]byte{}, ops[:at]...), f), ops[at:]...)
				p.send("A", proto.OpMulti, verbatim(multi(list...)))
			}
		}
		p.look("A", "/mu")
		p.send("A", proto.OpMulti, verbatim(multi(ops...)))
		p.look("A", "/mu")
		for _, kid := range []string{"a", "c", "t", "t0", "c0", "c1", "c2"} {
			p.look("A", "/mu/"+kid)
		}
		p.send("A", proto.OpMulti, verbatim(multi(c("/mu/q", 0), part(proto.OpDelete, "/mu/q", -1), c("/mu/q", 1), part(proto.OpDelete, "/mu/q", 0))))
		p.send("A", proto.OpMulti, verbatim(multi(c("/mu/e", 1), c("/mu/e/x", 0))))
		p.send("A", proto.OpMulti, verbatim(multi(part(proto.OpDelete, "/mu", -1))))
		// What cannot be in a multi.
		for _, op := range []proto.Op{0, 3, 4, 5, 6, 7, 8, 9, 11, 12, 14, 16, 17, 20, 22, 100, -1, -10, -11, 99} {
			for _, body := range [][]byte{nil, raw("/mu", false), raw("/mu", open, -1), raw("/mu", []byte{}, -1)} {
				p.send("A", proto.OpMulti, verbatim(multi(part(op, verbatim(body)))))
				p.send("A", proto.OpMulti, verbatim(multi(c("/mu/y", 0), part(op, verbatim(body)))))
				p.send("A", proto.OpMultiRead, verbatim(multi(part(op, verbatim(body)))))
				p.send("A", proto.OpMultiRead, verbatim(multi(part(proto.OpGetData, "/mu", false), part(op, verbatim(body)))))
				p.send("A", proto.OpMultiRead, verbatim(multi(part(proto.OpGetData, "/none", false), part(proto.OpGetChildren, "/mu", true), part(op, verbatim(body)))))
			}
		}
		for _, op := range []proto.Op{proto.OpCreate, proto.OpCreate2, proto.OpCreateContainer} {
			for mode := proto.CreateMode(-1); mode < 9; mode++ {
				p.send("A", proto.OpMulti, verbatim(multi(part(op, verbatim(create("/mu/md", mode))), part(proto.OpDelete, "/mu/md", -1))))
			}
		}
		for mode := proto.CreateMode(-1); mode < 9; mode++ {
			for _, ttl := range []int64{-1, 0, 5, 1 << 41} {
				p.send("A", proto.OpMulti, verbatim(multi(part(proto.OpCreateTTL, "/mu/mt", []byte{}, open, int32(mode), ttl), part(proto.OpDelete, "/mu/mt", -1))))
			}
		}
		p.make("A", "/mu/after")
		// A body that ends early, and what follows its end.
		body := multi(c("/mu/cut", 0), part(proto.OpDelete, "/mu/cut", -1))
		for n := 0; n < len(body); n += 3 {
			p.send("A", proto.OpMulti, verbatim(body[:n]))
		}
		p.send("A", proto.OpMulti, verbatim(append(body, "more"...)))
		var many [][]byte
		for range 1000 {
			many = append(many, c("/mu/many-", 2))
		}
		p.send("A", proto.OpMulti, verbatim(multi(many...)))
		p.send("A", proto.OpGetAllChildrenNumber, "/mu")
		p.send("A", proto.OpExists, "/mu", false)
	},
	"ephemerals and counts": func(p *player) {
		p.open("A")
		p.open("B")
		p.make("A", "/ec", "/ec/x", "/ec/xy")
		for _, path := range []string{"/ec/x/1", "/ec/x/2", "/ec/xy/1", "/ec/3"} {
			p.send("A", proto.OpCreate, verbatim(create(path, 1)))
			p.send("B", proto.OpCreate, verbatim(create(path+"b", 1)))
		}
		for _, prefix := range []string{"", "/", " ", " / ", "/ec", "/ec/x", "/ec/x/", "/ec/xy", "/none", "ec", "/ec/x/1b"} {
			p.send("A", proto.OpGetEphemerals, prefix)
			p.send("B", proto.OpGetEphemerals, prefix)
			p.send("B", proto.OpGetAllChildrenNumber, prefix)
		}
		p.open("W")
		p.send("W", proto.OpAddWatch, "/ec/x", 1)
		p.send("W", proto.OpGetChildren, "/ec", true)
		p.send("A", proto.OpCloseSession)
		p.look("B", "/ec")
		p.look("B", "/ec/x")
		p.pipeline("B", call{proto.OpCreate, create("/ec/late", 1)}, call{proto.OpCloseSession, nil})
		p.look("W", "/ec")
	},
	"order of a session's end": func(p *player) {
		p.open("A")
		p.open("W")
		p.make("A", "/oe")
		p.send("W", proto.OpAddWatch, "/oe", 1)
		for _, name := range strings.Fields("zeta alpha beta gamma lock-0000000001 lock-0000000002 n1 n2 n3 x y z member-a member-b AaAa BBBB AaBB BBAa foo bar") {
			p.send("A", proto.OpCreate, verbatim(create("/oe/"+name, 1)))
		}
		p.send("A", proto.OpGetEphemerals, "")
		p.send("A", proto.OpCloseSession)
		p.open("B")
		p.send("B", proto.OpCreate, verbatim(create("/oe/one", 1)))
		p.send("B", proto.OpCreate, verbatim(create("/oe/two", 1)))
		p.send("B", proto.OpCreate, verbatim(create("/oe/three", 1)))
		p.send("B", proto.OpCloseSession)
		p.look("W", "/oe")
	},
	"sessions": func(p *player) {
		for i, timeout := range []int32{-1, 1, 1999, 2000, 2001, 7777, 19999, 20000, 20001, 1 << 30} {
			p.connect(string(rune('a'+i)), hello{timeout: timeout, old: i%3 == 0, ro: i%2 == 0})
		}
		p.open("A")
		p.make("A", "/se")
		p.send("A", proto.OpCreate, verbatim(create("/se/e", 1)))
		p.send("A", proto.OpGetData, "/se", true)
		p.connect("B", hello{seen: 1 << 40})
		p.connect("B", hello{seen: -1})
		id, passwd := int64(0), []byte{}
		if a := p.sessions["A"]; a != nil {
			id, passwd = a.id, a.passwd
		}
		wrong := append([]byte{}, passwd...)
		if len(wrong) > 0 {
			wrong[3]++
		}
		p.connect("B", hello{id: id, passwd: wrong}) // still closes A's connection
		p.send("A", proto.OpGetData, "/se", false)
		p.resume("A")
		p.send("A", proto.OpSetData, "/se", []byte("x"), -1) // no event: the watch ended with the connection
		p.connect("A", hello{id: id, passwd: passwd, timeout: 9000})
		p.send("A", proto.OpGetEphemerals, "")
		p.connect("B", hello{id: id, passwd: []byte{}})
		p.connect("B", hello{id: id, passwd: passwd[:len(passwd)/2]})
		p.connect("B", hello{id: 12345, passwd: passwd})
		p.connect("B", hello{id: -1, passwd: passwd})
		p.resume("A")
		p.send("A", proto.OpCloseSession)
		p.resume("A")
		p.open("C")
		p.look("C", "/se")
		p.connect("D", hello{body: []byte{1, 2, 3}})
		p.connect("D", hello{body: []byte{}})
		p.connect("D", hello{body: raw(7, int64(0), 5000, int64(0), null{}, true)})
		p.connect("E", hello{body: raw(-7, int64(-5), 5000, int64(0), []byte{}, verbatim{9, 9, 9})})
		p.connect("F", hello{body: raw(0, int64(0), 5000, int64(0), []byte{}, verbatim{2})})
	},
	"set watches": func(p *player) {
		p.open("A")
		p.open("W")
		p.make("A", "/sw", "/sw/a", "/sw/b", "/sw/b/k")
		p.send("A", proto.OpSetData, "/sw/a", []byte("n"), -1)
		p.send("A", proto.OpDelete, "/sw/b/k", -1)
		all := []string{"/sw", "/sw/a", "/sw/b", "/sw/none", "/sw/a", "bad", ""}
		for _, zxid := range []int64{-1, 0, 3, 4, 5, 6, 7, 8, 9, 10, 1 << 40} {
			rel := zxid
			if zxid > 0 && zxid < 100 {
				rel = p.base + zxid
			}
			for _, lists := range [][3][]string{{all, nil, nil}, {nil, all, nil}, {nil, nil, all}, {all, all, all}} {
				p.say("relative %d", zxid)
				p.pipelineQuiet("W", call{proto.OpSetWatches, raw(rel, lists[0], lists[1], lists[2])})
				p.pipelineQuiet("W", call{proto.OpSetWatches2, raw(rel, lists[0], lists[1], lists[2], []string{"/sw/p"}, []string{"/sw/r"})})
			}
		}
		p.send("A", proto.OpSetData, "/sw/a", []byte("m"), -1)
		p.make("A", "/sw/none", "/sw/none/x", "/sw/p", "/sw/p/x", "/sw/r", "/sw/r/x", "/sw/r/x/y")
		p.send("A", proto.OpDelete, "/sw/b", -1)
		p.send("A", proto.OpSetData, "/sw", []byte("m"), -1)
	},
	"watches": func(p *player) {
		p.open("A")
		p.make("A", "/w")
		transitions := func(who string) {
			p.send(who, proto.OpCreate, verbatim(create("/w/n", 0)))
			p.send(who, proto.OpSetData, "/w/n", []byte("1"), -1)
			p.send(who, proto.OpSetACL, "/w/n", open, -1)
			p.send(who, proto.OpCreate, verbatim(create("/w/n/k", 0)))
			p.send(who, proto.OpSetData, "/w/n/k", []byte("1"), -1)
			p.send(who, proto.OpCreate, verbatim(create("/w/n/k/g", 1)))
			p.send(who, proto.OpDelete, "/w/n/k/g", -1)
			p.send(who, proto.OpMulti, verbatim(multi(part(proto.OpSetData, "/w/n", []byte("2"), -1), part(proto.OpCreate, verbatim(create("/w/n/j", 0))),
				part(proto.OpDelete, "/w/n/j", -1), part(proto.OpDelete, "/w/n/k", -1))))
			p.send(who, proto.OpDelete, "/w/n", -1)
		}
		set := map[string]func(who string){
			"d": func(who string) { p.send(who, proto.OpGetData, "/w/n", true); p.send(who, proto.OpGetData, "/w", true) },
			"x": func(who string) {
				p.send(who, proto.OpExists, "/w/n", true)
				p.send(who, proto.OpExists, "/w/n/k", true)
			},
			"c": func(who string) {
				p.send(who, proto.OpGetChildren, "/w", true)
				p.send(who, proto.OpGetChildren2, "/w/n", true)
			},
			"p": func(who string) { p.send(who, proto.OpAddWatch, "/w/n", 0) },
			"P": func(who string) { p.send(who, proto.OpAddWatch, "/w", 0) },
			"r": func(who string) { p.send(who, proto.OpAddWatch, "/w/n", 1) },
			"R": func(who string) { p.send(who, proto.OpAddWatch, "/w", 1) },
			"/": func(who string) { p.send(who, proto.OpAddWatch, "/", 1) },
			"q": func(who string) {
				for kind := range 7 {
					p.send(who, proto.OpCheckWatches, "/w/n", kind)
					p.send(who, proto.OpCheckWatches, "/w", kind)
				}
			},
			"1": func(who string) { p.send(who, proto.OpRemoveWatches, "/w/n", 1) },
			"2": func(who string) { p.send(who, proto.OpRemoveWatches, "/w/n", 2) },
			"3": func(who string) { p.send(who, proto.OpRemoveWatches, "/w/n", 3) },
			"4": func(who string) { p.send(who, proto.OpRemoveWatches, "/w/n", 4) },
			"n": func(who string) { p.send("A", proto.OpCreate, verbatim(create("/w/n", 0))) },
		}
		for i, plan := range strings.Fields("x d nd xc nxdc p P r R xp xr pr rp dpq ndcq ndc1q ndc2q ndc3q ndcp1q ndcp2q r1q r2q r3q rx Rx RxcdPpr / /Rr xpx px4 p4 nRdcx npdc nrdc nrpxdc") {
			who := "W" + string(rune('0'+i%10)) + string(rune('a'+i/10))
			p.open(who)
			for _, step := range plan {
				set[string(step)](who)
			}
			transitions("A")
			set["q"](who)
			transitions(who)
			p.send("A", proto.OpDelete, "/w/n", -1)
			p.send(who, proto.OpCloseSession)
		}
		for mode := -1; mode < 4; mode++ {
			p.send("A", proto.OpAddWatch, "/w", mode)
		}
		p.open("X")
		p.open("Y")
		for _, who := range []string{"X", "Y"} {
			for _, step := range []string{"n", "x", "d", "c", "R", "q", "1", "q"} {
				set[step](who)
			}
		}
		transitions("A")
		p.drop("X")
		transitions("A")
	},
	"quota": func(p *player) {
		p.open("A")
		p.make("A", "/qu", "/qu/a", "/zookeeper/quota/qu")
		set := func(limits string) {
			p.send("A", proto.OpDelete, "/zookeeper/quota/qu/zookeeper_limits", -1)
			p.send("A", proto.OpDelete, "/zookeeper/quota/qu/zookeeper_stats", -1)
			p.send("A", proto.OpCreate, "/zookeeper/quota/qu/zookeeper_limits", []byte(limits), open, 0)
			p.send("A", proto.OpCreate, "/zookeeper/quota/qu/zookeeper_stats", []byte("count=0,bytes=0"), open, 0)
			p.look("A", "/zookeeper/quota/qu/zookeeper_stats")
		}
		use := func() {
			p.send("A", proto.OpCreate, "/qu/b", []byte("12345"), open, 0)
			p.send("A", proto.OpCreate, "/qu/c", []byte("12345"), open, 0)
			p.send("A", proto.OpSetData, "/qu/a", []byte("1234567890123456789"), -1)
			p.send("A", proto.OpSetData, "/qu/a", []byte("1"), -1)
			p.send("A", proto.OpSetData, "/qu", []byte("123456789012345"), 99)
			p.send("A", proto.OpSetData, "/qu", []byte("123456789012345"), -1)
			p.send("A", proto.OpMulti, verbatim(multi(part(proto.OpCreate, verbatim(create("/qu/m1", 0))), part(proto.OpCreate, verbatim(create("/qu/m2", 0))), part(proto.OpDelete, "/qu/m1", -1))))
			p.look("A", "/zookeeper/quota/qu/zookeeper_stats")
			for _, kid := range []string{"b", "c", "m2"} {
				p.send("A", proto.OpDelete, "/qu/"+kid, -1)
			}
			p.look("A", "/zookeeper/quota/qu/zookeeper_stats")
		}
		for _, limits := range []string{"count=3,bytes=20", "count=-1,bytes=-1=;byteHardLimit=20;countHardLimit=3", "count=3,bytes=-1=;byteHardLimit=-1;countHardLimit=-1",
			"count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=4", "count=-1,bytes=-1=;byteHardLimit=15;countHardLimit=-1", "", "garbage", "count=0,bytes=0=;byteHardLimit=0;countHardLimit=0"} {
			p.say("limits %q", limits)
			set(limits)
			use()
		}
		p.send("A", proto.OpDelete, "/zookeeper/quota/qu/zookeeper_limits", -1)
		use()
	},
	"pipelines": func(p *player) {
		p.open("A")
		p.open("B")
		p.make("A", "/pi")
		p.send("B", proto.OpAddWatch, "/pi", 1)
		p.send("A", proto.OpAddWatch, "/pi", 0)
		p.pipeline("A", call{proto.OpCreate, create("/pi/a", 0)}, call{proto.OpGetData, raw("/pi/a", true)}, call{proto.OpSetData, raw("/pi/a", []byte("1"), -1)},
			call{proto.OpGetData, raw("/pi/a", false)}, call{proto.OpPing, nil}, call{proto.OpDelete, raw("/pi/a", -1)}, call{proto.OpExists, raw("/pi/a", true)},
			call{proto.OpSync, raw("/pi")}, call{proto.OpCreate, create("/pi/a", 0)}, call{proto.OpMulti, multi(part(proto.OpDelete, "/pi/a", 9))}, call{proto.OpDelete, raw("/pi/a", 0)},
			call{proto.OpGetChildren2, raw("/pi", false)})
		p.pipeline("A", call{proto.OpCreate, create("/pi/e", 1)}, call{proto.OpCreate, create("/pi/e/x", 0)}, call{proto.OpSetData, raw("/pi/e", []byte("1"), 1)},
			call{proto.OpSetData, raw("/pi/e", []byte("1"), 0)}, call{proto.OpSetData, raw("/pi/e", []byte("1"), 1)}, call{proto.OpSetACL, raw("/pi/e", acls(acl(1, "world", "anyone")), 0)},
			call{proto.OpDelete, raw("/pi", -1)}, call{proto.OpDelete, raw("/pi/e", -1)}, call{proto.OpDelete, raw("/pi", -1)})
		var calls []call
		for range 200 {
			calls = append(calls, call{proto.OpCreate, create("/pi2-", 3)}, call{proto.OpExists, raw("/pi2", false)})
		}
		p.pipeline("A", calls...)
		p.pipeline("A", call{proto.OpCreate, create("/pi3", 1)}, call{proto.OpCloseSession, nil})
		p.send("B", proto.OpExists, "/pi3", false)
	},
	"sizes": func(p *player) {
		p.open("A")
		p.make("A", "/si")
		for _, n := range []int{0xfffff - 300, 0xfffff - 100, 0xfffff - 36, 0xfffff - 35, 0xfffff - 34, 0xfffff, 0xfffff + 1000} {
			p.open("B")
			p.say("%d bytes", n)
			p.send("B", proto.OpCreate, "/si/x", make([]byte, n), open, 0)
			p.send("B", proto.OpSetData, "/si/x", make([]byte, n+29), -1)
			p.send("B", proto.OpGetData, "/si/x", false)
			p.send("A", proto.OpDelete, "/si/x", -1)
			p.end("B")
		}
	},
}

func TestScripts(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(scripts)) {
		t.Run(name, func(t *testing.T) { compare(t, scripts[name]) })
	}
}
