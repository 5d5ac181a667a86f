package answer

import (
	"bytes"
	"net/netip"
	"strings"
)

// Connection is one client's connection to a member, as cons, stat and connections list it.
type Connection struct {
	Address      string       `json:"address"` // ip:port, [ip]:port
	Secure       bool         `json:"secure,omitempty"`
	Interest     Opt[int64]   `json:"interestOps"` // bits of java.nio.channels.SelectionKey
	Queued       Opt[int64]   `json:"queued"`      // requests
	Received     Opt[int64]   `json:"received"`    // packets
	Sent         Opt[int64]   `json:"sent"`
	Session      Opt[Hex]     `json:"session"` // unknown if the connection has none
	LastOp       string       `json:"lastOperation,omitempty"`
	Established  Opt[int64]   `json:"established"` // ms since 1970, as LastResponse if the member's clock is
	Timeout      Opt[int64]   `json:"timeout"`     // ms
	LastCxid     Opt[Hex]     `json:"lastCxid"`
	LastZxid     Opt[Hex]     `json:"lastZxid"`
	LastResponse Opt[int64]   `json:"lastResponseTime"` // ms of the member's own clock
	LastLatency  Opt[float64] `json:"lastLatency"`      // ms
	MinLatency   Opt[float64] `json:"minLatency"`
	AvgLatency   Opt[float64] `json:"avgLatency"`
	MaxLatency   Opt[float64] `json:"maxLatency"`

	line string // what it was parsed from
}

// ParseCons parses the answer to cons.
func ParseCons(text []byte) ([]*Connection, error) { return parseConsAfter(text, nil) }

// ConsAfter is the word cons for those who ask again and again: a connection of which the answer says the same as before
// is the value from before, and costs next to nothing. Both lists are read only.
func ConsAfter(before []*Connection) *Word {
	w := *WordOf("cons")
	w.text = parser(func(text []byte) ([]*Connection, error) { return parseConsAfter(text, before) })
	return &w
}

func parseConsAfter(text []byte, before []*Connection) ([]*Connection, error) {
	list := make([]*Connection, 0, len(before)+1)
	for line := range rawLines(text) {
		if i := sameLine(before, line); i >= 0 {
			list, before = append(list, before[i]), before[i+1:]
			continue
		}
		c := parseConnection(string(line))
		if c == nil {
			continue
		}
		list = append(list, c)
		if len(before) > 0 && before[0].Address == c.Address {
			before = before[1:]
		}
	}
	if len(list) == 0 && len(bytes.TrimSpace(text)) > 0 {
		return nil, notUnderstood("cons", text)
	}
	return list, nil
}

// sameLine finds the connection of a line, or returns -1. Members keep the order of the connections; some may have ended.
func sameLine(before []*Connection, line []byte) int {
	const ended = 64 // at most, or the rest is parsed again
	for i, c := range before[:min(len(before), ended)] {
		switch open := strings.IndexByte(c.line, '('); {
		case string(line) == c.line:
			return i
		case open >= 0 && len(line) > open && string(line[:open+1]) == c.line[:open+1]:
			return -1 // the same connection, but something has changed
		}
	}
	return -1
}

// parseConnection parses a connection, or returns nil.
func parseConnection(line string) *Connection {
	if c := new(Connection); c.parse(line) {
		return c
	}
	return nil
}

// parse parses " /127.0.0.1:58030[0](queued=0,recved=1,sent=0,sid=0x1,lop=PING,…)" into c, which is new.
// (ServerCnxn.dumpConnectionInfo)
func (c *Connection) parse(line string) bool {
	c.line = line
	line = strings.TrimSpace(line)
	paren := strings.IndexByte(line, '(')
	if paren < 0 || !strings.HasPrefix(line, "/") || !strings.HasSuffix(line, ")") {
		return false
	}
	c.Address = line[1:paren]
	if open := strings.LastIndexByte(c.Address, '['); open >= 0 && strings.HasSuffix(c.Address, "]") {
		c.Interest = asInt(fromHex(c.Address[open+1 : len(c.Address)-1]))
		c.Address = c.Address[:open]
	}
	c.Address = clientAddress(c.Address)
	for rest, more := line[paren+1:len(line)-1], true; more; {
		var field string
		field, rest, more = strings.Cut(rest, ",")
		key, value, _ := strings.Cut(field, "=")
		switch key {
		case "queued":
			c.Queued = whole(value)
		case "recved":
			c.Received = whole(value)
		case "sent":
			c.Sent = whole(value)
		case "sid":
			if id := hex(value); id.Or(0) != 0 {
				c.Session = id
			}
		case "lop":
			c.LastOp = operation(value)
		case "est":
			c.Established = whole(value)
		case "to":
			c.Timeout = whole(value)
		case "lcxid":
			c.LastCxid = hex(value)
		case "lzxid":
			c.LastZxid = hex(value)
		case "lresp":
			c.LastResponse = whole(value)
		case "llat":
			c.LastLatency = number(value)
		case "minlat":
			c.MinLatency = number(value)
		case "avglat":
			c.AvgLatency = number(value)
		case "maxlat":
			c.MaxLatency = number(value)
		}
	}
	return true
}

// fromHex parses a hexadecimal number.
func fromHex(s string) Opt[float64] {
	if v, ok := hex(s).Get(); ok {
		return Some(float64(v))
	}
	return Opt[float64]{}
}

// clientAddress normalises host:port, where the host may be an IPv6 address without brackets, or follow a name and a
// slash.
func clientAddress(s string) string {
	s = s[strings.LastIndexByte(s, '/')+1:]
	colon := strings.LastIndexByte(s, ':')
	if colon < 0 || strings.Count(s, ":") < 2 {
		return s
	}
	return "[" + Host(strings.Trim(s[:colon], "[]")) + "]" + s[colon:]
}

// Host shortens an IPv6 address, which Java writes at full length.
func Host(host string) string {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.String()
	}
	return host
}

// operation returns the last operation of a connection, "" if there was none yet.
func operation(text string) string {
	if text == "null" || text == "NA" {
		return ""
	}
	return text
}
