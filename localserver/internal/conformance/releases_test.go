package conformance

import (
	"slices"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/proto"
)

// releaseChanges are the changes between Apache ZooKeeper 3.8.0 and the newest releases, as clients
// see them. Only 3.8.0 can be run here, and is compared with want["3.8.0"]; the answers of the
// others come from their source, at the tags named for each change.
var releaseChanges = []struct {
	name   string // the issue and the class
	tags   string // where it was made
	script func(p *player)
	want   map[string]string // answers after the mark, by release; only ours if Apache's differ
	ours   bool              // skip Apache's 3.8.0
}{
	{
		name: "ZOOKEEPER-2590 FinalRequestProcessor: exists needs READ", tags: "release-3.8.4 release-3.9.2",
		script: func(p *player) {
			p.open("A")
			p.open("B")
			p.send("A", proto.OpAuth, 0, "digest", []byte("alice:a"))
			p.send("A", proto.OpCreate, "/rel", []byte("x"), acls(acl(31, "auth", "")), 0)
			p.say(mark)
			p.send("B", proto.OpExists, "/rel", true)
			p.send("B", proto.OpExists, "/rel/none", true)
			p.send("A", proto.OpExists, "/rel", false)
			p.send("A", proto.OpDelete, "/rel", -1)
		},
		want: map[string]string{
			"3.8.0 3.8.3 3.9.1": `
				B: #1 exists zxid +3 {c+3 m+3 p+3 ct:T mt:T v0 cv0 av0 owner 0x0 len 1 kids 0}
				B: #2 exists zxid +3 NONODE (-101)
				A: #3 exists zxid +3 {c+3 m+3 p+3 ct:T mt:T v0 cv0 av0 owner 0x0 len 1 kids 0}
				A: #4 delete zxid +4`,
			"3.8.4 3.8 3.9.2 3.9": `
				B: #1 exists zxid +3 NOAUTH (-102)
				B: #2 exists zxid +3 NONODE (-101)
				A: #3 exists zxid +3 {c+3 m+3 p+3 ct:T mt:T v0 cv0 av0 owner 0x0 len 1 kids 0}
				A: #4 delete zxid +4`,
		},
	},
	{
		name: "ZOOKEEPER-2623 Request.isValid: no check outside of a multi", tags: "release-3.8.5 release-3.9.3", ours: true,
		script: func(p *player) {
			p.checks = true
			p.open("A")
			p.say(mark)
			p.send("A", proto.OpCheck, "/", -1)
			p.resume("A")
			p.send("A", proto.OpMulti, verbatim(multi(part(proto.OpCheck, "/", -1))))
		},
		want: map[string]string{
			// check-alone in docs/server.md: even before 3.8.5 and 3.9.3
			"3.8.0 3.8.5 3.8 3.9.2 3.9": `
				A: #1 check zxid -1 UNIMPLEMENTED (-6)
				A: hung up
				A: connected version 0 timeout 6000 session <A> passwd true readOnly false, 37 bytes
				A: #2 multi zxid +2 [check err 0]`,
		},
	},
	{
		// Debian's 3.8.0 has the fix; events-need-read in docs/server.md covers the others.
		name: "ZOOKEEPER-4799 NIOServerCnxn.process: no event of what may not be read", tags: "release-3.8.4 release-3.9.2",
		script: func(p *player) {
			p.open("A")
			p.open("W")
			p.send("A", proto.OpAuth, 0, "digest", []byte("alice:a"))
			p.make("A", "/rel")
			p.send("W", proto.OpAddWatch, "/rel", 1)
			p.send("W", proto.OpGetChildren, "/rel", true)
			p.say(mark)
			p.send("A", proto.OpCreate, "/rel/k", []byte("x"), acls(acl(31, "auth", "")), 0)
			p.send("A", proto.OpSetData, "/rel/k", []byte("y"), -1)
			p.send("A", proto.OpDelete, "/rel/k", -1)
			p.send("A", proto.OpDelete, "/rel", -1)
		},
		want: map[string]string{
			"3.8.0 3.8": `
				A: #3 create zxid +4 "/rel/k"
				W: event zxid -1 NodeChildrenChanged SyncConnected "/rel"
				A: #4 setData zxid +5 {c+4 m+5 p+4 ct:T mt:T v1 cv0 av0 owner 0x0 len 1 kids 0}
				A: #5 delete zxid +6
				A: #6 delete zxid +7
				W: event zxid -1 NodeDeleted SyncConnected "/rel"`,
			"3.9.0 3.9": `
				A: #3 create zxid +4 "/rel/k"
				W: event zxid +4 NodeChildrenChanged SyncConnected "/rel"
				A: #4 setData zxid +5 {c+4 m+5 p+4 ct:T mt:T v1 cv0 av0 owner 0x0 len 1 kids 0}
				A: #5 delete zxid +6
				A: #6 delete zxid +7
				W: event zxid +7 NodeDeleted SyncConnected "/rel"`,
		},
	},
	{
		name: "ZOOKEEPER-4026 MultiOperationRecord: create2 in a multi", tags: "release-3.8.2 release-3.9.0",
		script: func(p *player) {
			p.open("A")
			p.say(mark)
			p.send("A", proto.OpMulti, verbatim(multi(part(proto.OpCreate, verbatim(create("/rel", 0))), part(proto.OpCreate2, verbatim(create("/rel/b", 0))))))
			p.send("A", proto.OpMulti, verbatim(multi(part(proto.OpCreate2, verbatim(create("/rel/c", proto.Container))), part(proto.OpCreateContainer, verbatim(create("/rel/d", 0))))))
			p.send("A", proto.OpMulti, verbatim(multi(part(proto.OpCheck, "/rel", -1), part(proto.OpCreate, verbatim(create("/rel/e", 9))))))
			p.send("A", proto.OpMulti, verbatim(multi(part(proto.OpDelete, "/rel/d", -1), part(proto.OpDelete, "/rel/c", -1), part(proto.OpDelete, "/rel/b", -1), part(proto.OpDelete, "/rel", -1))))
		},
		want: map[string]string{
			"3.8.0 3.8.1": `
				A: #1 multi zxid +2 [create err 0 "/rel"] [create err 0 "/rel/b"]
				A: #2 multi zxid +3 [create2 err 0 "/rel/c" {c+3 m+3 p+3 ct:T mt:T v0 cv0 av0 owner 0x0 len 4 kids 0}] [create err 0 "/rel/d"]
				A: #3 multi zxid +4 [error err 0] [error err -8]
				A: #4 multi zxid +5 [delete err 0] [delete err 0] [delete err 0] [delete err 0]`,
			"3.8.2 3.8 3.9.0 3.9": `
				A: #1 multi zxid +2 [create err 0 "/rel"] [create2 err 0 "/rel/b" {c+2 m+2 p+2 ct:T mt:T v0 cv0 av0 owner 0x0 len 4 kids 0}]
				A: #2 multi zxid +3 [create2 err 0 "/rel/c" {c+3 m+3 p+3 ct:T mt:T v0 cv0 av0 owner 0x0 len 4 kids 0}] [create2 err 0 "/rel/d" {c+3 m+3 p+3 ct:T mt:T v0 cv0 av0 owner 0x0 len 4 kids 0}]
				A: #3 multi zxid +4 MARSHALLINGERROR (-5)
				A: #4 multi zxid +5 [delete err 0] [delete err 0] [delete err 0] [delete err 0]`,
		},
	},
	{
		// delete-container in docs/server.md: 3.9 deletes it without checking permissions.
		name: "ZOOKEEPER-4573 PrepRequestProcessor: deleteContainer of a client", tags: "release-3.9.0",
		script: func(p *player) {
			p.open("A")
			p.make("A", "/rel")
			p.say(mark)
			p.send("A", proto.OpDeleteContainer, "/rel")
			p.send("A", proto.OpDelete, "/rel", -1)
		},
		want: map[string]string{
			"3.8.0 3.8 3.9": `
				A: #2 deleteContainer zxid +3 BADARGUMENTS (-8)
				A: #3 delete zxid +4`,
		},
	},
	{
		// unreadable-write in docs/server.md: 3.9 gives it the previous zxid.
		name: "ZOOKEEPER-4575 PrepRequestProcessor: a write that cannot be read", tags: "release-3.9.0",
		script: func(p *player) {
			p.open("A")
			p.say(mark)
			p.send("A", proto.OpSetData, 2, verbatim("/"))
			p.make("A", "/rel")
			p.send("A", proto.OpDelete, "/rel", -1)
		},
		want: map[string]string{
			"3.8.0 3.8 3.9": `
				A: #1 setData zxid +2 MARSHALLINGERROR (-5)
				A: #2 create zxid +3 "/rel"
				A: #3 delete zxid +4`,
		},
	},
	{
		name: "ZOOKEEPER-4655 WatchedEvent: the zxid of an event", tags: "release-3.9.0",
		script: func(p *player) {
			p.open("A")
			p.open("W")
			p.make("A", "/rel")
			p.send("W", proto.OpGetData, "/rel", true)
			p.send("W", proto.OpAddWatch, "/rel", 1)
			p.say(mark)
			p.send("A", proto.OpSetData, "/rel", []byte("y"), -1)
			p.send("A", proto.OpMulti, verbatim(multi(part(proto.OpCreate, verbatim(create("/rel/k", 0))), part(proto.OpDelete, "/rel/k", -1))))
			p.send("A", proto.OpCreate, verbatim(create("/rel/e", proto.Ephemeral)))
			p.end("A")
			p.fence()
			p.send("W", proto.OpSetWatches, int64(0), []string{"/rel/none"}, []string{"/rel"}, []string{})
			p.send("W", proto.OpDelete, "/rel", -1)
		},
		want: map[string]string{
			"3.8.0 3.8": `
				A: #2 setData zxid +4 {c+3 m+4 p+3 ct:T mt:T v1 cv0 av0 owner 0x0 len 1 kids 0}
				W: event zxid -1 NodeDataChanged SyncConnected "/rel"
				A: #3 multi zxid +5 [create err 0 "/rel/k"] [delete err 0]
				W: event zxid -1 NodeCreated SyncConnected "/rel/k"
				W: event zxid -1 NodeDeleted SyncConnected "/rel/k"
				A: #4 create zxid +6 "/rel/e"
				W: event zxid -1 NodeCreated SyncConnected "/rel/e"
				W: event zxid -1 NodeDeleted SyncConnected "/rel/e"
				W: event zxid -1 NodeDeleted SyncConnected "/rel/none"
				W: event zxid -1 NodeCreated SyncConnected "/rel"
				W: #3 setWatches zxid +7
				W: event zxid -1 NodeDeleted SyncConnected "/rel"
				W: #4 delete zxid +8`,
			"3.9.0 3.9": `
				A: #2 setData zxid +4 {c+3 m+4 p+3 ct:T mt:T v1 cv0 av0 owner 0x0 len 1 kids 0}
				W: event zxid +4 NodeDataChanged SyncConnected "/rel"
				A: #3 multi zxid +5 [create err 0 "/rel/k"] [delete err 0]
				W: event zxid +5 NodeCreated SyncConnected "/rel/k"
				W: event zxid +5 NodeDeleted SyncConnected "/rel/k"
				A: #4 create zxid +6 "/rel/e"
				W: event zxid +6 NodeCreated SyncConnected "/rel/e"
				W: event zxid +7 NodeDeleted SyncConnected "/rel/e"
				W: event zxid -1 NodeDeleted SyncConnected "/rel/none"
				W: event zxid -1 NodeCreated SyncConnected "/rel"
				W: #3 setWatches zxid +7
				W: event zxid +8 NodeDeleted SyncConnected "/rel"
				W: #4 delete zxid +8`,
		},
	},
	{
		name: "ZOOKEEPER-4466, 4471, 4472, 4475 WatchManager: modes of watches on one path", tags: "release-3.9.0",
		script: func(p *player) {
			p.open("A")
			p.open("W")
			p.make("A", "/rel")
			p.say(mark)
			p.send("W", proto.OpAddWatch, "/rel", 0)
			p.send("A", proto.OpCheckWatches, "/rel", 3)
			for kind := range 7 {
				p.send("W", proto.OpCheckWatches, "/rel", kind)
			}
			p.send("W", proto.OpGetData, "/rel", true)
			p.send("A", proto.OpSetData, "/rel", []byte("y"), -1)
			p.send("A", proto.OpSetData, "/rel", []byte("y"), -1)
			p.send("W", proto.OpAddWatch, "/rel", 1)
			p.send("A", proto.OpCreate, verbatim(create("/rel/k", 0)))
			p.send("W", proto.OpRemoveWatches, "/rel", 2)
			p.send("W", proto.OpRemoveWatches, "/rel", 4)
			p.send("A", proto.OpDelete, "/rel/k", -1)
			p.send("W", proto.OpRemoveWatches, "/rel", 5)
			p.send("W", proto.OpRemoveWatches, "/rel", 3)
			p.send("A", proto.OpDelete, "/rel", -1)
		},
		want: map[string]string{
			"3.8.0 3.8": `
				W: #1 addWatch zxid +3 err 0
				A: #2 checkWatches zxid +3
				W: #2 checkWatches zxid +3 MARSHALLINGERROR (-5)
				W: #3 checkWatches zxid +3
				W: #4 checkWatches zxid +3
				W: #5 checkWatches zxid +3
				W: #6 checkWatches zxid +3 MARSHALLINGERROR (-5)
				W: #7 checkWatches zxid +3 MARSHALLINGERROR (-5)
				W: #8 checkWatches zxid +3 MARSHALLINGERROR (-5)
				W: #9 getData zxid +3 "data" {c+3 m+3 p+3 ct:T mt:T v0 cv0 av0 owner 0x0 len 4 kids 0}
				A: #3 setData zxid +4 {c+3 m+4 p+3 ct:T mt:T v1 cv0 av0 owner 0x0 len 1 kids 0}
				W: event zxid -1 NodeDataChanged SyncConnected "/rel"
				A: #4 setData zxid +5 {c+3 m+5 p+3 ct:T mt:T v2 cv0 av0 owner 0x0 len 1 kids 0}
				W: #10 addWatch zxid +5 err 0
				A: #5 create zxid +6 "/rel/k"
				W: event zxid -1 NodeCreated SyncConnected "/rel/k"
				W: #11 removeWatches zxid +6
				W: #12 removeWatches zxid +6 MARSHALLINGERROR (-5)
				A: #6 delete zxid +7
				W: event zxid -1 NodeDeleted SyncConnected "/rel/k"
				W: #13 removeWatches zxid +7 MARSHALLINGERROR (-5)
				W: #14 removeWatches zxid +7
				A: #7 delete zxid +8`,
			"3.9.0 3.9": `
				W: #1 addWatch zxid +3 err 0
				A: #2 checkWatches zxid +3 NOWATCHER (-121)
				W: #2 checkWatches zxid +3 MARSHALLINGERROR (-5)
				W: #3 checkWatches zxid +3 NOWATCHER (-121)
				W: #4 checkWatches zxid +3 NOWATCHER (-121)
				W: #5 checkWatches zxid +3
				W: #6 checkWatches zxid +3
				W: #7 checkWatches zxid +3 NOWATCHER (-121)
				W: #8 checkWatches zxid +3 MARSHALLINGERROR (-5)
				W: #9 getData zxid +3 "data" {c+3 m+3 p+3 ct:T mt:T v0 cv0 av0 owner 0x0 len 4 kids 0}
				A: #3 setData zxid +4 {c+3 m+4 p+3 ct:T mt:T v1 cv0 av0 owner 0x0 len 1 kids 0}
				W: event zxid +4 NodeDataChanged SyncConnected "/rel"
				A: #4 setData zxid +5 {c+3 m+5 p+3 ct:T mt:T v2 cv0 av0 owner 0x0 len 1 kids 0}
				W: event zxid +5 NodeDataChanged SyncConnected "/rel"
				W: #10 addWatch zxid +5 err 0
				A: #5 create zxid +6 "/rel/k"
				W: event zxid +6 NodeCreated SyncConnected "/rel/k"
				W: event zxid +6 NodeChildrenChanged SyncConnected "/rel"
				W: #11 removeWatches zxid +6 NOWATCHER (-121)
				W: #12 removeWatches zxid +6
				A: #6 delete zxid +7
				W: event zxid +7 NodeDeleted SyncConnected "/rel/k"
				W: #13 removeWatches zxid +7
				W: #14 removeWatches zxid +7 NOWATCHER (-121)
				A: #7 delete zxid +8`,
		},
	},
	{
		name: "ZOOKEEPER-4240 IPAuthenticationProvider: IPv6", tags: "release-3.9.4",
		script: func(p *player) {
			p.open("A")
			p.say(mark)
			for _, id := range []string{"::1", "2001:db8::/32", "::/129", "127.0.0.1"} {
				p.send("A", proto.OpCreate, "/rel", []byte("x"), acls(acl(31, "ip", id), acl(31, "world", "anyone")), 0)
				p.send("A", proto.OpDelete, "/rel", -1)
			}
		},
		want: map[string]string{
			"3.8.0 3.8 3.9.0 3.9.3": `
				A: #1 create zxid +2 INVALIDACL (-114)
				A: #2 delete zxid +3 NONODE (-101)
				A: #3 create zxid +4 INVALIDACL (-114)
				A: #4 delete zxid +5 NONODE (-101)
				A: #5 create zxid +6 INVALIDACL (-114)
				A: #6 delete zxid +7 NONODE (-101)
				A: #7 create zxid +8 "/rel"
				A: #8 delete zxid +9`,
			"3.9.4 3.9": `
				A: #1 create zxid +2 "/rel"
				A: #2 delete zxid +3
				A: #3 create zxid +4 "/rel"
				A: #4 delete zxid +5
				A: #5 create zxid +6 INVALIDACL (-114)
				A: #6 delete zxid +7 NONODE (-101)
				A: #7 create zxid +8 "/rel"
				A: #8 delete zxid +9`,
		},
	},
}

