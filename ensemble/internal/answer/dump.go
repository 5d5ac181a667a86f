package answer

import (
	"strings"
	"time"
)

// Dump is the answer to dump: the sessions of the ensemble, and the owners of ephemeral znodes.
type Dump struct {
	// Expiries are when sessions expire unless they are heard from; only a leader and a standalone server
	// report them.
	Expiries []*Expiry `json:"expiries,omitzero"`
	// Sessions are those that the member knows, with their timeouts if it reports them.
	Sessions   []*SessionTimeout `json:"sessions"`
	Ephemerals []*SessionPaths   `json:"ephemerals"`
}

// Expiry are the sessions that expire in one tick.
type Expiry struct {
	At       Opt[int64] `json:"at"` // ms since 1970 in a dump, of the member's own clock in the AdminServer's
	Wall     Opt[int64] `json:"-"`  // ms since 1970 if the member's zone were UTC; At is then unknown
	Sessions []Hex      `json:"sessions"`
}

// SessionTimeout is a session and its timeout.
type SessionTimeout struct {
	Session Hex        `json:"session"`
	Timeout Opt[int64] `json:"timeout"` // ms
}

// Parts of a dump, by the start of the line above them.
const (
	dumpSessions   = "SessionTracker dump:"
	dumpEphemerals = "ephemeral nodes dump:"
	dumpConns      = "Connections dump:"
)

// ParseDump parses the answer to dump.
func ParseDump(text []byte) (*Dump, error) {
	d := &Dump{Sessions: []*SessionTimeout{}, Ephemerals: []*SessionPaths{}}
	part, owns := "", false
	for line := range lines(text) {
		switch {
		case line == dumpSessions, line == dumpEphemerals, line == dumpConns:
			part = line
		case part == dumpSessions:
			d.sessionLine(line)
		case part == dumpEphemerals && strings.HasPrefix(line, "\t"):
			if n := len(d.Ephemerals); n > 0 && owns {
				d.Ephemerals[n-1].Paths = append(d.Ephemerals[n-1].Paths, line[1:])
			}
		case part == dumpEphemerals:
			var id Hex
			if id, owns = hex(strings.TrimSuffix(line, ":")).Get(); owns {
				d.Ephemerals = append(d.Ephemerals, &SessionPaths{Session: id})
			}
		}
	}
	if part == "" {
		return nil, notUnderstood("dump", text)
	}
	return d, nil
}

// sessionLine parses "0x1000… 10000ms" of a learner, and "3 expire at DATE:" and " 0x1000…" of a leader.
func (d *Dump) sessionLine(line string) {
	if count, date, ok := strings.Cut(line, " expire at "); ok && whole(count).Known() {
		at, utc := javaDate(strings.TrimSuffix(date, ":"))
		e := &Expiry{At: at}
		if !utc {
			e.At, e.Wall = Opt[int64]{}, at
		}
		d.Expiries = append(d.Expiries, e)
		return
	}
	f := strings.Fields(line)
	if len(f) == 0 || len(f) > 2 || !strings.HasPrefix(f[0], "0x") {
		return
	}
	id, ok := hex(f[0]).Get()
	if !ok {
		return
	}
	s := &SessionTimeout{Session: id}
	if len(f) == 2 {
		s.Timeout = whole(strings.TrimSuffix(f[1], "ms"))
	} else if n := len(d.Expiries); n > 0 {
		d.Expiries[n-1].Sessions = append(d.Expiries[n-1].Sessions, id)
	}
	d.Sessions = append(d.Sessions, s)
}

// javaDate parses java.util.Date.toString into ms since 1970. A zone's abbreviation does not determine its offset: if it is
// not that of UTC, utc is false, and the result is as if it were.
func javaDate(s string) (ms Opt[int64], utc bool) {
	f := strings.Fields(s)
	if len(f) != 6 {
		return ms, false
	}
	zone := f[4]
	t, err := time.Parse("Mon Jan 2 15:04:05 2006", strings.Join(append(f[:4:4], f[5]), " "))
	if err != nil {
		return ms, false
	}
	return Some(t.UnixMilli()), zone == "UTC" || zone == "GMT" || zone == "Z"
}
