package conformance

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/proto/wiretest"
)

// player plays a script against one server and records what the server sent, in a form that is the
// same for servers that behave the same: zxids count from the start of the script, sessions have
// names, times are only checked.
//
// Each step is followed by a ping in every session. ZooKeeper answers in order, so everything
// before the ping's reply was caused by the step.
type player struct {
	addr     string
	base     int64
	sessions map[string]*session
	names    []string // of sessions, in the order of their start
	ids      map[int64]string
	lines    []string
	answer   []byte // the last SASL token
	checks   bool   // check is also sent outside a multi
	quiet    bool   // no pings, which the server would not allow
	err      error  // why the script cannot continue
}

// quietly makes a player that sends no pings.
func quietly(p *player) { p.quiet = true }

// session is a client's session.
type session struct {
	name   string
	id     int64
	passwd []byte
	w      *wire
	xid    int32
	over   bool               // it was closed
	asked  map[int32]proto.Op // by xid
}

func play(addr string, script func(p *player), options ...func(*player)) (lines []string, err error) {
	p := &player{addr: addr, sessions: map[string]*session{}, ids: map[int64]string{}}
	for _, option := range options {
		option(p)
	}
	defer p.hangUp()
	if p.open("base"); p.err == nil && !p.quiet {
		p.base = p.zxid("base")
	}
	script(p)
	p.finish()
	return p.lines, p.err
}

func (p *player) say(format string, args ...any) {
	p.lines = append(p.lines, fmt.Sprintf(format, args...))
}

func (p *player) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
		p.say("FAILED: %v", p.err)
	}
}

func (p *player) hangUp() {
	for _, s := range p.sessions {
		if s.w != nil {
			s.w.Close()
		}
	}
}

// zxid asks for the server's last zxid.
func (p *player) zxid(name string) int64 {
	s := p.sessions[name]
	if err := s.w.write(request(proto.XidPing, proto.OpPing, nil)); err != nil {
		p.fail("ping: %v", err)
		return 0
	}
	body, err := s.w.read(patience)
	var h proto.ReplyHeader
	if err == nil {
		err = jute.Unmarshal(body, &h)
	}
	if err != nil {
		p.fail("ping: %v", err)
	}
	return h.Zxid
}

// finish ends all sessions, so that none expires during a later script.
func (p *player) finish() {
	for _, name := range p.names {
		p.end(name)
	}
}

// end closes a session without recording it.
func (p *player) end(name string) {
	s := p.sessions[name]
	if s == nil || s.id == 0 {
		return
	}
	if s.w != nil {
		s.w.Close()
		s.w = nil
	}
	if s.over {
		return
	}
	s.over = true
	w, err := dial(p.addr)
	if err != nil {
		p.fail("end: %v", err)
		return
	}
	defer w.Close()
	hello := proto.ConnectRequest{TimeOut: 10_000, SessionID: s.id, Passwd: s.passwd}
	_ = w.write(wiretest.Marshal(&hello))
	_, _ = w.read(patience)
	_ = w.write(request(1, proto.OpCloseSession, nil))
	for {
		if _, err := w.read(patience); err != nil {
			return
		}
	}
}

// hello is how a client connects.
type hello struct {
	timeout int32 // ms; 0 means 6 s
	seen    int64 // LastZxidSeen, counted from the start of the script
	id      int64
	passwd  []byte
	old     bool // a client before 3.4
	ro      bool
	body    []byte // instead of all these
}

func (p *player) open(name string) { p.connect(name, hello{}) }

