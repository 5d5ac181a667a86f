package top

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/ui"
)

// details returns everything known about the selected row, as lines; nil if the row is gone.
func (u *screen) details() []string {
	switch u.focus {
	case membersPane:
		if r, ok := u.members.current(); ok {
			return memberDetails(r)
		}
	case clientsPane:
		if c, ok := u.clients.current(); ok {
			return clientDetails(c)
		}
	case pathsPane:
		if w, ok := u.paths.current(); ok {
			return []string{
				"path       " + w.path,
				fmt.Sprintf("writes     %s a second over %v", rate(answer.Some(w.txns)), pathWindow),
				fmt.Sprintf("bytes      %s a second", ui.Bytes(int64(w.bytes))),
				"last       " + w.last + " at " + w.lastAt.Format(time.TimeOnly),
			}
		}
	}
	return nil
}

// pairs lays out names and values, one pair per line.
type pairs []string

func (p *pairs) add(name, format string, a ...any) {
	*p = append(*p, fmt.Sprintf("%-11s %s", name, fmt.Sprintf(format, a...)))
}

func memberDetails(r *probe.Reading) []string {
	var p pairs
	p.add("member", "%s", r.Label())
	p.add("role", "%s", role(r))
	if r.Peer != "" {
		p.add("state", "%s", r.Peer)
	}
	if r.Error != nil {
		p.add("error", "%v", r.Error)
	}
	p.add("door", "%s", r.DoorText())
	for _, t := range r.Tried {
		p.add("", "%s is shut: %v", t.Door, t.Err)
	}
	if r.State == probe.Serving {
		p.add("version", "%s", r.Version)
		p.add("uptime", "%s", probe.Lasting(r.Uptime))
		p.add("zxid", "%s, %s behind the leader", zxid(r), whole(r.Lag))
		p.add("requests", "%s a second, %s outstanding", rate(r.Requests), whole(r.Outstanding))
		p.add("latency", "%s average/maximum in ms", millis(r.Latency.Avg, r.Latency.Max))
		p.add("clients", "%s connections, %s sessions, %s watches", whole(r.Connections), whole(r.Sessions), whole(r.Watches))
		p.add("tree", "%s znodes, %s ephemeral, %s bytes", whole(r.Znodes), whole(r.Ephemerals), whole(r.DataSize))
		p.add("files", "%s of %s descriptors", whole(r.OpenFiles), whole(r.MaxFiles))
		if r.Leads() {
			p.add("followers", "%s synced, %s observers, %s pending syncs", whole(r.SyncedFollowers), whole(r.SyncedObservers), whole(r.PendingSyncs))
		}
	}
	if r.Metrics != nil {
		p = append(p, "", "mntr")
		for _, m := range r.Metrics.List {
			p = append(p, fmt.Sprintf("  %-50s %s", m.Name, m.Text))
		}
	}
	return p
}

func clientDetails(c *client) []string {
	var p pairs
	p.add("client", "%s", c.host)
	p.add("requests", "%s a second, %s queued", rate(c.requests), whole(c.queued))
	p.add("latency", "%s average/maximum in ms", millis(c.latency, c.worst))
	for _, o := range slices.SortedStableFunc(slices.Values(c.conns), busier) {
		p = append(p, "")
		secure := ""
		if o.Secure {
			secure = ", TLS"
		}
		p.add(o.Address, "at %s%s", o.member.Name(), secure)
		if id, ok := o.Session.Get(); ok {
			p.add("session", "%s, timeout %s ms", id, whole(o.Timeout))
		}
		p.add("requests", "%s a second, %s queued, %s received, %s sent", rate(o.requests), whole(o.Queued), whole(o.Received), whole(o.Sent))
		last := strings.TrimSpace(o.LastOp)
		if z, ok := o.LastZxid.Get(); ok {
			last += ", zxid " + z.String()
		}
		p.add("last", "%s, %s ms", last, rate(o.LastLatency))
		p.add("latency", "%s average/maximum in ms", millis(o.AvgLatency, o.MaxLatency))
		if ms, ok := o.Established.Get(); ok && ms > 1e12 {
			p.add("connected", "%s", time.UnixMilli(ms).Format(time.RFC3339))
		}
	}
	return p
}

// help explains the keys and the columns.
func help() []string {
	return strings.Split(`Keys

  q, F10, Ctrl-C   quit
  Tab, Shift-Tab   next, previous pane
  up, down, j, k   select a row; PgUp, PgDn, Home and End too
  <, >             sort by the previous, the next column
  r                reverse the order
  /                filter the pane's rows; Enter keeps the filter, Esc drops it
  Enter            all about the selected row; Esc goes back
  g                group clients by address, paths by parent, or list each
  Space, p         pause and go on
  e                what happened so far: elections, members that stopped or came back
  ?, h, F1         this help

Panes

  ensemble   writes and reads a second, the lag of the slowest member; reads are all requests that do not write, pings among them, without zkctl's own words
  members    REQ/S and RECENT: packets received a second; LATENCY: average/maximum in ms since the start of the member
  clients    from the connections that members list; LATENCY: average/maximum in ms since the client connected; LAST: of its last request
  paths      writes a second over the last 10 seconds, from the log of --log

? stands for what no member told.`, "\n")
}
