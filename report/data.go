package report

import (
	"cmp"
	"fmt"

	"github.com/zkctl/zkctl/internal/survey"
	"github.com/zkctl/zkctl/internal/ui"
)

func (c *content) writeSessions(p *page) {
	if c.logs != nil && c.logs.Sessions.N > 0 {
		c.writeLoggedSessions(p, &c.logs.Sessions)
	}
	if c.writes == nil || len(c.writes.Churn) == 0 {
		return
	}
	w := c.writes
	kinds := []series{{"opened", "s0"}, {"closed by a client", "s3"}, {"expired", "s2"}}
	var list []stack
	for _, b := range w.Churn {
		list = append(list, stack{b.Start * 1000, []int64{b.Value.Opened, b.Value.Closed, b.Value.Expired}})
	}
	p.put("<h3>In the transaction logs</h3>\n<p>All sessions of the ensemble, per %s. A session that ends with cxid 0 has expired, or an administrator closed it.</p>\n", survey.Interval(w.ChurnSeconds))
	p.churn(list, w.ChurnSeconds, kinds)
}

// churn draws how sessions come and go, with the table.
func (p *page) churn(list []stack, seconds int64, kinds []series) {
	p.legend(kinds...)
	p.figure("Sessions over time", func(w int) (markup, int) { return columns(w, list, seconds*1000, kinds) })
	p.details("Table: sessions over time", func() {
		head := []column{{name: "from"}}
		for _, k := range kinds {
			head = append(head, column{name: k.name, number: true})
		}
		var rows [][]any
		for _, s := range list {
			row := []any{ui.Time(s.start)}
			for _, v := range s.values {
				row = append(row, v)
			}
			rows = append(rows, row)
		}
		p.table("Sessions per "+survey.Interval(seconds), head, rows)
	})
}

func (c *content) writeLoggedSessions(p *page, s *survey.Sessions) {
	if len(s.Churn) > 0 {
		kinds := []series{{"established", "s0"}, {"closed", "s3"}, {"expired", "s2"}, {"lost or gone", "s1"}}
		var list []stack
		for _, b := range s.Churn {
			list = append(list, stack{b.Start * 1000, []int64{b.Value.Established, b.Value.Closed, b.Value.Expired, b.Value.Lost}})
		}
		p.put("<h3>In the logs</h3>\n<p>What servers and clients log about sessions, per %s. Servers since 3.5 log little about them; transaction logs have them all.</p>\n", survey.Interval(s.ChurnSeconds))
		p.churn(list, s.ChurnSeconds, kinds)
	}
	if s.More > 0 {
		p.put("<p class=\"muted\">Only the first %v sessions are tracked individually; %v events belong to others.</p>\n", s.N, s.More)
	}
	var rows [][]any
	for _, end := range s.Ends {
		rows = append(rows, []any{end.Name, end.N, bar(int64(end.N), int64(s.N), "s0"), end.Means})
	}
	p.table("How sessions ended", []column{{name: "end"}, {name: "sessions", number: true}, {name: ""}, {name: "meaning", wrap: true}}, rows)
	rows = nil
	for _, k := range s.Bad {
		timeout, ended := "", ""
		if k.Timeout > 0 {
			timeout = ui.Duration(k.Timeout)
		}
		if k.Ended > 0 {
			ended = ui.Time(k.Ended)
		}
		first := ""
		if k.First > 0 {
			first = ui.Time(k.First)
		}
		rows = append(rows, []any{k.ID, k.Client, timeout, k.Servers, first, ended, k.End})
	}
	if len(rows) > 0 {
		p.table("Sessions that ended badly", []column{{name: "session"}, {name: "client", wrap: true}, {name: "timeout", number: true}, {name: "servers"}, {name: "first"}, {name: "ended"}, {name: "how"}}, rows)
		if more := s.BadN - len(s.Bad); more > 0 {
			p.put("<p class=\"muted\">and %v more.</p>\n", more)
		}
	}
	rows = nil
	var most int64
	for _, k := range s.Clients {
		most = max(most, int64(k.Sessions))
	}
	for _, k := range s.Clients {
		shortest := ""
		if k.Shortest > 0 {
			shortest = ui.Duration(k.Shortest)
		}
		rows = append(rows, []any{cmp.Or(k.Name, "unknown"), k.Sessions, bar(int64(k.Sessions), most, "s0"), k.Connections, k.Expired, k.Unasked, k.Gone, k.Closed, k.Moved, k.Lost, shortest})
	}
	p.table("Clients with the most sessions", []column{{name: "client", wrap: true}, {name: "sessions", number: true}, {name: ""}, {name: "connections", number: true}, {name: "expired", number: true}, {name: "unasked", number: true},
		{name: "gone", number: true}, {name: "closed", number: true}, {name: "moved", number: true}, {name: "lost", number: true}, {name: "shortest", number: true}}, rows)
	if more := s.ClientsN - len(s.Clients); more > 0 {
		p.put("<p class=\"muted\">and %v more.</p>\n", more)
	}
}

