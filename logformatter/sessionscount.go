package logformatter

import (
	"bytes"
	"maps"
	"slices"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
)

// maxWent limits how many names of ephemerals removed with it a session keeps, unless it is the
// session asked for: memory is for sessions.
const maxWent = 100

// session is what the logs say about a session. Times are milliseconds since 1970.
type session struct {
	id         int64
	known      bool // it was opened in the logs
	opened     int64
	openedZxid int64
	timeout    int32 // milliseconds; 0 if unknown
	first      int64 // time of its first transaction
	closed     int64
	closedZxid int64
	end        string
	writes     int64
	byType     map[proto.Op]int64
	errors     int64 // including failed multis
	byError    map[proto.Error]int64
	created    int64 // ephemerals
	deleted    int64 // how many of these were deleted before it ended
	went       int64 // how many were removed with the session
	wentPaths  []string
	live       map[string]bool
	detail     []*ephemeral
}

// ephemeral is an ephemeral of the session shown in detail.
type ephemeral struct {
	path      string
	zxid      int64 // 0 if created before the logs
	deleted   int64 // zxid
	deletedBy int64 // session
}

// sessionTable collects the sessions in logs. It holds the sessions and the live ephemerals.
type sessionTable struct {
	sessions map[int64]*session
	order    []*session
	owners   map[string]*session // of live ephemerals
	detail   int64               // the session kept in detail, or 0 for none
	last     int64               // zxid
	until    int64               // time of the last transaction
}

func newSessionTable() *sessionTable {
	return &sessionTable{sessions: map[int64]*session{}, owners: map[string]*session{}}
}

// begin loads the sessions that were open before the first log from the snapshot before it.
func (t *sessionTable) begin(args []string, logs []storage.File) error {
	s, _, err := openBefore(args, logs)
	if s == nil || err != nil {
		return err
	}
	defer s.Close()
	for _, open := range s.Sessions() {
		t.get(open.ID, 0).timeout = open.Timeout
	}
	return nil
}

func (t *sessionTable) get(id, time int64) *session {
	s := t.sessions[id]
	if s == nil {
		s = &session{id: id, first: time, end: endOpen, byType: map[proto.Op]int64{}}
		t.sessions[id] = s
		t.order = append(t.order, s)
	}
	if s.first == 0 {
		s.first = time
	}
	return s
}

func (t *sessionTable) add(e *storage.Entry) {
	h := &e.Header
	if h.Zxid <= t.last {
		return // already seen in another log
	}
	if e.Intact() { // a wrong zxid must not hide what follows
		t.last, t.until = h.Zxid, h.Time
	}
	f := fields{b: e.Raw[32:]} // after the header
	if h.ClientID == 0 {       // the server itself, which deletes containers
		return
	}
	s := t.get(h.ClientID, h.Time)
	switch h.Type {
	case proto.OpCreateSession:
		s.known, s.opened, s.openedZxid, s.timeout = true, h.Time, h.Zxid, f.int()
	case proto.OpCloseSession:
		t.close(s, h, &f)
	case proto.OpError:
		s.failed(proto.Error(f.int()))
	case proto.OpMulti:
		t.multi(s, h, &f)
	default:
		s.writes++
		s.byType[h.Type]++
		t.ephemeral(s, h, h.Type, &f)
	}
}

func (s *session) failed(code proto.Error) {
	s.errors++
	if s.byError == nil {
		s.byError = map[proto.Error]int64{}
	}
	s.byError[code]++
}

func (t *sessionTable) multi(s *session, h *proto.TxnHeader, f *fields) {
	var code proto.Error
	failed := false
	parts := *f
	for n := parts.count(8); n > 0 && !parts.bad; n-- {
		op := proto.Op(parts.int())
		part := fields{b: parts.buffer()}
		if op == proto.OpError {
			failed = true
			if e := proto.Error(part.int()); code == proto.OK || code == proto.ErrRuntimeInconsistency {
				code = e
			}
		}
	}
	if failed {
		s.failed(code)
		return
	}
	s.writes++
	s.byType[proto.OpMulti]++
	for n := f.count(8); n > 0 && !f.bad; n-- {
		op := proto.Op(f.int())
		part := fields{b: f.buffer()}
		t.ephemeral(s, h, op, &part)
	}
}

// ephemeral records the creation or deletion of an ephemeral.
func (t *sessionTable) ephemeral(s *session, h *proto.TxnHeader, op proto.Op, f *fields) {
	switch op {
	case proto.OpCreate, proto.OpCreate2:
		path := f.buffer()
		f.buffer() // data
		if bytes.HasPrefix(f.b, openACL) {
			f.b = f.b[len(openACL):]
		} else {
			for n := f.count(12); n > 0 && !f.bad; n-- {
				f.int()
				f.buffer()
				f.buffer()
			}
		}
		if !f.bool() || f.bad {
			return
		}
		name := string(path)
		t.gone(name, h) // its deletion must be missing from the logs
		s.created++
		if s.live == nil {
			s.live = map[string]bool{}
		}
		s.live[name] = true
		t.owners[name] = s
		if s.id == t.detail {
			s.detail = append(s.detail, &ephemeral{path: name, zxid: h.Zxid})
		}
	case proto.OpDelete:
		if path := f.buffer(); t.owners[string(path)] != nil {
			t.gone(string(path), h)
		}
	}
}

// gone removes a deleted ephemeral from its owner.
func (t *sessionTable) gone(path string, h *proto.TxnHeader) {
	s := t.owners[path]
	if s == nil {
		return
	}
	delete(t.owners, path)
	delete(s.live, path)
	s.deleted++
	s.ended(path, h)
}

func (s *session) ended(path string, h *proto.TxnHeader) {
	for _, e := range slices.Backward(s.detail) {
		if e.path == path && e.deleted == 0 {
			e.deleted, e.deletedBy = h.Zxid, h.ClientID
			return
		}
	}
}

// close ends a session and removes its ephemerals, whether or not the transaction names them.
func (t *sessionTable) close(s *session, h *proto.TxnHeader, f *fields) {
	s.closed, s.closedZxid, s.end = h.Time, h.Zxid, sessionEnd(h)
	went := func(path string) {
		if s.id == t.detail && !s.live[path] {
			s.detail = append(s.detail, &ephemeral{path: path})
		}
		delete(s.live, path)
		delete(t.owners, path)
		s.went++
		s.ended(path, h)
		if len(s.wentPaths) < maxWent || s.id == t.detail {
			s.wentPaths = append(s.wentPaths, path)
		}
	}
	n := f.closedPaths()
	for i := 0; i < n && !f.bad; i++ {
		if path := f.buffer(); !f.bad {
			went(string(path))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(s.live)) {
		went(path)
	}
	slices.Sort(s.wentPaths)
	s.live = nil
}

// lasted is the time in milliseconds from the opening, or the first transaction, to the end, or
// the end of the logs. It is exact if both ends are in the logs.
func (s *session) lasted(until int64) (ms int64, exact bool) {
	from, to := s.first, until
	if s.known {
		from = s.opened
	}
	if s.end != endOpen {
		to = s.closed
	}
	if from == 0 {
		return 0, false
	}
	return max(0, to-from), s.known && s.end != endOpen
}
