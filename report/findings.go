package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/survey"
	"github.com/zkctl/zkctl/internal/ui"
)

// finding is something that stands out.
type finding struct {
	problem  bool // or only notable
	title    string
	from     string // its time, or its first
	until    string // its last, if there is another
	text     string // what it means
	do       string
	evidence string // a line of a source
	where    string // of that line
	section  string // that shows more
}

// Limits from which something is worth mentioning.
const (
	largeZnode    = 512 << 10 // half of jute.maxbuffer
	manyChildren  = 10_000    // names of so many may not fit into one packet
	manyWrites    = 1000
	mostFindings  = 40
	largeSkew     = 1000 // ms
	mostOutages   = 5
	mostFullTexts = 12 // phrases whose meaning is spelt out
)

// find collects the findings: those of the logs, as in zkctl log summary and elections, then those of the data.
func (c *content) find() {
	add := func(f finding) {
		if len(c.findings) < mostFindings {
			c.findings = append(c.findings, f)
		}
	}
	if c.logs != nil {
		c.outages(add)
		c.stayedOut(add)
		c.badSessions(add)
		c.phrases(add)
		c.unknownErrors(add)
		for _, clock := range c.logs.Clocks {
			if clock.Known && !clock.Reference && max(clock.Skew, -clock.Skew) > max(clock.Within, largeSkew) {
				add(finding{title: fmt.Sprintf("The clock of %s is off: %s", cmp.Or(memberName(clock.Member), short(clock.Log)), clock.Text),
					text: "Times on this page are corrected by that, unless --as-logged was given.", do: "Let NTP or chrony keep the clocks of all machines.", section: "sources"})
			}
		}
	}
	if c.writes != nil {
		c.busy(add)
	}
	if c.tree != nil {
		c.large(add)
	}
	if c.failed {
		add(finding{problem: true, title: "Not all sources could be read", text: "What is missing may change the picture.", section: "sources"})
	}
	slices.SortStableFunc(c.findings, func(a, b finding) int {
		switch {
		case a.problem == b.problem:
			return 0
		case a.problem:
			return -1
		}
		return 1
	})
}

func memberName(id string) string {
	if id == "" {
		return ""
	}
	return "server " + id
}

// outages are the times without a leader, the longest first.
func (c *content) outages(add func(finding)) {
	var list []survey.Election
	for _, e := range c.logs.Elections {
		if e.LostUntil > 0 {
			list = append(list, e)
		}
	}
	slices.SortStableFunc(list, func(a, b survey.Election) int {
		return cmp.Compare(b.LostUntil-b.LostFrom, a.LostUntil-a.LostFrom)
	})
	for _, e := range list[:min(len(list), mostOutages)] {
		text := "No client could write, or connect."
		for _, row := range e.Rows {
			if row[0] == "because" {
				text += " It began because " + row[1] + "."
			}
		}
		add(finding{problem: true, title: "No leader, and so no service, for " + ui.Duration(e.LostUntil-e.LostFrom),
			from: ui.Time(e.LostFrom), until: ui.Time(e.LostUntil), text: text, section: "elections"})
	}
	if more := len(list) - mostOutages; more > 0 {
		add(finding{problem: true, title: fmt.Sprintf("%s more without a leader", command.Counted(more, "time")), section: "elections"})
	}
}

// stayedOut are the servers that took no part in an election.
func (c *content) stayedOut(add func(finding)) {
	count := map[string]int{}
	var order []string
	for _, e := range c.logs.Elections {
		for _, row := range e.Rows {
			if row[0] != "out" {
				continue
			}
			if count[row[1]] == 0 {
				order = append(order, row[1])
			}
			count[row[1]]++
		}
	}
	for i, text := range order {
		if i == mostOutages {
			break
		}
		who, why, _ := strings.Cut(text, ": ")
		title := strings.ToUpper(who[:1]) + who[1:] + " stayed out of an election"
		if n := count[text]; n > 1 {
			title = fmt.Sprintf("%s%s stayed out of %d elections", strings.ToUpper(who[:1]), who[1:], n)
		}
		add(finding{problem: true, title: title, text: strings.ToUpper(why[:min(1, len(why))]) + why[min(1, len(why)):] + ".", section: "elections"})
	}
}

func (c *content) badSessions(add func(finding)) {
	s := &c.logs.Sessions
	for _, end := range s.Ends {
		n := command.Counted(end.N, "session")
		if s.More > 0 {
			n = "At least " + n
		}
		switch end.Name {
		case "expired":
			text := "The leader heard nothing from their clients for the session timeout; their ephemeral znodes went with them."
			if end.N == 1 && s.More == 0 {
				text = "The leader heard nothing from its client for the session timeout; its ephemeral znodes went with it."
			}
			add(finding{problem: true, title: n + " expired", text: text,
				do: "See in the client's own log whether it paused, or lost its connection.", section: "sessions"})
		case "unasked":
			add(finding{problem: true, title: n + " closed while in use", text: "The servers closed them, but their own clients did not: another client with the same id and password did, or an administrator.",
				do: "Find out who: zkctl session trace 0xID with these logs and the transaction logs.", section: "sessions"})
		case "gone":
			add(finding{problem: true, title: n + " no longer existed when their clients came back", text: "The logs do not say who ended them.",
				do: "Transaction logs do: zkctl txnlog sessions lists how each session ended.", section: "sessions"})
		}
	}
}