func (c *content) writeWrites(p *page) {
	w := c.writes
	p.put("<p>%v transactions of %s in %s", w.Txns, size(w.Bytes), w.data.Folder)
	if len(c.written) > 1 {
		p.put(", which has the most; the sources list the others")
	}
	p.put(". zxid %s to %s; %v to %v bytes each, %v on average.</p>\n", w.FirstZxid, w.LastZxid, w.Size.Min, w.Size.Max, w.Size.Avg)
	kinds := []series{{"transactions", "s0"}}
	var list []stack
	for _, b := range w.Rate.Buckets {
		list = append(list, stack{b.Time, []int64{b.Txns}})
	}
	if len(list) > 0 {
		p.put("<h3>Transactions per %s</h3>\n", survey.Interval(w.Rate.Seconds))
		p.figure("Transactions over time", func(width int) (markup, int) { return columns(width, list, w.Rate.Seconds*1000, kinds) })
		p.details("Table: transactions over time", func() {
			var rows [][]any
			for _, b := range w.Rate.Buckets {
				rows = append(rows, []any{ui.Time(b.Time), b.Txns})
			}
			p.table("Transactions per "+survey.Interval(w.Rate.Seconds), []column{{name: "from"}, {name: "transactions", number: true}}, rows)
		})
	}
	var rows [][]any
	for _, t := range w.Types {
		var parts any = ""
		if t.InMulti != nil && *t.InMulti > 0 {
			parts = *t.InMulti
		}
		rows = append(rows, []any{t.Type, t.Txns, bar(t.Txns, w.Txns, "s0"), share(t.Txns, w.Txns), size(t.Bytes), parts})
	}
	p.table("Types", []column{{name: "type"}, {name: "transactions", number: true}, {name: ""}, {name: "share", number: true}, {name: "bytes", number: true}, {name: "in multi", number: true}}, rows)
	p.ranking(fmt.Sprintf("Hot paths, by their first %d names", c.o.depth), "path", w.Paths, w.OtherPaths, func(k survey.WriteCount) string { return k.Path })
	p.ranking("Busiest sessions", "session", w.Sessions, w.OtherSessions, func(k survey.WriteCount) string { return k.SessionID })
}

// ranking writes the most frequent keys and the sum of the others.
func (p *page) ranking(title, what string, list []survey.WriteCount, others survey.WriteCount, name func(survey.WriteCount) string) {
	if len(list) == 0 {
		return
	}
	sum := others.Txns
	for _, k := range list {
		sum += k.Txns
	}
	var rows [][]any
	for _, k := range list {
		rows = append(rows, []any{name(k), k.Txns, bar(k.Txns, list[0].Txns, "s0"), share(k.Txns, sum), size(k.Bytes)})
	}
	if others.Txns > 0 {
		rows = append(rows, []any{"others", others.Txns, bar(others.Txns, max(others.Txns, list[0].Txns), "rest"), share(others.Txns, sum), size(others.Bytes)})
	}
	p.table(title, []column{{name: what, wrap: true}, {name: "transactions", number: true}, {name: ""}, {name: "share", number: true}, {name: "bytes", number: true}}, rows)
}

func (c *content) writeTree(p *page) {
	t := c.tree
	p.put("<p>%s: %v znodes with %s of data, %v of them ephemeral; %v sessions", t.Source, t.Root.Znodes, ui.Bytes(t.Root.Bytes), t.Ephemerals, t.Sessions)
	if t.Zxid >= 0 {
		p.put("; zxid %s", fmt.Sprintf("%#x", uint64(t.Zxid)))
	}
	p.put(".</p>\n")
	if t.Root.Bytes > 0 {
		p.put("<h3>By bytes of data</h3>\n")
		p.figure("Size of the tree by bytes of data", func(w int) (markup, int) { return byBytes().draw(w, t.Root) })
	}
	p.put("<h3>By number of znodes</h3>\n")
	p.figure("Size of the tree by number of znodes", func(w int) (markup, int) { return byZnodes().draw(w, t.Root) })
	p.details("Table: the largest branches", func() {
		p.table("Largest branches, two levels deep", []column{{name: "path", wrap: true}, {name: "znodes", number: true}, {name: "data", number: true}, {name: "share", number: true}, {name: "children", number: true}},
			treeRows(t.Root, 400))
	})
	var rows [][]any
	for _, b := range t.Largest {
		if b.Own > 0 {
			rows = append(rows, []any{b.Path, size(b.Own), bar(b.Own, t.Largest[0].Own, "s0"), share(b.Own, t.Root.Bytes)})
		}
	}
	if len(rows) > 0 {
		p.table("Znodes with the most data", []column{{name: "path", wrap: true}, {name: "data", number: true}, {name: ""}, {name: "share", number: true}}, rows)
	}
}
