package conformance

import (
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/sharedio"
	"github.com/zkctl/zkctl/internal/zklog"
)

// logged are lines of a server's log that people search for: what causes them, and what both logs
// then contain. (NIOServerCnxn, ZooKeeperServer, PrepRequestProcessor, FinalRequestProcessor.)
var logged = []struct {
	phrase string
	do     func(p *player)
}{
	{`Close of session 0x0\b(.|\n)*Len error\. A message from /127\.0\.0\.1:\d+ with advertised length of 1195725856 is either a malformed message or too large to process \(length is greater than jute\.maxbuffer=1048575\)`,
		func(p *player) { p.visit("GET / HTTP/1.1\r\n\r\n") }},
	{`Len error\. A message from /127\.0\.0\.1:\d+ with advertised length of -1 is`, func(p *player) { p.visit("\xff\xff\xff\xff") }},
	{`Unable to read additional data from client, it probably closed the socket: address = /127\.0\.0\.1:\d+, session = 0x0`,
		func(p *player) { p.visit("") }},
	{`Unable to read additional data from client, it probably closed the socket: address = /127\.0\.0\.1:\d+, session = 0x1[0-9a-f]+`,
		func(p *player) { p.open("E"); p.drop("E") }},
	{`Connection request from old client /127\.0\.0\.1:\d+; will be dropped if server is in r-o mode`, func(p *player) { p.connect("O", hello{old: true}) }},
	{`Refusing session request for client /127\.0\.0\.1:\d+ as it has seen zxid 0x[0-9a-f]+ our last zxid is 0x[0-9a-f]+ client must try another server`,
		func(p *player) { p.connect("Z", hello{seen: 1 << 30}) }},
	{`Incorrect password from /127\.0\.0\.1:\d+ for session 0x[0-9a-f]+(.|\n)*Invalid session 0x[0-9a-f]+ for client /127\.0\.0\.1:\d+, probably expired`,
		func(p *player) { p.connect("P", hello{id: p.sessions["base"].id, passwd: make([]byte, 16)}) }},
	{`got auth packet /127\.0\.0\.1:\d+(.|\n)*Session 0x1[0-9a-f]+: auth success for scheme digest and address /127\.0\.0\.1:\d+`,
		func(p *player) { p.open("A"); p.send("A", proto.OpAuth, 0, "digest", []byte("a:b")) }},
	{`No authentication provider for scheme: nope has .*digest`, func(p *player) { p.open("N"); p.send("N", proto.OpAuth, 0, "nope", []byte("a:b")) }},
	{`Authentication failed for scheme: digest`, func(p *player) { p.open("F"); p.send("F", proto.OpAuth, 0, "digest", null{}) }},
	{`Received packet at server of unknown type 99\b`, func(p *player) { p.open("U"); p.send("U", 99) }},
	{`Failed to process sessionid:0x1[0-9a-f]+ type:create cxid:0x1 zxid:0x[0-9a-f]+ txntype:1 reqpath:(.|\n)*Dumping request buffer for request type create: 0x0000`,
		func(p *player) { p.open("C"); p.send("C", proto.OpCreate, 2, verbatim("/")) }},
	{`Failed to process sessionid:0x1[0-9a-f]+ type:getData cxid:0x1 zxid:0xfffffffffffffffe txntype:unknown reqpath:(.|\n)*Dumping request buffer for request type getData: 0x0000`,
		func(p *player) { p.open("G"); p.send("G", proto.OpGetData, 2, verbatim("/")) }},
	{`Got user-level KeeperException when processing sessionid:0x1[0-9a-f]+ type:setData cxid:0x1 zxid:0x[0-9a-f]+ txntype:-1 reqpath:.* Error(:| Path:.*Error:)KeeperErrorCode = BadArguments`,
		func(p *player) { p.open("B"); p.send("B", proto.OpSetData, "bad", []byte("x"), -1) }},
	{`Got user-level KeeperException when processing sessionid:0x1[0-9a-f]+ type:multi cxid:0x1 zxid:0x[0-9a-f]+ txntype:\S+ reqpath:n/a aborting remaining multi ops\. Error(:| Path:.*Error:)KeeperErrorCode = BadArguments`,
		func(p *player) {
			p.open("M")
			p.send("M", proto.OpMulti, verbatim(multi(part(proto.OpSetData, "bad", []byte("x"), -1))))
		}},
	{`Processing ruok command from /127\.0\.0\.1:\d+`, func(p *player) { p.visit("ruok") }},
	{`binding to port /127\.0\.0\.1:\d+`, func(*player) {}},
	{`Expiring session 0x1[0-9a-f]+, timeout of 1000ms exceeded`, func(p *player) { p.connect("X", hello{timeout: 1000}); p.drop("X") }},
}

// visit sends bytes on a separate connection and closes it.
func (p *player) visit(text string) {
	w, err := dial(p.addr)
	if err != nil {
		p.fail("dial: %v", err)
		return
	}
	defer w.Close()
	if err := w.write([]byte(text)); err != nil {
		p.fail("%q: %v", text, err)
	}
	if text != "" {
		_, _ = w.read(patience)
	}
}

func TestLogHasWhatPeopleSearchFor(t *testing.T) {
	opt := apacheOptions("")
	opt.TickTime = 500 * time.Millisecond
	theirs := apachetest.Test(t, opt)
	var log sharedio.Buffer
	mine := embeddedOptions(t.TempDir())
	mine.Tick, mine.Log = opt.TickTime, zklog.New(&log, "", zklog.Info)
	ours, err := startEmbedded(mine)
	if err != nil {
		t.Fatal(err)
	}
	defer ours.close()
	servers := map[string]struct {
		addr string
		log  func() string
	}{
		"Apache ZooKeeper": {theirs.Addr(), func() string { text, _ := os.ReadFile(theirs.LogFile()); return string(text) }},
		"embedded server":  {ours.addr, log.String},
	}
	for name, s := range servers {
		t.Run(name, func(t *testing.T) {
			p := &player{addr: s.addr, sessions: map[string]*session{}, ids: map[int64]string{}}
			defer p.hangUp()
			p.open("base")
			p.base = p.zxid("base")
			for _, l := range logged {
				before := len(s.log())
				if l.phrase[:7] == "binding" {
					before = 0
				}
				l.do(p)
				if p.err != nil {
					t.Fatalf("%s: %v", l.phrase, p.err)
				}
				phrase := regexp.MustCompile(l.phrase)
				if !await.Within(patience, func() bool { return phrase.MatchString(s.log()[before:]) }) {
					t.Errorf("the log has no line %s, but\n%s", l.phrase, s.log()[before:])
				}
				p.ping("base")
			}
		})
	}
}

// ping keeps a session alive.
func (p *player) ping(name string) {
	s := p.sessions[name]
	if s.w == nil {
		return
	}
	var h proto.ReplyHeader
	err := s.w.write(request(proto.XidPing, proto.OpPing, nil))
	for err == nil && h.Xid != proto.XidPing {
		var body []byte
		if body, err = s.w.read(patience); err == nil {
			err = jute.Unmarshal(body, &h)
		}
	}
}