// connect opens a named session, or resumes it on a new connection.
func (p *player) connect(name string, h hello) {
	if p.err != nil {
		return
	}
	p.say("> %s connects %s", name, h)
	w, err := dial(p.addr)
	if err != nil {
		p.fail("dial: %v", err)
		return
	}
	if h.timeout == 0 {
		h.timeout = 6000
	}
	body := h.body
	if body == nil {
		r := proto.ConnectRequest{TimeOut: h.timeout, SessionID: h.id, Passwd: h.passwd, ReadOnly: h.ro}
		if h.passwd == nil {
			r.Passwd = make([]byte, 16)
		}
		if h.seen != 0 {
			r.LastZxidSeen = p.base + h.seen
		}
		body = jute.Marshal(&r)
		if h.old {
			body = body[:len(body)-1]
		}
	}
	if err := w.write(wiretest.Frame(body)); err != nil {
		p.fail("connect: %v", err)
		return
	}
	reply, err := w.read(patience)
	s := p.sessions[name]
	if s == nil {
		s = &session{name: name, asked: map[int32]proto.Op{}}
		p.names = append(p.names, name)
	}
	if err != nil {
		p.say("  %s: %s", name, ending(err))
		w.Close()
		p.fence()
		return
	}
	if s.w != nil {
		defer s.w.Close()
	}
	s.w = w
	p.sessions[name] = s
	if h.id == 0 && s.id != 0 {
		if !s.over {
			p.fail("%s has a session already", name)
		}
		s.id, s.over, s.xid = 0, false, 0
	}
	var c proto.ConnectResponse
	if err := jute.Unmarshal(reply, &c); err != nil {
		p.fail("the reply to a connect request: %v", err)
		return
	}
	if c.SessionID != 0 {
		s.id, s.passwd = c.SessionID, c.Passwd
		if _, ok := p.ids[c.SessionID]; !ok {
			p.ids[c.SessionID] = name
		}
	}
	p.say("  %s: connected version %d timeout %d session %s passwd %v readOnly %v, %d bytes", name, c.ProtocolVersion, c.TimeOut,
		p.owner(c.SessionID), !bytes.Equal(c.Passwd, make([]byte, len(c.Passwd))), c.ReadOnly, len(reply))
	if c.SessionID == 0 {
		if _, err := w.read(patience); err != nil {
			p.say("  %s: %s", name, ending(err))
		}
		s.w = nil
	}
	p.fence()
}

func (h hello) String() string {
	var parts []string
	if h.timeout != 0 {
		parts = append(parts, fmt.Sprintf("timeout=%d", h.timeout))
	}
	if h.seen != 0 {
		parts = append(parts, fmt.Sprintf("seen=%+d", h.seen))
	}
	if h.id != 0 {
		parts = append(parts, "again")
	}
	if h.old {
		parts = append(parts, "old")
	}
	if h.body != nil {
		parts = append(parts, hex.EncodeToString(h.body))
	}
	return strings.Join(parts, " ")
}

// resume is connect with the session's id and password.
func (p *player) resume(name string) {
	if s := p.sessions[name]; s != nil {
		p.connect(name, hello{id: s.id, passwd: s.passwd})
	}
}

// drop closes the client's end of a connection.
func (p *player) drop(name string) {
	p.say("> %s drops its connection", name)
	if s := p.sessions[name]; s != nil && s.w != nil {
		s.w.Close()
		s.w = nil
	}
}

// send makes a request and waits until all sessions have received its effects.
func (p *player) send(name string, op proto.Op, parts ...any) {
	p.pipeline(name, call{op, raw(parts...)})
}

type call struct {
	op   proto.Op
	body []byte
}

// pipeline makes requests without waiting for the replies in between.
func (p *player) pipeline(name string, calls ...call) {
	s := p.sessions[name]
	if !p.checks {
		calls = slices.DeleteFunc(calls, func(c call) bool { return c.op == proto.OpCheck })
	}
	if p.err != nil || s == nil || s.w == nil || len(calls) == 0 {
		return
	}
	if p.quiet {
		for _, c := range calls {
			p.unfenced(name, c.op, c.body)
		}
		return
	}
	var out []byte
	var xids []int32
	pings := 0
	for _, c := range calls {
		s.xid++
		xid := s.xid
		p.say("> %s #%d %v %s", name, xid, c.op, describe(c.op, c.body))
		out = append(out, request(xid, c.op, c.body)...)
		s.asked[xid] = c.op
		xids = append(xids, xid)
		if c.op == proto.OpPing {
			pings++
			delete(s.asked, xid)
			xids = xids[:len(xids)-1]
		}
	}
	// What comes after the end of a session may be answered, or not.
	last := calls[len(calls)-1].op == proto.OpCloseSession
	if !last {
		out = append(out, request(proto.XidPing, proto.OpPing, nil)...)
	}
	if err := s.w.write(out); err != nil {
		p.say("  %s: %s", name, ending(err))
		s.w = nil
	} else {
		p.listen(s, pings)
	}
	for _, xid := range xids {
		if op, ok := s.asked[xid]; ok {
			p.say("  %s: no reply to #%d %v", name, xid, op)
			delete(s.asked, xid)
		}
	}
	p.fence(s)
}

