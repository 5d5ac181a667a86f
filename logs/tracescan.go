package logs

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/logs/internal/catalogue"
	"github.com/zkctl/zkctl/logs/internal/format"
)

// Limits of what a trace keeps.
const (
	mostOwn     = 2000 // moments of the session in one source; of more, the first and the last
	mostContext = 3000 // other moments of one source
	mostHandles = 400  // clients of one log that have no session yet
	mostPending = 30   // moments of such a client
	mostReigns  = 500
	mostText    = 400 // bytes of a moment's text
	mostAlive   = 20_000
	leastDigits = 9 // of a session id that is found without 0x; fewer may be the milliseconds of a time, or a port
)

// moment is an entry of a trace's timeline.
type moment struct {
	from   *witness
	file   string
	line   int64 // 0 if it is no line
	raw    int64 // ms since 1970, as logged
	timed  bool
	own    bool   // it is about the session
	name   string // the phrase's, "" if none, or one of the txn… names
	text   string
	cause  string // the exception below
	class  string
	level  format.Level
	ms     int64 // the duration or timeout that it tells of
	addr   string
	server string // that a client tries or is connected to
	rank   catalogue.Rank
	txn    *txnMoment
	again  int    // how many equal ones of its source follow
	member string // that logged it
}

// at is the corrected time.
func (m *moment) at() int64 { return m.raw - m.from.correction() }

// witness is a source of a trace.
type witness struct {
	*source
	t       *tracer
	txn     bool // it is the transaction logs
	server  bool // it tells what only servers tell
	client  bool
	first   int64 // the first and last time, as logged
	last    int64
	own     []*moment
	context []*moment
	handles map[string]*handle
	reigns  []reign
	alive   map[string][]int64 // by member: when it logged something, within the window
	files   []fileSpan
	lost    bool  // a part of it could not be read
	asked   int64 // the timeout that a client asked for last
	marks   map[mark]sighting
	wrote   string // the member that wrote the last line
	mixed   bool   // several members wrote it
	talks   bool   // ZooKeeperServer logs at INFO, as "Expiring session" is
}

// fileSpan is the first and last time in a file.
type fileSpan struct {
	name     string
	from, to int64
}

// reign is a time in which a server led, by what its log says.
type reign struct {
	from, until int64 // until is 0 if the log does not tell its end
	last        int64 // that shows it leading
	epoch       int64 // -1 if unknown
	begun       bool  // the log tells its begin
	alone       bool  // a server that runs alone
}

// handle is a client's connection to the ensemble, by the lines that its library logs. They may not tell the session's id.
type handle struct {
	id      string // of the session, 0x…; "" if it is not known
	asked   int64  // the timeout that was asked for, ms
	since   int64  // when it was established
	pending []*moment
	over    bool
}

// see takes an event; m is nil if it is no known phrase.
func (w *witness) see(e *format.Event, m *catalogue.Match) {
	if !w.t.o.wanted(e) {
		return
	}
	if e.Timed {
		if w.first == 0 {
			w.first = e.Time
		}
		w.first, w.last = min(w.first, e.Time), max(w.last, e.Time)
		if n := len(w.files); n == 0 || w.files[n-1].name != w.reading().file {
			w.files = append(w.files, fileSpan{w.reading().file, e.Time, e.Time})
		} else {
			f := &w.files[n-1]
			f.from, f.to = min(f.from, e.Time), max(f.to, e.Time)
		}
	}
	if len(e.Member) > 0 && string(e.Member) != w.wrote {
		w.mixed = w.mixed || w.wrote != ""
		w.wrote = string(e.Member)
	}
	if m != nil {
		w.role(e, m)
	} else if w.leaderOnly(e) {
		w.leads(e.Time)
	}
	id := w.t.mentions(e, m)
	if k := handleKey(e, m); k != "" {
		w.client = true
		w.handle(k, e, m, id)
		return
	}
	if !id {
		return
	}
	w.keep(w.t.moment(w, e, m))
	if h := w.handles[kazooKey]; h != nil && h.id == "" && !w.server && (m == nil || m.Phrase.Name != "audit-entry") {
		w.adopt(h) // kazoo does not log ids, but the program does
	}
}

