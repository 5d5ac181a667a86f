package logformatter

import (
	"bufio"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

// sessionColumn is a column of the list. If the terminal is narrow, the columns with the highest
// drop are left out first; those with 0 always stay.
type sessionColumn struct {
	name  string
	drop  int
	right bool
	cell  func(t *sessionTable, s *session) string
}

var sessionColumns = []sessionColumn{
	{"session", 0, false, func(_ *sessionTable, s *session) string { return proto.Hex(s.id) }},
	{"opened", 2, false, func(_ *sessionTable, s *session) string {
		if !s.known {
			return "before the logs"
		}
		return ui.Time(s.opened)
	}},
	{"zxid", 6, false, func(_ *sessionTable, s *session) string {
		if !s.known {
			return ""
		}
		return proto.Hex(s.openedZxid)
	}},
	{"timeout", 4, true, func(_ *sessionTable, s *session) string { return timeoutText(s.timeout) }},
	{"lasted", 1, true, func(t *sessionTable, s *session) string { return lastedText(t, s) }},
	{"end", 0, false, func(_ *sessionTable, s *session) string { return s.end }},
	{"writes", 0, true, func(_ *sessionTable, s *session) string { return strconv.FormatInt(s.writes, 10) }},
	{"errors", 5, true, func(_ *sessionTable, s *session) string { return strconv.FormatInt(s.errors, 10) }},
	{"ephemerals", 3, true, func(_ *sessionTable, s *session) string { return strconv.FormatInt(s.created, 10) }},
	{"ended with it", 3, true, func(_ *sessionTable, s *session) string { return strconv.FormatInt(s.went, 10) }},
}

// writeSessions writes the table without the columns that do not fit width; if width is 0, all
// fit.
func writeSessions(w *bufio.Writer, t *sessionTable, list []*session, width int) {
	columns := slices.Clone(sessionColumns)
	for drop := 6; width > 0 && drop > 0; drop-- {
		need := 0
		for _, c := range columns {
			widest := len(c.name)
			for _, s := range list {
				widest = max(widest, text.StringWidth(c.cell(t, s)))
			}
			need += widest + 2
		}
		if need-2 <= width {
			break
		}
		columns = slices.DeleteFunc(columns, func(c sessionColumn) bool { return c.drop == drop })
	}
	tw := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = text.FormatUpper
	tw.SetStyle(style)
	head := table.Row{}
	var configs []table.ColumnConfig
	for i, c := range columns {
		head = append(head, c.name)
		if c.right {
			configs = append(configs, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
	}
	tw.SetColumnConfigs(configs)
	tw.AppendHeader(head)
	for _, s := range list {
		row := table.Row{}
		for _, c := range columns {
			row = append(row, c.cell(t, s))
		}
		tw.AppendRow(row)
	}
	for line := range strings.Lines(tw.Render()) {
		w.WriteString(strings.TrimRight(line, " \n"))
		w.WriteByte('\n')
	}
}

func timeoutText(ms int32) string {
	if ms == 0 {
		return "?"
	}
	return lengthText(int64(ms))
}

func lengthText(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	if d > time.Minute {
		d = d.Round(time.Second)
	}
	return d.String()
}

// lastedText starts with > if the session lasted longer than the logs show.
func lastedText(t *sessionTable, s *session) string {
	ms, exact := s.lasted(t.until)
	if exact {
		return lengthText(ms)
	}
	return ">" + lengthText(ms)
}

var endTexts = map[string]string{
	endClosed:  "closed by the client",
	endExpired: "expired",
	endOpen:    "still open at the end of the logs",
}

// writeSession writes one session in detail.
func writeSession(w *bufio.Writer, t *sessionTable, s *session) {
	fmt.Fprintf(w, "session %s\n", proto.Hex(s.id))
	if s.known {
		fmt.Fprintf(w, "  opened      %s  zxid %s\n", ui.Time(s.opened), proto.Hex(s.openedZxid))
	} else {
		fmt.Fprintf(w, "  opened      before the first log\n")
	}
	fmt.Fprintf(w, "  timeout     %s\n", timeoutText(s.timeout))
	fmt.Fprintf(w, "  lasted      %s\n", lastedText(t, s))
	if s.end != endOpen {
		fmt.Fprintf(w, "  ended       %s  zxid %s\n", ui.Time(s.closed), proto.Hex(s.closedZxid))
	}
	fmt.Fprintf(w, "  end         %s\n", endTexts[s.end])
	fmt.Fprintf(w, "  writes      %d", s.writes)
	for i, op := range slices.Sorted(maps.Keys(s.byType)) {
		fmt.Fprintf(w, "%s%d %s", listMark(i), s.byType[op], op)
	}
	fmt.Fprintf(w, "\n  errors      %d", s.errors)
	for i, code := range slices.Backward(slices.Sorted(maps.Keys(s.byError))) {
		fmt.Fprintf(w, "%s%d %s", listMark(len(s.byError)-1-i), s.byError[code], code.Message())
	}
	fmt.Fprintf(w, "\n  ephemerals  %d created, %d deleted, %d removed with the session\n", s.created, s.deleted, s.went)
	for _, e := range s.detail {
		fmt.Fprintf(w, "    %s\n      ", escape.Line(e.path))
		if e.zxid != 0 {
			fmt.Fprintf(w, "created %s, ", proto.Hex(e.zxid))
		} else {
			fmt.Fprint(w, "created before the logs, ")
		}
		switch {
		case e.deleted == 0:
			fmt.Fprintln(w, "still exists")
		case e.deleted == s.closedZxid:
			fmt.Fprintf(w, "removed with the session %s\n", proto.Hex(e.deleted))
		case e.deletedBy == s.id:
			fmt.Fprintf(w, "deleted %s\n", proto.Hex(e.deleted))
		default:
			fmt.Fprintf(w, "deleted %s by session %s\n", proto.Hex(e.deleted), proto.Hex(e.deletedBy))
		}
	}
}

func listMark(i int) string {
	if i == 0 {
		return ": "
	}
	return ", "
}

type sessionObject struct {
	SessionID    string           `json:"sessionId"`
	OpenedZxid   string           `json:"openedZxid,omitempty"`
	Opened       int64            `json:"opened,omitempty"`
	OpenedBefore bool             `json:"openedBefore,omitempty"`
	TimeOut      int32            `json:"timeOut,omitempty"`
	ClosedZxid   string           `json:"closedZxid,omitempty"`
	Closed       int64            `json:"closed,omitempty"`
	Lasted       int64            `json:"lasted"`
	LastedExact  bool             `json:"lastedExact"`
	End          string           `json:"end"`
	Writes       int64            `json:"writes"`
	WritesByType map[string]int64 `json:"writesByType"`
	Errors       int64            `json:"errors"`
	ErrorsByCode map[string]int64 `json:"errorsByCode,omitempty"`
	Ephemerals   ephemeralsObject `json:"ephemerals"`
}

type ephemeralsObject struct {
	Created int64             `json:"created"`
	Deleted int64             `json:"deleted"`
	Went    int64             `json:"wentWithSession"`
	Paths   []string          `json:"paths,omitempty"` // removed with it, the first hundred
	All     []ephemeralObject `json:"all,omitempty"`   // of the session asked for
}

type ephemeralObject struct {
	Path        string `json:"path"`
	CreatedZxid string `json:"createdZxid,omitempty"`
	DeletedZxid string `json:"deletedZxid,omitempty"`
	DeletedBy   string `json:"deletedBy,omitempty"`
}

func writeSessionsJSON(w *bufio.Writer, t *sessionTable, list []*session) error {
	for _, s := range list {
		o := sessionObject{
			SessionID: proto.Hex(s.id), OpenedBefore: !s.known, TimeOut: s.timeout, End: s.end,
			Writes: s.writes, WritesByType: named(s.byType, proto.Op.String),
			Errors: s.errors, ErrorsByCode: named(s.byError, proto.Error.Name),
			Ephemerals: ephemeralsObject{Created: s.created, Deleted: s.deleted, Went: s.went, Paths: s.wentPaths},
		}
		o.Lasted, o.LastedExact = s.lasted(t.until)
		if s.known {
			o.OpenedZxid, o.Opened = proto.Hex(s.openedZxid), s.opened
		}
		if s.end != endOpen {
			o.ClosedZxid, o.Closed = proto.Hex(s.closedZxid), s.closed
		}
		for _, e := range s.detail {
			one := ephemeralObject{Path: e.path}
			if e.zxid != 0 {
				one.CreatedZxid = proto.Hex(e.zxid)
			}
			if e.deleted != 0 {
				one.DeletedZxid, one.DeletedBy = proto.Hex(e.deleted), proto.Hex(e.deletedBy)
			}
			o.Ephemerals.All = append(o.Ephemerals.All, one)
		}
		if err := ui.PrintJSON(w, &o); err != nil {
			return err
		}
	}
	return nil
}

func named[K comparable](counts map[K]int64, name func(K) string) map[string]int64 {
	m := make(map[string]int64, len(counts))
	for k, n := range counts {
		m[name(k)] = n
	}
	return m
}
