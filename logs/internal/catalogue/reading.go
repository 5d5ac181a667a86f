package catalogue

import (
	"fmt"
	"strconv"
	"strings"
)

// Reading says what a field's value gives away, or "".
func Reading(f *Field) string {
	switch {
	case f.Name == "length":
		n, err := strconv.ParseInt(string(f.Value), 10, 64)
		if err != nil {
			return ""
		}
		return lengthReading(n)
	case strings.HasSuffix(f.Name, "zxid") && f.Hex:
		if n, err := parseHex(f.Value); err == nil && n > 0 {
			return fmt.Sprintf("epoch %d, transaction %d", n>>32, uint32(n))
		}
	case f.Name == "session" && f.Hex:
		n, err := parseHex(f.Value)
		if err != nil {
			return ""
		}
		switch server := n >> 56; {
		case n == 0:
			return "no session yet"
		case server == 0xff:
			return "made by a server older than 3.4.6, which lost its id in the sign (ZOOKEEPER-1622), or by server 255"
		default:
			return fmt.Sprintf("made by server %d", server)
		}
	}
	return ""
}

func parseHex(b []byte) (uint64, error) {
	s := strings.TrimPrefix(strings.ToLower(string(b)), "0x")
	return strconv.ParseUint(s, 16, 64)
}

// spoken are the first bytes of other protocols.
var spoken = []struct{ start, protocol string }{
	{"GET ", "an HTTP request"}, {"POST", "an HTTP request"}, {"HEAD", "an HTTP request"}, {"PUT ", "an HTTP request"},
	{"OPTI", "an HTTP request (OPTIONS)"}, {"DELE", "an HTTP request (DELETE)"}, {"CONN", "an HTTP request (CONNECT)"}, {"PRI ", "HTTP/2"},
	{"HTTP", "an HTTP answer"}, {"SSH-", "SSH"}, {"PROX", "HAProxy's PROXY protocol"},
	{"\r\n\r\n", "empty lines, from a person or a scanner"},
}

// lengthReading tells which protocol a length really is the start of.
func lengthReading(n int64) string {
	if n < 0 {
		n += 1 << 32
	}
	if n < 0 || n >= 1<<32 {
		return ""
	}
	b := string([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	for _, s := range spoken {
		if b == s.start {
			return fmt.Sprintf("the bytes %q: %s", b, s.protocol)
		}
	}
	switch {
	case b[0] == 0x16 && b[1] == 3:
		return "the start of a TLS handshake: one side speaks TLS, the other does not"
	case b[0] == 0x15 && b[1] == 3:
		return "a TLS alert: one side speaks TLS, the other does not"
	case b[0] == 0x80 && b[2] == 1:
		return "the start of an SSL 2 handshake"
	}
	for i := range len(b) {
		if b[i] < ' ' && b[i] != '\n' && b[i] != '\r' || b[i] > '~' {
			return ""
		}
	}
	return fmt.Sprintf("the bytes %q: a text, not ZooKeeper's protocol", b)
}