// sendRaw sends bytes unchanged.
func (p *player) sendRaw(name string, b []byte) {
	s := p.sessions[name]
	if p.err != nil || s == nil || s.w == nil {
		return
	}
	p.say("> %s sends %s", name, brief(b))
	others := 0
	var h proto.RequestHeader
	if len(b) >= 12 && jute.Unmarshal(b[4:], &h) == nil {
		if h.Type == proto.OpPing {
			others++
		} else {
			s.asked[h.Xid] = h.Type
		}
	}
	if err := s.w.write(append(b, request(proto.XidPing, proto.OpPing, nil)...)); err != nil {
		s.w = nil
	} else {
		p.listen(s, others)
	}
	clear(s.asked)
	p.fence(s)
}

// fence waits until every session but one has received everything so far.
func (p *player) fence(but ...*session) {
	if p.quiet {
		return
	}
	for _, name := range p.names {
		s := p.sessions[name]
		if s == nil || s.w == nil || slices.Contains(but, s) || p.err != nil {
			continue
		}
		if err := s.w.write(request(proto.XidPing, proto.OpPing, nil)); err != nil {
			p.say("  %s: %s", s.name, ending(err))
			s.w = nil
			continue
		}
		p.listen(s, 0)
	}
}

// listen records what a session receives up to the reply of the ping after others.
func (p *player) listen(s *session, others int) {
	final := false
	for {
		wait := patience
		if final {
			wait = 300 * time.Millisecond
		}
		body, err := s.w.read(wait)
		if final && errors.Is(err, errSilent) {
			return
		}
		if err != nil {
			p.say("  %s: %s", s.name, ending(err))
			if errors.Is(err, errSilent) {
				p.fail("%s hears nothing", s.name)
			}
			s.w.Close()
			s.w = nil
			return
		}
		if p.reconnected(s, body) {
			continue
		}
		var h proto.ReplyHeader
		d := jute.NewDecoder(body)
		h.Visit(d)
		if d.Err() != nil {
			p.say("  %s: a frame of %d bytes: %x", s.name, len(body), body)
			continue
		}
		if h.Xid == proto.XidPing && h.Err == 0 {
			if others--; others < 0 {
				if !final {
					return
				}
				continue
			}
		}
		p.hear(s, &h, d.Rest())
		switch h.Err {
		case proto.ErrUnimplemented, proto.ErrAuthFailed, proto.ErrSessionClosedSASLAuth:
			final = true // the server may hang up before or after it answers the ping
		}
	}
}

// listenOnce records what a session receives up to one answer, and the end of the connection after an error.
func (p *player) listenOnce(s *session) {
	for {
		body, err := s.w.read(patience)
		if err != nil {
			p.say("  %s: %s", s.name, ending(err))
			s.w.Close()
			s.w = nil
			return
		}
		var h proto.ReplyHeader
		d := jute.NewDecoder(body)
		h.Visit(d)
		answered := s.asked[h.Xid] != 0
		p.hear(s, &h, d.Rest())
		if answered && h.Err == 0 {
			return
		}
	}
}

// reconnected records the answer to createSession sent as a request, which has no header.
func (p *player) reconnected(s *session, body []byte) bool {
	var c proto.ConnectResponse
	if jute.Unmarshal(body, &c) != nil || c.SessionID != s.id || len(c.Passwd) != 16 {
		return false
	}
	for xid, op := range s.asked {
		if op == proto.OpCreateSession {
			delete(s.asked, xid)
		}
	}
	p.say("  %s: connected again timeout %d, %d bytes", s.name, c.TimeOut, len(body))
	return true
}

