package shell

import (
	"fmt"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/zkctl/zkctl/internal/client"
)

// label is what the prompt shows.
type label struct {
	servers string // the connect string
	server  string // the server that the session is connected to
	state   client.State
	dir     string
	number  int
}

// spans returns the prompt: zkCli's if it leaves at least 40% of the width for the line. In a
// narrower window the address is shortened, then omitted, and then the state is no longer a word.
func (l label) spans(width int) []span {
	room := width * 6 / 10
	tail := fmt.Sprintf(" %d] ", l.number)
	if l.dir != "" && l.dir != "/" {
		tail = " " + l.dir + tail
	}
	state, style := string(l.state), stateStyle(l.state)
	full := func(address, tail string) []span {
		return []span{{"[zk: " + address + "(", ""}, {state, style}, {")" + tail, ""}}
	}
	short := fmt.Sprintf(" %d] ", l.number)
	for _, c := range [][]span{full(l.servers, tail), full(l.server, tail)} {
		if spansWidth(c) <= room && (l.server != "" || l.servers != "") && c[0].text != "[zk: (" {
			return c
		}
	}
	address := l.servers
	if l.server != "" && strings.Contains(l.servers, ",") {
		address = l.server
	}
	for _, t := range []string{tail, short} {
		if left := room - spansWidth(full("", t)); left >= 10 {
			return full(shorten(address, left), t)
		}
	}
	for _, c := range [][]span{
		{{"[zk(", ""}, {state, style}, {")" + short, ""}},
		{{"[", ""}, {"zk", style}, {short, ""}},
	} {
		if spansWidth(c) <= room {
			return c
		}
	}
	return []span{{"> ", style}}
}

func stateStyle(s client.State) string {
	switch s {
	case client.Connected:
		return "32" // green
	case client.ConnectedReadOnly:
		return "36" // cyan
	case client.Connecting:
		return "33" // yellow
	}
	return "31" // red
}

func spansWidth(spans []span) int {
	w := 0
	for _, s := range spans {
		w += runewidth.StringWidth(s.text)
	}
	return w
}

// shorten keeps the end, where the hosts of a cluster differ and the port is.
func shorten(text string, width int) string {
	if runewidth.StringWidth(text) <= width {
		return text
	}
	return runewidth.TruncateLeft(text, runewidth.StringWidth(text)-width+1, "…")
}