// reading is the source that is being read.
func (w *witness) reading() *source { return w.t.probe }

// keep adds a moment of the session. Of too many, the first half and the last are kept.
func (w *witness) keep(m *moment) {
	m.own = true
	w.own = append(w.own, m)
	if len(w.own) > mostOwn {
		copy(w.own[mostOwn/2:], w.own[mostOwn/2+1:])
		w.own = w.own[:mostOwn]
	}
}

// moment makes a moment of an event.
func (t *tracer) moment(w *witness, e *format.Event, m *catalogue.Match) *moment {
	text := e.Text
	if len(text) > mostText {
		text = text[:mostText]
	}
	x := &moment{from: w, member: string(e.Member), file: t.o.given(t.probe.file), line: e.Line, raw: e.Time, timed: e.Timed, text: string(text), class: string(e.Class), level: e.Level}
	if cause := rootCause(e.More); cause != nil {
		x.cause = string(cause[:min(len(cause), mostText)])
	}
	if m != nil {
		x.take(m)
	}
	return x
}

// take adds what a phrase tells.
func (x *moment) take(m *catalogue.Match) {
	x.name, x.rank = m.Phrase.Name, m.Phrase.Rank
	x.ms = int64(decimal(m, "ms"))
	if addr := m.Field("addr"); addr != nil {
		x.addr = clientOf(string(addr))
	}
	for _, name := range []string{"server", "host"} {
		if server := m.Field(name); server != nil {
			x.server, _, _ = strings.Cut(string(server), ",")
		}
	}
	if cause := m.Field("cause"); len(cause) > 0 {
		if x.cause == "" {
			x.cause = string(cause)
		}
		// The C client writes what happened behind the error of the socket.
		var inner catalogue.Match
		if x.name == "c-socket-error" && catalogue.Load().Match(cause, &inner) {
			x.name, x.ms = inner.Phrase.Name, int64(decimal(&inner, "ms"))
			x.rank = max(x.rank, inner.Phrase.Rank)
		}
	}
}

// mentions reports whether an event names the session.
func (t *tracer) mentions(e *format.Event, m *catalogue.Match) bool {
	if m != nil {
		if id := m.Field("session"); id != nil {
			return strings.EqualFold(hexText(id), t.hex)
		}
	}
	if len(t.digits) < leastDigits {
		return whole(e.Raw, t.hex)
	}
	return whole(e.Raw, t.digits) || whole(e.Raw, t.decimal) || t.unsigned != t.decimal && whole(e.Raw, t.unsigned)
}

// whole reports whether b has the word, with no letter or digit beside it but for 0x.
func whole(b []byte, word string) bool {
	for at := 0; ; {
		i := bytes.Index(b[at:], []byte(word))
		if i < 0 {
			return false
		}
		i += at
		end := i + len(word)
		before := i == 0 || !alphanumeric(b[i-1]) || b[i-1]|0x20 == 'x' && i > 1 && b[i-2] == '0'
		if before && (end == len(b) || !alphanumeric(b[end])) {
			return true
		}
		at = end
	}
}

func alphanumeric(c byte) bool { return c-'0' < 10 || c|0x20-'a' < 26 }

const kazooKey = "kazoo"

