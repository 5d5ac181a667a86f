package top

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/ui"
)

// line prints the sample on a line, after the events since the last one.
func (m *model) line(w io.Writer, events []event) error {
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintf(&b, "%s  %s\n", e.At.Format(time.RFC3339), escape.Line(e.Text))
	}
	fmt.Fprintf(&b, "%s  writes %s/s  reads %s/s  lag %s  outstanding %s  connections %s  %s\n", m.at.Format(time.RFC3339),
		rate(m.survey.Writes), rate(m.survey.Reads), whole(m.lag()), whole(m.sum(func(r *probe.Reading) optInt { return r.Outstanding })),
		whole(m.sum(m.connections)), escape.Line(m.verdict.Sentence))
	_, err := io.WriteString(w, b.String())
	return err
}

type optInt = answer.Opt[int64]

// memberJSON is a member with its rate.
type memberJSON struct {
	*probe.Reading
	rate answer.Opt[float64]
}

// MarshalJSON adds the rate to the reading's fields.
func (r memberJSON) MarshalJSON() ([]byte, error) {
	b, err := escape.MarshalJSON(r.Reading)
	if err != nil {
		return nil, err
	}
	rate, err := escape.MarshalJSON(r.rate)
	if err != nil {
		return nil, err
	}
	return append(append(append(b[:len(b)-1], `,"requestsPerSecond":`...), rate...), '}'), nil
}

type clientJSON struct {
	Client      string                 `json:"client"`
	Connections int                    `json:"connections"`
	Requests    answer.Opt[float64]    `json:"requestsPerSecond"`
	Queued      optInt                 `json:"queued"`
	LastOp      string                 `json:"lastOperation,omitempty"`
	AvgLatency  answer.Opt[float64]    `json:"avgLatency"`
	MaxLatency  answer.Opt[float64]    `json:"maxLatency"`
	Sessions    []answer.Opt[hexValue] `json:"sessions"`
}

type hexValue = answer.Hex

type pathJSON struct {
	Path   string  `json:"path"`
	Writes float64 `json:"writesPerSecond"`
	Bytes  float64 `json:"bytesPerSecond"`
	LastOp string  `json:"lastOperation"`
}

type eventJSON struct {
	At   int64  `json:"time"`
	Text string `json:"event"`
}

// object prints the sample as one JSON object on a line.
func (m *model) object(w io.Writer, events []event) error {
	out := struct {
		At int64 `json:"time"`
		probe.Verdict
		Writes  answer.Opt[float64]      `json:"writesPerSecond"`
		Reads   answer.Opt[float64]      `json:"readsPerSecond"`
		Lag     optInt                   `json:"lag"`
		Events  []eventJSON              `json:"events"`
		Members []memberJSON             `json:"members"`
		Clients answer.Opt[[]clientJSON] `json:"clients"`
		Paths   []pathJSON               `json:"paths,omitempty"`
		Notes   []string                 `json:"notes,omitempty"`
	}{At: m.at.UnixMilli(), Verdict: m.verdict, Writes: m.survey.Writes, Reads: m.survey.Reads, Lag: m.lag(), Events: []eventJSON{}, Notes: m.survey.Notes}
	for _, e := range events {
		out.Events = append(out.Events, eventJSON{e.At.UnixMilli(), e.Text})
	}
	for _, r := range m.survey.Readings {
		out.Members = append(out.Members, memberJSON{r, r.Requests})
	}
	clients := []clientJSON{}
	for _, c := range m.clients {
		row := clientJSON{c.host, len(c.conns), c.requests, c.queued, c.busiest.LastOp, c.latency, c.worst, nil}
		for _, o := range c.conns {
			row.Sessions = append(row.Sessions, o.Session)
		}
		clients = append(clients, row)
	}
	if text := m.blind(); text != "" {
		out.Notes = append(out.Notes, text)
	} else if len(m.serving()) > 0 {
		out.Clients = answer.Some(clients)
	}
	if len(clients) > 0 {
		out.Clients = answer.Some(clients)
	}
	for _, p := range m.paths {
		out.Paths = append(out.Paths, pathJSON{p.path, p.txns, p.bytes, p.last})
	}
	return ui.PrintJSON(w, out)
}
