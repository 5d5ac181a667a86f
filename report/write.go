package report

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/version"
)

//go:embed page.css
var style string

// section is a part of the page.
type section struct {
	id, title string
	has       bool   // the sources have something for it
	lacks     string // the sources that would
	write     func(*page)
}

func (c *content) sections() []section {
	logs := c.logs != nil
	return []section{
		{"findings", "What stands out", true, "", c.writeFindings},
		{"timeline", "Timeline", logs && len(c.logs.Moments) > 0, "logs of servers or clients with notable events", c.writeTimeline},
		{"elections", "Elections", logs && len(c.logs.Elections) > 0, "members' logs from a time when they elect a leader", c.writeElections},
		{"sessions", "Sessions", logs && c.logs.Sessions.N > 0 || c.writes != nil && len(c.writes.Churn) > 0, "transaction logs, or logs that mention sessions", c.writeSessions},
		{"writes", "Writes", c.writes != nil && c.writes.Txns > 0, "transaction logs with transactions in this time", c.writeWrites},
		{"tree", "Size of the tree", c.tree != nil, "a snapshot, or a whole data directory", c.writeTree},
		{"latencies", "How long things took", logs && len(c.logs.Delays) > 0, "logs that report slow disks, pauses, snapshots or elections", c.writeDelays},
		{"messages", "Messages", logs, "logs of servers or clients", c.writeMessages},
		{"sources", "Sources", true, "", c.writeSources},
	}
}