// handleKey names the handle of a client library that logs an event, or is "".
func handleKey(e *format.Event, m *catalogue.Match) string {
	switch e.Layout {
	case format.C:
		return string(e.Thread)
	case format.Python, format.Log4j, format.Plain, format.JSON, format.Kafka, format.Go:
	}
	if m == nil {
		return ""
	}
	name := m.Phrase.Name
	switch {
	case strings.HasPrefix(name, "kazoo-"):
		return kazooKey
	case strings.HasPrefix(name, "go-"):
		return "go"
	case name == "client-opening", name == "client-connected", name == "client-silent", name == "client-server-closed", name == "client-reconnecting",
		name == "client-established", name == "client-expired", name == "client-connect-failed", name == "client-establishing", name == "client-closed",
		name == "sasl-client-failed", name == "client-ro-server":
		// One handle has the threads main-SendThread(zk1:2181) and main-EventThread.
		thread := string(e.Thread)
		if i := strings.Index(thread, "-SendThread"); i >= 0 {
			thread = thread[:i]
		}
		return "java " + thread
	}
	return ""
}

// handle takes a line of a client's library. own reports whether it names the session.
func (w *witness) handle(key string, e *format.Event, m *catalogue.Match, own bool) {
	if w.handles == nil {
		w.handles = map[string]*handle{}
	}
	h := w.handles[key]
	if h == nil || h.over {
		if h == nil && len(w.handles) >= mostHandles {
			if own {
				w.keep(w.t.moment(w, e, m))
			}
			return
		}
		h = &handle{}
		w.handles[key] = h
	}
	name, other := "", false // other: the line names another session
	if m != nil {
		name = m.Phrase.Name
		if id := m.Field("session"); id != nil && !own {
			n, err := proto.ParseHex(string(id))
			other = err == nil && n != 0
		}
	}
	switch {
	case own:
		if h.id != w.t.hex {
			if h.id != "" { // it was another session's
				*h = handle{}
			}
			w.adopt(h)
		}
		w.keep(w.t.moment(w, e, m))
	case other:
		if h.id == w.t.hex || h.id == "" {
			*h = handle{}
		}
		h.id = "other"
	case name == "client-establishing" && h.id == "other":
		*h = handle{}
		fallthrough
	case h.id == "":
		if name == "kazoo-established" {
			h.since = e.Time
		}
		if name == "client-establishing" {
			h.asked = int64(decimal(m, "ms"))
			w.asked = h.asked
		}
		if len(h.pending) < mostPending && telling(m) {
			h.pending = append(h.pending, w.t.moment(w, e, m))
		}
	case h.id == w.t.hex && (telling(m) || e.Level >= format.Warn):
		w.keep(w.t.moment(w, e, m))
	}
	if endsHandle(name, e) {
		if h.id == "" && h.since > 0 {
			w.t.nameless = append(w.t.nameless, &namelessHandle{w, *h})
		}
		h.over = true
	}
}

// adopt makes the handle the session's, with what it has told already.
func (w *witness) adopt(h *handle) {
	h.id = w.t.hex
	for _, m := range h.pending {
		w.keep(m)
		if k := (mark{"established", true, w.t.hex, false}); m.name == "kazoo-established" && w.marks != nil {
			old, again := w.marks[k]
			w.marks[k] = sighting{m.raw, again && old.at != m.raw}
		}
	}
	switch {
	case h.asked > 0:
		w.t.asked = h.asked
	case w.asked > 0: // the C client tells it on another thread
		w.t.asked = w.asked
	}
	h.pending = nil
}

// telling reports whether a phrase tells of a connection or a session.
func telling(m *catalogue.Match) bool {
	return m != nil && (m.Phrase.Kind == "session" || m.Phrase.Kind == "connection" || m.Phrase.Kind == "security")
}

// endsHandle reports whether a line is the last of a client's session.
func endsHandle(name string, e *format.Event) bool {
	switch name {
	case "client-expired", "client-closed", "kazoo-closed", "kazoo-auth-failed", "c-client-closing", "c-client-freeing":
		return true
	case "c-socket-error":
		return bytes.Contains(e.Text, []byte("has expired"))
	}
	return false
}