func (c *content) phrases(add func(finding)) {
	shown := 0
	for _, p := range c.logs.Phrases {
		if p.Rank != "problem" {
			continue
		}
		f := finding{problem: true, title: fmt.Sprintf("%s, %s", p.Key, times(p.N)), section: "messages", evidence: clip(p.Sample, 400),
			where: fmt.Sprintf("%s:%d", p.File, p.Line)}
		if p.Timed && p.Last > p.First {
			f.from, f.until = ui.Time(p.First), ui.Time(p.Last)
		} else if p.Timed {
			f.from = ui.Time(p.First)
		}
		if shown++; shown <= mostFullTexts {
			f.text, f.do = p.Means, p.Do
		}
		add(f)
	}
}

// unknownErrors are errors that the catalogue does not know.
func (c *content) unknownErrors(add func(finding)) {
	var n, all int64
	var first *survey.Moment
	for i := range c.logs.Moments {
		m := &c.logs.Moments[i]
		all += m.N
		if m.Problem && m.Phrase == "" {
			if first == nil {
				first = m
			}
			n += m.N
		}
	}
	if first == nil {
		return
	}
	title := command.Counted(int(n), "error") + " that zkctl does not know"
	if all < c.logs.MomentsN { // some are left out
		title = "At least " + title
	}
	add(finding{problem: true, title: title, text: "Events of level ERROR or FATAL; their shapes are listed below.", section: "messages", evidence: first.Text,
		where: fmt.Sprintf("%s:%d", first.File, first.Line)})
}

func (c *content) busy(add func(finding)) {
	w := c.writes
	if n := w.CRCErrors; n > 0 {
		add(finding{problem: true, title: command.Counted(int(n), "transaction") + " with a wrong checksum", text: "Bytes of a transaction log changed on disk.",
			do: "Find how much is lost with zkctl txnlog verify.", section: "writes"})
	}
	if w.Largest != nil && w.Size.Max >= largeZnode {
		add(finding{title: fmt.Sprintf("The largest transaction has %s", ui.Bytes(int64(w.Size.Max))), text: fmt.Sprintf("It is zxid %s, %s %s. Packets over jute.maxbuffer (1 MiB unless set) are refused, and large ones delay all others.", w.Largest.Zxid, w.Largest.Type, w.Largest.Path), section: "writes"})
	}
	if w.Txns < manyWrites {
		return
	}
	if len(w.Paths) > 0 && 2*w.Paths[0].Txns > w.Txns {
		add(finding{title: fmt.Sprintf("%s of the writes are to %s", share(w.Paths[0].Txns, w.Txns), w.Paths[0].Path), text: "One path causes most of the load.", section: "writes"})
	}
	if len(w.Sessions) > 0 && 2*w.Sessions[0].Txns > w.Txns {
		add(finding{title: fmt.Sprintf("%s of the writes are by session %s", share(w.Sessions[0].Txns, w.Txns), w.Sessions[0].SessionID), text: "One client causes most of the load.",
			do: "zkctl session decode says which server made the session, and when.", section: "writes"})
	}
	var churn int64
	for _, t := range w.Types {
		if t.Type == "createSession" || t.Type == "closeSession" {
			churn += t.Txns
		}
	}
	if 2*churn > w.Txns {
		add(finding{title: share(churn, w.Txns) + " of the writes only open and close sessions", text: "Clients connect for each request instead of keeping a session; each costs the ensemble two writes.", section: "sessions"})
	}
}

func (c *content) large(add func(finding)) {
	for i, b := range c.tree.Largest {
		if b.Own < largeZnode || i == mostOutages {
			break
		}
		add(finding{title: fmt.Sprintf("%s has %s of data", b.Path, ui.Bytes(b.Own)), text: "ZooKeeper holds all data in memory and sends it whole; packets over jute.maxbuffer (1 MiB unless set) are refused.", section: "tree"})
	}
	var walk func(b survey.Branch)
	n := 0
	walk = func(b survey.Branch) {
		if b.Children >= manyChildren && n < mostOutages {
			n++
			add(finding{title: fmt.Sprintf("%s has %s children", b.Path, command.Thousands(int(b.Children))), text: "All their names must fit into one packet (jute.maxbuffer, 1 MiB unless set), or nobody can list or delete them.", section: "tree"})
		}
		for i := range b.Below {
			walk(b.Below[i])
		}
	}
	walk(c.tree.Root)
}

// times is "once", "7 times".
func times(n int64) string {
	if n == 1 {
		return "once"
	}
	return command.Thousands(int(n)) + " times"
}

// clip returns the beginning of a text.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