// write writes the page. The style is allowed by its hash; nothing else is loaded, and no script runs.
func (c *content) write(p *page, now time.Time) {
	sum := sha256.Sum256([]byte(style))
	p.put(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;; style-src &#39;sha256-%s&#39;; base-uri &#39;none&#39;; form-action &#39;none&#39;"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<meta name="referrer" content="no-referrer"/>
<meta name="generator" content="zkctl %s"/>
<title>ZooKeeper report: %s</title>
<style>`, markup(base64.StdEncoding.EncodeToString(sum[:])), version.Release(), c.summary())
	p.put("%s</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#findings\">Skip to the findings</a>\n", markup(style))
	p.put("<header>\n<h1>ZooKeeper report</h1>\n<p>%s", c.summary())
	if from, to, ok := c.span(); ok {
		p.put(", from <time>%s</time> to <time>%s</time> (%s)", ui.Time(from), ui.Time(to), ui.Duration(to-from))
	}
	p.put("</p>\n<p class=\"muted\">Written %s by zkctl %s</p>\n", ui.Time(now.UnixMilli()), version.Release())
	list := c.sections()
	p.put("<nav aria-label=\"Sections\"><ul>")
	for _, s := range list {
		p.put("<li><a href=\"#%s\"%s>%s</a></li>", s.id, hollow(!s.has), s.title)
	}
	p.put("</ul></nav>\n</header>\n<main>\n")
	c.writeFigures(p)
	for _, s := range list {
		p.put("<section id=\"%s\" aria-labelledby=\"%s-title\">\n<h2 id=\"%s-title\">%s</h2>\n", s.id, s.id, s.id, s.title)
		if s.has {
			s.write(p)
		} else {
			p.put("<p class=\"muted\">Nothing to show. This section needs %s.</p>\n", s.lacks)
		}
		p.put("</section>\n")
	}
	p.put("</main>\n</body>\n</html>\n")
}

func hollow(is bool) markup {
	if is {
		return ` class="hollow"`
	}
	return ""
}

// writeFigures writes the few numbers that matter most.
func (c *content) writeFigures(p *page) {
	p.put("<dl class=\"figures\">\n")
	figure := func(name string, class markup, value any, more string) {
		p.put("<div><dt>%s</dt><dd class=\"%s\">%v</dd><dd class=\"muted\">%s</dd></div>\n", name, class, value, more)
	}
	problems := 0
	for _, f := range c.findings {
		if f.problem {
			problems++
		}
	}
	figure("Problems", mood(problems > 0), problems, fmt.Sprintf("of %s", command.Counted(len(c.findings), "finding")))
	if c.logs != nil {
		figure("Log events", "", c.logs.All.N, fmt.Sprintf("in %s, %s", command.Counted(c.logs.Logs, "log"), ui.Bytes(c.logs.Bytes)))
		elections, outage := 0, int64(0)
		for _, e := range c.logs.Elections {
			if e.Result == "elected" {
				elections++
			}
			if e.LostUntil > 0 {
				outage += e.LostUntil - e.LostFrom
			}
		}
		if c.logs.ElectionsN > 0 {
			figure("Elections", "", elections, "with a leader")
			figure("Without a leader", mood(outage > 0), ui.Duration(outage), "as far as the logs show")
		}
		if s := &c.logs.Sessions; s.N > 0 {
			figure("Sessions", mood(s.BadN > 0), s.N, fmt.Sprintf("%s ended badly", command.Thousands(s.BadN)))
		}
	}
	if c.writes != nil {
		figure("Transactions", "", c.writes.Txns, ui.Bytes(c.writes.Bytes))
	}
	if c.tree != nil {
		figure("Znodes", "", c.tree.Root.Znodes, ui.Bytes(c.tree.Root.Bytes)+" of data")
	}
	p.put("</dl>\n")
}

func mood(bad bool) markup {
	if bad {
		return "bad"
	}
	return "good"
}

func (c *content) writeFindings(p *page) {
	if len(c.findings) == 0 {
		p.put("<p class=\"good\">Nothing stands out in these sources.</p>\n")
		return
	}
	p.put("<ol class=\"findings\">\n")
	for _, f := range c.findings {
		kind := "notable"
		if f.problem {
			kind = "problem"
		}
		p.put("<li class=\"%s\"><h3><span class=\"tag\">%s</span> %s</h3>\n", kind, kind, f.title)
		if f.from != "" {
			p.put("<p class=\"muted\"><time>%s</time>", f.from)
			if f.until != "" {
				p.put(" to <time>%s</time>", f.until)
			}
			p.put("</p>\n")
		}
		if f.text != "" {
			p.put("<p>%s</p>\n", f.text)
		}
		if f.do != "" {
			p.put("<p><strong>To do:</strong> %s</p>\n", f.do)
		}
		if f.evidence != "" {
			p.put("<pre><b>%s</b> %s</pre>\n", f.where, f.evidence)
		}
		p.put("<p><a href=\"#%s\">More in %s</a></p></li>\n", f.section, c.titleOf(f.section))
	}
	p.put("</ol>\n")
	if len(c.findings) == mostFindings {
		p.put("<p class=\"muted\">Only the first %v are listed.</p>\n", mostFindings)
	}
}

func (c *content) titleOf(id string) string {
	for _, s := range c.sections() {
		if s.id == id {
			return s.title
		}
	}
	return id
}

func (c *content) writeSources(p *page) {
	if len(c.notes) > 0 {
		p.put("<ul class=\"notes\">\n")
		for _, n := range c.notes {
			p.put("<li>%s</li>\n", n)
		}
		p.put("</ul>\n")
	}
	if c.logs != nil {
		var rows [][]any
		for _, k := range c.logs.Clocks {
			rows = append(rows, []any{k.Log, k.Member, k.Text, map[bool]string{true: "yes", false: "no"}[k.Corrected]})
		}
		p.table("Logs, and how their clocks differ", []column{{name: "log", wrap: true}, {name: "server"}, {name: "clock"}, {name: "times corrected"}}, rows)
	}
	var rows [][]any
	for _, w := range c.written {
		first, last := "", ""
		if w.FirstTime != nil {
			first, last = ui.Time(*w.FirstTime), ui.Time(*w.LastTime)
		}
		rows = append(rows, []any{w.data.Folder, w.Files, size(w.FileBytes), w.Txns, w.FirstZxid, w.LastZxid, first, last})
	}
	if len(rows) > 0 {
		p.table("Transaction logs", []column{{name: "folder", wrap: true}, {name: "files", number: true}, {name: "size", number: true}, {name: "transactions", number: true},
			{name: "first zxid"}, {name: "last zxid"}, {name: "first"}, {name: "last"}}, rows)
	}
	rows = nil
	for _, d := range c.found.Data {
		for _, s := range d.Snapshots {
			rows = append(rows, []any{s.Path, size(s.Size)})
		}
	}
	if len(rows) > 0 {
		p.table("Snapshots", []column{{name: "file", wrap: true}, {name: "size", number: true}}, rows)
	}
}