// role takes what a server's line says of it.
func (w *witness) role(e *format.Event, m *catalogue.Match) {
	switch m.Phrase.Name {
	case "leading":
		if bytes.HasPrefix(e.Text, []byte("LEADING")) {
			w.server = true
			w.reignBegins(e.Time, -1)
		}
	case "quorum-of-supporters":
		w.server = true
		w.reignBegins(e.Time, int64(number(m, "zxid")>>32))
	case "starting-server":
		w.server = true
		w.reignEnds(e.Time)
		w.reignBegins(e.Time, -1)
		w.reigns[len(w.reigns)-1].alone = true
	case "looking", "following", "observing", "leader-shutdown", "leader-shutdown-reason", "starting-quorum-peer", "shutting-down":
		w.server = true
		w.reignEnds(e.Time)
	case "session-expired", "session-closed-server", "session-global-commit", "session-established-server", "server-closed-socket", "client-went-away",
		"session-invalid", "session-close-submitted", "session-closing", "notification", "binding", "snapshotting", "log-created":
		w.server = true
	}
	if m.Phrase.Name == "session-expired" || e.Level == format.Info && bytes.Equal(e.Class, []byte("ZooKeeperServer")) {
		w.talks = true
	}
	if w.leaderOnly(e) || m.Phrase.Name == "session-expired" {
		w.leads(e.Time)
	}
}

// leaderOnly reports whether only a leader, or a server that runs alone, logs such an event. Followers have no
// PrepRequestProcessor, no LeaderSessionTracker and no LearnerHandler.
func (w *witness) leaderOnly(e *format.Event) bool {
	return bytes.Equal(e.Class, []byte("PrepRequestProcessor")) || bytes.Equal(e.Class, []byte("LeaderSessionTracker")) ||
		bytes.HasPrefix(e.Thread, []byte("LearnerHandler-"))
}

func (w *witness) reignBegins(at, epoch int64) {
	n := len(w.reigns)
	if n > 0 && w.reigns[n-1].until == 0 {
		r := &w.reigns[n-1]
		if epoch >= 0 {
			r.epoch = epoch
		}
		r.last = at
		return
	}
	if n >= mostReigns {
		w.reigns = append(w.reigns[:0], w.reigns[n/2:]...)
	}
	w.reigns = append(w.reigns, reign{from: at, last: at, epoch: epoch, begun: true})
}

func (w *witness) reignEnds(at int64) {
	if n := len(w.reigns); n > 0 && w.reigns[n-1].until == 0 {
		w.reigns[n-1].until = at
	}
}

// leads notes that the server led at a time.
func (w *witness) leads(at int64) {
	w.server = true
	if n := len(w.reigns); n > 0 && w.reigns[n-1].until == 0 {
		w.reigns[n-1].last = max(w.reigns[n-1].last, at)
		return
	} else if n > 0 && at-w.reigns[n-1].until < lateJoin {
		return // what it does while it stops
	}
	w.reigns = append(w.reigns, reign{from: at, last: at, epoch: -1})
}

// contextual reports whether a phrase may explain why a session ended.
func contextual(m *catalogue.Match) bool {
	switch m.Phrase.Kind {
	case "disk", "process", "election", "quorum":
		switch m.Phrase.Name {
		case "notification", "notification-timeout":
			return false
		}
		return m.Phrase.Rank >= catalogue.Notable || m.Phrase.Name == "quorum-of-supporters"
	}
	switch m.Phrase.Name {
	case "too-many-connections", "too-many-connections-all", "accept-failed", "bad-length", "not-running", "client-refused-zxid", "client-refused-readonly",
		"auth-failed", "auth-no-provider", "auth-enforced", "sasl-failed-server", "restore", "session-expired", "session-moved":
		return true
	}
	return false
}

// digitsOf are the forms in which logs write a session's id.
func digitsOf(id int64) (hex, decimal, unsigned string) {
	return strings.TrimPrefix(proto.Hex(id), "0x"), strconv.FormatInt(id, 10), strconv.FormatUint(uint64(id), 10)
}
