package logs

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/ui"
)

// clientSessions is what one client's sessions add up to.
type clientSessions struct {
	name         string
	n            int
	ends         [ends]int
	moved, lost  int
	connections  int
	first, last  int64
	shortestLife int64 // ms, of those whose begin and end are known; 0 if there is none
}

func (o *sessionsOptions) print(x *sessions) error {
	list := x.sorted(o.wantsSession)
	clients := byClient(list)
	var out bytes.Buffer
	if o.json() {
		for _, s := range list {
			out.Write(append(s.json(), '\n'))
		}
		for _, c := range clients {
			out.Write(append(c.json(), '\n'))
		}
		out.Write(append(x.churnJSON(), '\n'))
	} else {
		o.text(&out, x, list, clients)
	}
	_, err := io.WriteString(o.streams.Out, out.String())
	return err
}

// sorted returns the sessions that are wanted, the earliest first.
func (x *sessions) sorted(wanted func(*session) bool) (list []*session) {
	for _, s := range x.byID {
		if wanted(s) {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b *session) int { return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.id, b.id)) })
	return list
}

// bad reports whether the session ended in a way that its client did not want.
func (s *session) bad() bool {
	switch s.how() {
	case expired, unasked, gone:
		return true
	case lost:
		return s.lost > 0
	}
	return false
}

// byClient adds up the sessions of each client, those with the most first.
func byClient(list []*session) (clients []*clientSessions) {
	index := map[string]*clientSessions{}
	for _, s := range list {
		c := index[s.client]
		if c == nil {
			c = &clientSessions{name: s.client, first: s.first}
			index[s.client] = c
			clients = append(clients, c)
		}
		c.n++
		c.ends[s.how()]++
		c.moved += s.moved()
		c.lost += s.lost
		c.connections += s.established
		c.first, c.last = min(c.first, s.first), max(c.last, s.last)
		if life := s.ended - s.first; s.end >= gone && s.established > 0 && life > 0 && (c.shortestLife == 0 || life < c.shortestLife) {
			c.shortestLife = life
		}
	}
	slices.SortFunc(clients, func(a, b *clientSessions) int { return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.name, b.name)) })
	return clients
}

func (o *sessionsOptions) text(out *bytes.Buffer, x *sessions, list []*session, clients []*clientSessions) {
	if len(list) == 0 {
		out.WriteString("no session in these logs\n")
		return
	}
	var ways [ends]int
	moved := 0
	for _, s := range list {
		ways[s.how()]++
		moved += s.moved()
	}
	line := func(hang int, format string, a ...any) {
		fmt.Fprintln(out, o.streams.Hang(fmt.Sprintf(format, a...), hang))
	}
	line(2, "%s of %s, from %s to %s", command.Counted(len(list), "session"), command.Counted(len(clients), "client"), ui.Time(x.first), ui.Time(x.last))
	for end, n := range slices.Backward(ways[:]) {
		if n > 0 {
			line(20, "  %-8s %6s   %s", endNames[end], command.Thousands(n), endMeans[end])
		}
	}
	if moved > 0 {
		line(20, "  %-8s %6s   to another server", "moved", command.Thousands(moved))
	}
	if peak, at, total := x.peak(); total > 0 {
		line(2, "established %s, at most %d in a minute (%s)", times(int64(total)), peak, ui.Time(at))
	}
	if x.more > 0 {
		fmt.Fprintf(out, "and %s of further sessions\n", command.Counted(int(x.more), "event"))
	}
	rows := [][]string{{"session", "client", "timeout", "servers", "first", "ended", "how"}}
	for _, s := range list {
		if o.all || s.bad() || len(o.sessions) > 0 {
			ended := ""
			if s.end != open {
				ended = ui.Time(s.ended)
			}
			timeout := ""
			if s.timeout > 0 {
				timeout = ui.Duration(s.timeout)
			}
			rows = append(rows, []string{s.id, clip(s.client, 32), timeout, escape.Line(strings.Join(s.servers, " ")), ui.Time(s.first), ended, endNames[s.how()]})
		}
	}
	if len(rows) > 1 {
		out.WriteByte('\n')
		out.WriteString(ui.Table(ui.ShrinkTable(rows, o.streams.Width, "client", "servers", "timeout", "first", "ended"), "timeout"))
	}
	rows = [][]string{{"client", "sessions", "expired", "unasked", "gone", "closed", "moved", "lost", "connections", "shortest"}}
	for _, c := range clients[:min(len(clients), o.top)] {
		shortest := ""
		if c.shortestLife > 0 {
			shortest = ui.Duration(c.shortestLife)
		}
		name := c.name
		if name == "" {
			name = "unknown"
		}
		rows = append(rows, []string{clip(name, 40), fmt.Sprint(c.n), fmt.Sprint(c.ends[expired]), fmt.Sprint(c.ends[unasked]), fmt.Sprint(c.ends[gone]), fmt.Sprint(c.ends[closed]),
			fmt.Sprint(c.moved), fmt.Sprint(c.lost), fmt.Sprint(c.connections), shortest})
	}
	out.WriteByte('\n')
	out.WriteString(ui.Table(ui.ShrinkTable(rows, o.streams.Width, "client", "shortest", "connections", "moved", "closed"), rows[0][1:]...))
	if more := len(clients) - o.top; more > 0 {
		fmt.Fprintf(out, "and %d more (--top %d shows all)\n", more, len(clients))
	}
}

// peak is the busiest minute, and how many sessions were established in all.
func (x *sessions) peak() (most int, at int64, total int) {
	for minute, n := range x.minutes {
		total += n
		if n > most || n == most && minute*60000 < at {
			most, at = n, minute*60000
		}
	}
	return most, at, total
}

func (s *session) json() []byte {
	b := object{b: []byte{'{'}}
	b.text("type", "session")
	b.text("session", s.id)
	b.text("client", s.client)
	if s.timeout > 0 {
		b.int("timeout", s.timeout)
	}
	b.strings("servers", s.servers)
	b.int("established", int64(s.established))
	b.int("lost", int64(s.lost))
	b.int("moved", int64(s.moved()))
	if s.first > 0 {
		b.int("first", s.first)
		b.int("last", s.last)
	}
	b.text("end", endNames[s.how()])
	if s.end != open && s.ended > 0 {
		b.int("ended", s.ended)
	}
	return append(b.b, '}')
}

func (c *clientSessions) json() []byte {
	b := object{b: []byte{'{'}}
	b.text("type", "client")
	b.text("client", c.name)
	b.int("sessions", int64(c.n))
	for end, n := range c.ends {
		b.int(endNames[end]+"Sessions", int64(n))
	}
	b.int("moved", int64(c.moved))
	b.int("lost", int64(c.lost))
	b.int("connections", int64(c.connections))
	if c.shortestLife > 0 {
		b.int("shortest", c.shortestLife)
	}
	if c.first > 0 {
		b.int("first", c.first)
		b.int("last", c.last)
	}
	return append(b.b, '}')
}

func (x *sessions) churnJSON() []byte {
	b := object{b: []byte{'{'}}
	b.text("type", "churn")
	most, at, total := x.peak()
	b.int("established", int64(total))
	if total > 0 {
		b.int("peakPerMinute", int64(most))
		b.int("peakAt", at)
	}
	return append(b.b, '}')
}
