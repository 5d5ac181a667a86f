package answer

import (
	"bytes"
	"strings"
	"unicode"

	"github.com/zkctl/zkctl/internal/escape"
)

// Settings is the answer to conf or envi: keys and values in the member's order.
type Settings struct {
	Keys       []string
	Values     map[string]string
	Membership string // from conf: the text of /zookeeper/config
}

// Get returns a setting, or "" if there is none.
func (s *Settings) Get(key string) string { return s.Values[key] }

// Int is a setting's number, by the name that zoo.cfg has for it: the AdminServer calls maxClientCnxns
// max_client_cnxns. It is unknown if s is nil.
func (s *Settings) Int(key string) Opt[int64] {
	if s == nil {
		return Opt[int64]{}
	}
	if text, ok := s.Values[key]; ok {
		return whole(text)
	}
	var snake strings.Builder
	for _, r := range key {
		if unicode.IsUpper(r) {
			snake.WriteByte('_')
		}
		snake.WriteRune(unicode.ToLower(r))
	}
	return whole(s.Values[snake.String()])
}

func (s *Settings) add(key, value string) {
	if _, twice := s.Values[key]; twice {
		return
	}
	if s.Values == nil {
		s.Values = map[string]string{}
	}
	s.Keys = append(s.Keys, key)
	s.Values[key] = value
}

// ParseSettings parses the answer to conf or envi.
func ParseSettings(text []byte) (*Settings, error) {
	s := &Settings{}
	if head, rest, ok := bytes.Cut(text, []byte("membership:")); ok && (len(head) == 0 || bytes.HasSuffix(head, []byte("\n"))) {
		if s.Membership = strings.TrimSpace(string(rest)); !strings.Contains(s.Membership, "\nversion=") {
			s.Membership = "" // it was cut off, and lists some of the servers
		}
		text = head
	}
	for line := range lines(text) {
		if key, value, ok := strings.Cut(line, "="); ok {
			s.add(key, value)
		}
	}
	_, conf := s.Values["clientPort"] // which all releases print
	_, envi := s.Values["zookeeper.version"]
	if !conf && !envi {
		return nil, notUnderstood("conf or envi", text)
	}
	return s, nil
}

// MarshalJSON writes an object of numbers and strings, in the member's order.
func (s *Settings) MarshalJSON() ([]byte, error) {
	m := newMetrics()
	for _, key := range s.Keys {
		m.add(key, s.Values[key])
	}
	b, err := m.MarshalJSON()
	if err != nil || s.Membership == "" {
		return b, err
	}
	text, err := escape.MarshalJSON(s.Membership)
	b = append(b[:len(b)-1], `,"membership":`...)
	return append(append(b, text...), '}'), err
}