// hear records one frame.
func (p *player) hear(s *session, h *proto.ReplyHeader, body []byte) {
	if h.Xid == proto.XidWatcherEvent && h.Err == 0 {
		var e proto.WatcherEvent
		if jute.Unmarshal(body, &e) == nil && bytes.Equal(jute.Marshal(&e), body) && s.asked[h.Xid] == 0 {
			p.say("  %s: event zxid %s %v %v %q", s.name, p.z(h.Zxid), e.Type, e.State, e.Path)
			return
		}
	}
	op, ok := s.asked[h.Xid]
	delete(s.asked, h.Xid)
	what := op.String()
	if !ok {
		what = "unasked"
	}
	line := fmt.Sprintf("  %s: #%d %s zxid %s", s.name, h.Xid, what, p.z(h.Zxid))
	if h.Err != 0 {
		line += fmt.Sprintf(" %s (%d)", h.Err.Name(), int32(h.Err))
	}
	if op == proto.OpCloseSession && h.Err == 0 {
		s.over = true
	}
	if h.Err == 0 && ok {
		if text, ok := p.record(op, body); ok {
			p.say("%s %s", line, text)
			return
		}
	}
	if len(body) > 0 {
		line += " body " + brief(body)
	}
	p.say("%s", line)
}

// record describes a reply's record; ok is false unless the bytes are exactly such a record.
func (p *player) record(op proto.Op, body []byte) (text string, ok bool) {
	var r jute.Record
	switch op {
	case proto.OpCreate, proto.OpSync:
		r = &proto.PathResponse{}
	case proto.OpCreate2, proto.OpCreateTTL, proto.OpCreateContainer:
		r = &proto.Create2Response{}
	case proto.OpExists, proto.OpSetData, proto.OpSetACL, proto.OpCheck:
		r = &proto.StatResponse{}
	case proto.OpGetData, proto.OpReconfig:
		r = &proto.GetDataResponse{}
	case proto.OpGetChildren:
		r = &proto.GetChildrenResponse{}
	case proto.OpGetChildren2:
		r = &proto.GetChildren2Response{}
	case proto.OpGetACL:
		r = &proto.GetACLResponse{}
	case proto.OpGetAllChildrenNumber:
		r = &proto.GetAllChildrenNumberResponse{}
	case proto.OpGetEphemerals:
		r = &proto.GetEphemeralsResponse{}
	case proto.OpWhoAmI:
		r = &proto.WhoAmIResponse{}
	case proto.OpMulti, proto.OpMultiRead:
		r = &proto.MultiResponse{}
	case proto.OpAddWatch:
		r = &proto.ErrorResponse{}
	case proto.OpSASL:
		r = &proto.SASLToken{}
	default:
		return "", len(body) == 0
	}
	if jute.Unmarshal(body, r) != nil || !bytes.Equal(jute.Marshal(r), body) {
		return "", false
	}
	switch r := r.(type) {
	case *proto.PathResponse:
		return fmt.Sprintf("%q", r.Path), true
	case *proto.Create2Response:
		return fmt.Sprintf("%q %s", r.Path, p.stat(&r.Stat)), true
	case *proto.StatResponse:
		return p.stat(&r.Stat), true
	case *proto.GetDataResponse:
		return fmt.Sprintf("%s %s", data(r.Data), p.stat(&r.Stat)), true
	case *proto.GetChildrenResponse:
		return names(r.Children), true
	case *proto.GetChildren2Response:
		return fmt.Sprintf("%s %s", names(r.Children), p.stat(&r.Stat)), true
	case *proto.GetACLResponse:
		return fmt.Sprintf("%q %s", r.ACL, p.stat(&r.Stat)), true
	case *proto.GetAllChildrenNumberResponse:
		return fmt.Sprint(r.TotalNumber), true
	case *proto.GetEphemeralsResponse:
		return names(r.Ephemerals), true
	case *proto.WhoAmIResponse:
		return fmt.Sprintf("%q", r.ClientInfo), true
	case *proto.ErrorResponse:
		return fmt.Sprintf("err %d", int32(r.Err)), true
	case *proto.SASLToken:
		p.answer = r.Token
		return describeToken(r.Token), true
	case *proto.MultiResponse:
		var parts []string
		for i := range r.Results {
			m := &r.Results[i]
			part := fmt.Sprintf("[%v err %d", m.Type, int32(m.Err))
			if m.Path != "" {
				part += fmt.Sprintf(" %q", m.Path)
			}
			if m.Stat != nil {
				part += " " + p.stat(m.Stat)
			}
			if m.Type == proto.OpGetData {
				part += " " + data(m.Data)
			}
			if m.Type == proto.OpGetChildren {
				part += " " + names(m.Children)
			}
			parts = append(parts, part+"]")
		}
		return strings.Join(parts, " "), true
	}
	return "", false
}

