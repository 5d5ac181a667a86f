package logs

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/logs/internal/catalogue"
)

type sessionsOptions struct {
	reading
	all      bool
	top      int
	sessions []string
	clients  []string
}

func newSessionsCommand(s *ui.Streams) *cobra.Command {
	o := &sessionsOptions{reading: reading{streams: s}}
	c := &cobra.Command{
		Use:               "sessions FILE|DIR...",
		ValidArgsFunction: takesFiles,
		Short:             "show which sessions began, moved and ended, and how",
		Long: `Collect what the logs of servers and clients say about each session: when it was
established and by which client, which servers it moved between, when its
connection was lost, and how it ended. Servers since 3.5 log most of that only at
level DEBUG; what is not logged is not counted.`,
		Example: `  zkctl log sessions zk1.log zk2.log zk3.log app.log
  zkctl log sessions --session 0xff902365d9b70e63 logs
  zkctl log sessions --client 192.0.2.201 --all -o json logs`,
		RunE: func(c *cobra.Command, args []string) error {
			o.args = args
			if len(args) == 0 && s.InTTY {
				return usageError(c, "missing log file or folder")
			}
			if o.top < 1 {
				return fmt.Errorf("--top must be at least 1")
			}
			for i, id := range o.sessions {
				n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToLower(id), "0x"), 16, 64)
				if err != nil {
					return fmt.Errorf("%q is not a session id, such as 0x10000221ceb0000", id)
				}
				o.sessions[i] = fmt.Sprintf("%#x", n)
			}
			if err := o.check(time.Now()); err != nil {
				return err
			}
			return runSessions(c.Context(), o)
		},
	}
	fs := c.Flags()
	fs.BoolVar(&o.all, "all", false, "list all sessions, not only those that ended badly")
	fs.IntVar(&o.top, "top", 20, "show the `n` clients with the most sessions")
	fs.StringSliceVar(&o.sessions, "session", nil, "only the session with this `id`; repeatable")
	fs.StringSliceVar(&o.clients, "client", nil, "only sessions of this `address`, or of the log with this name; repeatable")
	completeValues(c, "top")
	completeValues(c, "session")
	completeValues(c, "client")
	o.addMergeFlags(c)
	return c
}

// mostSessions limits how many sessions, and clients, are told apart.
const mostSessions = 50_000

// How a session ended, as far as the logs tell; what comes later counts more.
const (
	open = iota
	lost
	gone
	closed
	unasked
	expired
)

// ends is how many ways to end there are.
const ends = expired + 1

var endNames = [ends]string{"open", "lost", "gone", "closed", "unasked", "expired"}

// endMeans explains them.
var endMeans = [ends]string{"no end is logged", "the connection was lost, and no end is logged", "servers say that it no longer exists; who ended it is not logged",
	"closed by its client or an administrator", "closed while its client still used it (zkctl session trace finds out by whom)", "the leader expired it"}

// session is what logs tell of a session.
type session struct {
	id          string
	first, last int64
	established int      // how often, renewals included
	servers     []string // that it was established on, in order
	client      string   // address without port, or the name of the client's log
	timeout     int64    // ms, 0 if unknown
	lost        int      // how often its connection was lost, by its client's log
	missed      bool     // its client lost the connection, and did not get it back
	closes      bool     // its client closed it itself
	end         int
	ended       int64
}

// how is how the session ended.
func (s *session) how() int {
	if s.end == closed && s.missed && !s.closes {
		return unasked
	}
	return s.end
}

// moved is how often the session changed its server.
func (s *session) moved() int { return max(len(s.servers)-1, 0) }

// sessions collects them.
type sessions struct {
	byID    map[string]*session
	more    int64 // events of sessions beyond mostSessions
	minutes map[int64]int
	first   int64
	last    int64
}

func runSessions(ctx context.Context, o *sessionsOptions) error {
	all, err := o.prepare(ctx)
	if err != nil {
		return err
	}
	x := &sessions{byID: map[string]*session{}, minutes: map[int64]int{}}
	if err := o.eachKnown(ctx, all, func(h *head, m *catalogue.Match) error {
		if o.wanted(h.event) {
			x.see(h, m)
		}
		return nil
	}); err != nil {
		return err
	}
	return o.end(o.print(x))
}

// see takes an event.
func (x *sessions) see(h *head, m *catalogue.Match) {
	id := m.Field("session")
	if id == nil {
		return
	}
	key := hexText(id)
	if key == "0x0" {
		return
	}
	s := x.byID[key]
	if s == nil {
		if len(x.byID) >= mostSessions {
			x.more++
			return
		}
		s = &session{id: key}
		x.byID[key] = s
	}
	var at int64
	if h.event.Timed {
		at = h.event.Time - h.source.correction()
		if s.first == 0 {
			s.first = at
		}
		s.first, s.last = min(s.first, at), max(s.last, at)
		if x.first == 0 {
			x.first = at
		}
		x.first, x.last = min(x.first, at), max(x.last, at)
	}
	finish := func(end int) {
		if end > s.end {
			s.end, s.ended = end, at
		}
	}
	switch m.Phrase.Name {
	case "session-established-server":
		s.client = clientOf(string(m.Field("addr")))
		s.establish(x, h.source.member, m, at)
	case "client-established", "go-authenticated":
		if s.client == "" {
			s.client = h.source.label
		}
		if s.established == 0 || len(s.servers) == 0 { // the server's log says it too
			s.establish(x, "", m, at)
		}
	case "server-closed-socket", "client-went-away":
		if s.client == "" {
			s.client = clientOf(string(m.Field("addr")))
		}
		finish(lost)
	case "client-server-closed", "client-silent", "client-reconnecting":
		if m.Phrase.Name != "client-reconnecting" || !s.missed { // which is logged for each server that it tries
			s.lost++
		}
		if s.client == "" {
			s.client = h.source.label
		}
		s.missed = true
		finish(lost)
	case "client-expired", "session-invalid":
		s.missed = true
		finish(gone)
	case "client-closed", "c-client-closing":
		s.closes = true
		finish(closed)
	case "session-closed-server", "session-closing", "session-close-submitted":
		finish(closed)
	case "session-expired":
		finish(expired)
		s.timeout = int64(decimal(m, "ms"))
	}
}

func (s *session) establish(x *sessions, server string, m *catalogue.Match, at int64) {
	s.established++
	s.missed = false
	if ms := int64(decimal(m, "ms")); ms > 0 {
		s.timeout = ms
	}
	if server != "" && (len(s.servers) == 0 || s.servers[len(s.servers)-1] != server) && len(s.servers) < mostEvents {
		s.servers = append(s.servers, server)
	}
	if s.end == lost {
		s.end, s.ended = open, 0 // it is back
	}
	if at > 0 && (len(x.minutes) < mostSessions || x.minutes[at/60000] > 0) {
		x.minutes[at/60000]++
	}
}

// clientOf is an address without the slash that Java writes, and without its port.
func clientOf(addr string) string { return hostOf(addr[strings.LastIndexByte(addr, '/')+1:]) }

// wantsSession reports whether the options ask for the session.
func (o *sessionsOptions) wantsSession(s *session) bool {
	return (len(o.sessions) == 0 || slices.Contains(o.sessions, s.id)) && (len(o.clients) == 0 || slices.Contains(o.clients, s.client))
}
