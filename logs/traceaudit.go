package logs

import (
	"bytes"
	"context"
	"strings"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/logs/internal/format"
)

// audited is an entry of an audit log (Slf4jAuditLogger, 3.6): pairs, separated by tabs, or by spaces where somebody has
// replaced them.
type audited struct {
	session                    int64
	operation, znode, kind, ok string
}

// endOfEphemeral is the operation by which servers log that a znode went with its session.
const endOfEphemeral = "ephemeralZNodeDeletionOnSessionCloseOrExpire"

// parseAudit reads an entry; ok is false if it is none.
func parseAudit(text string) (a audited, ok bool) {
	if !strings.HasPrefix(text, "session=") && !strings.HasPrefix(text, "user=") || !strings.Contains(text, "operation=") {
		return a, false
	}
	separator := "\t"
	if !strings.Contains(text, separator) {
		separator = " "
	}
	for pair := range strings.SplitSeq(text, separator) {
		key, value, found := strings.Cut(pair, "=")
		if !found {
			continue
		}
		switch key {
		case "session":
			a.session, _ = proto.ParseHex(value)
		case "operation":
			a.operation = value
		case "znode":
			a.znode = value
		case "znode_type":
			a.kind = value
		case "result":
			a.ok = value
		}
	}
	return a, a.operation != ""
}

// auditsEnd reports whether a moment of the session is an entry of an audit log that tells that the session has ended.
func (m *moment) auditsEnd() bool {
	a, ok := parseAudit(m.text)
	return ok && m.own && a.operation == endOfEphemeral
}

// auditedLives finds lives of the znode in audit logs.
func (t *tracer) auditedLives(ctx context.Context) error {
	for _, s := range t.sources.logs {
		probe := s.again()
		probe.quiet = true
		if err := t.auditedIn(ctx, probe); err != nil {
			return err
		}
	}
	return nil
}

func (t *tracer) auditedIn(ctx context.Context, s *source) error {
	return s.each(ctx, func(e *format.Event) {
		if !bytes.HasPrefix(e.Text, []byte("session=")) {
			return
		}
		a, ok := parseAudit(string(e.Text))
		if !ok || a.znode != t.o.path || a.ok != "success" || a.session == 0 {
			return
		}
		switch {
		case a.operation == "create" && strings.HasPrefix(a.kind, "ephemeral"):
			t.audit(life{path: a.znode, session: a.session, made: e.Time, source: s.file})
		case a.operation == endOfEphemeral:
			t.audit(life{path: a.znode, session: a.session, gone: e.Time, source: s.file})
		case a.operation == "delete":
			for i := len(t.lives) - 1; i >= 0; i-- {
				if l := &t.lives[i]; l.gone == 0 && l.made <= e.Time {
					l.gone, l.by = e.Time, a.session
					break
				}
			}
		}
	})
}

// audit adds what an audit log tells of a life, unless a transaction log has told it.
func (t *tracer) audit(l life) {
	for i := range t.lives {
		old := &t.lives[i]
		if old.session != l.session {
			continue
		}
		if l.gone > 0 && old.gone == 0 {
			old.gone = l.gone
			return
		}
		if l.gone > 0 || old.made == 0 || l.made-old.made < nearBy && old.made-l.made < nearBy {
			return
		}
	}
	if len(t.lives) < mostLives {
		t.lives = append(t.lives, l)
	}
}
