package answer

import (
	"bytes"
	"strings"
)

// WatchSummary is the answer to wchs.
type WatchSummary struct {
	Connections Opt[int64] `json:"connections"`
	Paths       Opt[int64] `json:"paths"`
	Watches     Opt[int64] `json:"watches"`
}

// ParseWchs parses the answer to wchs: "1 connections watching 2 paths\nTotal watches:3".
func ParseWchs(text []byte) (*WatchSummary, error) {
	s := &WatchSummary{}
	for line := range lines(text) {
		line := strings.TrimSpace(line)
		if total, ok := strings.CutPrefix(line, "Total watches:"); ok {
			s.Watches = whole(total)
		} else if w := strings.Fields(line); len(w) == 5 && w[1] == "connections" && w[2] == "watching" {
			s.Connections, s.Paths = whole(w[0]), whole(w[3])
		}
	}
	if *s == (WatchSummary{}) {
		return nil, notUnderstood("wchs", text)
	}
	return s, nil
}

// SessionPaths are znodes of a session: those that it watches, or its ephemeral ones.
type SessionPaths struct {
	Session Hex      `json:"session"`
	Paths   []string `json:"paths"`
}

// PathSessions are the sessions that watch a znode.
type PathSessions struct {
	Path     string `json:"path"`
	Sessions []Hex  `json:"sessions"`
}

// ParseWchc parses the answer to wchc: a line per session, followed by a line with a tab for each path.
func ParseWchc(text []byte) ([]*SessionPaths, error) {
	list := []*SessionPaths{}
	for line := range lines(text) {
		if path, ok := strings.CutPrefix(line, "\t"); ok {
			if n := len(list); n > 0 {
				list[n-1].Paths = append(list[n-1].Paths, path)
			}
		} else if id, ok := hex(strings.TrimSuffix(line, ":")).Get(); ok && strings.HasPrefix(line, "0x") {
			list = append(list, &SessionPaths{Session: id})
		}
	}
	if len(list) == 0 && len(bytes.TrimSpace(text)) > 0 {
		return nil, notUnderstood("wchc", text)
	}
	return list, nil
}

// ParseWchp parses the answer to wchp: a line per path, followed by a line with a tab for each session.
func ParseWchp(text []byte) ([]*PathSessions, error) {
	list := []*PathSessions{}
	for line := range lines(text) {
		if id, ok := strings.CutPrefix(line, "\t"); ok {
			if id, ok := hex(id).Get(); ok && len(list) > 0 {
				last := list[len(list)-1]
				last.Sessions = append(last.Sessions, id)
			}
		} else if strings.HasPrefix(line, "/") {
			list = append(list, &PathSessions{Path: line})
		}
	}
	if len(list) == 0 && len(bytes.TrimSpace(text)) > 0 {
		return nil, notUnderstood("wchp", text)
	}
	return list, nil
}