// mark starts the part of a transcript that is compared.
const mark = "mark"

// answers returns the lines after the mark with the servers' answers.
func answers(lines []string) string {
	lines = slices.DeleteFunc(slices.Clone(lines[slices.Index(lines, mark)+1:]), func(line string) bool { return strings.HasPrefix(line, ">") })
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "\n")
}

// TestReleases compares the server's answers as each release with the golden ones, and the golden
// ones of 3.8.0 with Apache's.
func TestReleases(t *testing.T) {
	theirs := apachetest.Test(t, apacheOptions("")) // a separate one: the shared one must have the same history as ours
	for _, c := range releaseChanges {
		t.Run(c.name, func(t *testing.T) {
			for releases, text := range c.want {
				want := strings.ReplaceAll(strings.TrimSpace(text), "\t", "")
				for _, r := range strings.Fields(releases) {
					opt := embeddedOptions(t.TempDir())
					opt.Release = emulated(r)
					s, err := startEmbedded(opt)
					if err != nil {
						t.Fatal(err)
					}
					lines, err := play(s.addr, c.script)
					s.close()
					if got := answers(lines); err != nil || got != want {
						t.Errorf("as %s (came with %s) the server answers, %v,\n%s\nwant\n%s", r, c.tags, err, got, want)
					}
					if r != "3.8.0" || c.ours {
						continue
					}
					if lines, err := play(theirs.Addr(), c.script); err != nil || answers(lines) != want {
						t.Errorf("Apache's 3.8.0 answers, %v,\n%s\nand the golden answers are\n%s", err, answers(lines), want)
					}
				}
			}
		})
	}
}