// names sorts: the order of children in a reply has no meaning.
func names(list []string) string {
	list = slices.Clone(list)
	slices.Sort(list)
	return fmt.Sprintf("%q", list)
}

func data(b []byte) string {
	if b == nil {
		return "null"
	}
	if len(b) > 200 {
		return fmt.Sprintf("%d bytes", len(b))
	}
	return fmt.Sprintf("%q", b)
}

func brief(b []byte) string {
	if len(b) > 400 {
		return fmt.Sprintf("%d bytes %x…", len(b), b[:64])
	}
	return hex.EncodeToString(b)
}

func (p *player) z(zxid int64) string {
	switch {
	case p.base != 0 && zxid > p.base:
		return fmt.Sprintf("+%d", zxid-p.base)
	case zxid > 0:
		return "old"
	}
	return fmt.Sprint(zxid)
}

func (p *player) owner(id int64) string {
	if name, ok := p.ids[id]; ok {
		return "<" + name + ">"
	}
	return fmt.Sprintf("%#x", id)
}

func (p *player) stat(s *proto.Stat) string {
	return fmt.Sprintf("{c%s m%s p%s ct:%s mt:%s v%d cv%d av%d owner %s len %d kids %d}", p.z(s.Czxid), p.z(s.Mzxid), p.z(s.Pzxid),
		when(s.Ctime), when(s.Mtime), s.Version, s.Cversion, s.Aversion, p.owner(s.EphemeralOwner), s.DataLength, s.NumChildren)
}

// when is "T" for a current time.
func when(ms int64) string {
	if age := time.Since(time.UnixMilli(ms)); age > -time.Minute && age < time.Hour {
		return "T"
	}
	return fmt.Sprint(ms)
}

// ending describes how a connection ended; a reset counts as its end.
func ending(err error) string {
	if errors.Is(err, errSilent) {
		return "silence"
	}
	return "hung up"
}

// describe shows a request.
func describe(op proto.Op, body []byte) string {
	var r jute.Record
	switch op {
	case proto.OpCreate, proto.OpCreate2, proto.OpCreateContainer:
		r = &proto.CreateRequest{}
	case proto.OpCreateTTL:
		r = &proto.CreateTTLRequest{}
	case proto.OpDelete, proto.OpCheck:
		r = &proto.PathVersionRequest{}
	case proto.OpSetData:
		r = &proto.SetDataRequest{}
	case proto.OpExists, proto.OpGetData, proto.OpGetChildren, proto.OpGetChildren2:
		r = &proto.PathWatchRequest{}
	case proto.OpSetACL:
		r = &proto.SetACLRequest{}
	case proto.OpAddWatch:
		r = &proto.AddWatchRequest{}
	case proto.OpCheckWatches, proto.OpRemoveWatches:
		r = &proto.WatchesRequest{}
	case proto.OpMulti, proto.OpMultiRead:
		r = &proto.MultiRequest{}
	case proto.OpSetWatches:
		r = &proto.SetWatches{}
	case proto.OpSetWatches2:
		r = &proto.SetWatches2{}
	}
	if r == nil || jute.Unmarshal(body, r) != nil || !bytes.Equal(jute.Marshal(r), body) {
		return brief(body)
	}
	if m, ok := r.(*proto.MultiRequest); ok {
		text := ""
		for i, op := range m.Ops {
			if i == 20 {
				return text + fmt.Sprintf(" … %d parts", len(m.Ops))
			}
			text += fmt.Sprintf(" %v%.300s", op.Type, fmt.Sprintf("%q", op.Request))
		}
		return text
	}
	return fmt.Sprintf("%.300s", fmt.Sprintf("%q", r))
}

// pipelineQuiet is pipeline without the requests, which differ between the servers.
func (p *player) pipelineQuiet(name string, calls ...call) {
	before := len(p.lines)
	p.pipeline(name, calls...)
	for i := before; i < len(p.lines) && strings.HasPrefix(p.lines[i], "> "); i++ {
		p.lines[i] = "> " + name + " …"
	}
}
