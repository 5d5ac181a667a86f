package shell

import "strings"

// search is the incremental history search started by Ctrl-R.
type search struct {
	lines []string // oldest first
	query []rune
	at    int // index of the line found; len(lines) before the first search
	found bool
}

func newSearch(lines []string) *search { return &search{lines: lines, at: len(lines)} }

// look searches from line from, inclusive, to older (step -1) or newer (step 1) lines for one
// that contains the query and differs from the one shown.
func (s *search) look(from, step int, unlike string) {
	query := string(s.query)
	for i := from; i >= 0 && i < len(s.lines); i += step {
		if strings.Contains(s.lines[i], query) && s.lines[i] != unlike {
			s.at, s.found = i, true
			return
		}
	}
	if unlike == "" {
		s.found = false
	}
}

func (s *search) line() string {
	if s.at < len(s.lines) {
		return s.lines[s.at]
	}
	return ""
}

// again looks for an older (step -1) or newer (step 1) line.
func (s *search) again(step int) {
	if len(s.query) > 0 && s.at < len(s.lines) {
		s.look(s.at+step, step, s.line())
	}
}

func (s *search) typed(text string) {
	s.query = append(s.query, []rune(text)...)
	s.look(min(s.at, len(s.lines)-1), -1, "")
}

func (s *search) backspace() {
	if len(s.query) == 0 {
		return
	}
	s.query = s.query[:len(s.query)-1]
	s.at, s.found = len(s.lines), false
	if len(s.query) > 0 {
		s.look(len(s.lines)-1, -1, "")
	}
}

// result returns the line found with the cursor at the match, or the line as it was.
func (s *search) result(was edit) edit {
	line := s.line()
	if line == "" {
		return was
	}
	cursor := len([]rune(line))
	if i := strings.Index(line, string(s.query)); i >= 0 {
		cursor = len([]rune(line[:i]))
	}
	return edit{[]rune(line), cursor}
}

func (s *search) view(was edit) view {
	name := "(reverse-i-search)`"
	if !s.found && len(s.query) > 0 {
		name = "(failed reverse-i-search)`"
	}
	e := s.result(was)
	return view{prompt: []span{{name + string(s.query) + "': ", ""}}, text: e.text, cursor: e.cursor}
}
