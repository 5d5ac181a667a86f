package shell

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/keys"
)

// at is a line with its cursor at |.
func at(s string) edit {
	i := strings.IndexByte(s, '|')
	return edit{[]rune(s[:i] + s[i+1:]), len([]rune(s[:i]))}
}

func (e edit) String() string { return string(e.text[:e.cursor]) + "|" + string(e.text[e.cursor:]) }

func TestEditing(t *testing.T) {
	for _, test := range []struct {
		key          keys.Key
		before, want string
	}{
		{keys.Left, "a日|b", "a|日b"},
		{keys.Left, "|a", "|a"},
		{keys.Right, "a|\nb", "a\n|b"},
		{keys.Right, "a|", "a|"},
		{keys.Home, "ab\ncd|e\nf", "ab\n|cde\nf"},
		{keys.End, "ab\nc|de\nf", "ab\ncde|\nf"},
		{keys.Ctrl + "a", "ab|c", "|abc"},
		{keys.Ctrl + "e", "|abc", "abc|"},
		{keys.Alt + "b", "get /app/日本語|", "get /app/|日本語"},
		{keys.Alt + "b", "get /app/|", "get /|app/"},
		{keys.Alt + "b", "|get", "|get"},
		{keys.Alt + "f", "get |/app/x", "get /app|/x"},
		{keys.WordRight, "get| ", "get |"},
		{keys.Alt + "backspace", "get /app/日本|x", "get /app/|x"},
		{keys.Alt + "d", "get |/app x", "get | x"},
		{keys.Ctrl + "w", "get /app/日本|", "get |"},
		{keys.Ctrl + "w", "get /app  |x", "get |x"},
		{keys.Ctrl + "u", "get /a|pp", "|pp"},
		{keys.Ctrl + "k", "get /a|pp", "get /a|"},
		{keys.Ctrl + "t", "gt|e", "gte|"[:0] + "get|"},
		{keys.Ctrl + "t", "ge|", "eg|"},
		{keys.Ctrl + "t", "g|", "g|"},
		{keys.Ctrl + "t", "|", "|"},
		{keys.Alt + "u", "|get /app", "GET| /app"},
		{keys.Alt + "l", "|GET x", "get| x"},
		{keys.Alt + "c", "get| /äPP x", "get /Äpp| x"},
		{keys.Ctrl + "y", "a|b", "aKILL|b"},
	} {
		c := clipboard{text: []rune("KILL")}
		e := at(test.before)
		was := e.String()
		got, ok := c.apply(e, test.key)
		if !ok || got.String() != test.want {
			t.Errorf("%s on %s gives %s, want %s", test.key, test.before, got, test.want)
		}
		if e.String() != was {
			t.Errorf("%s changed the line it was given to %s", test.key, e)
		}
	}
	var c clipboard
	e, _ := c.apply(at("get /app/x|"), keys.Ctrl+"w")
	e, _ = c.apply(e, keys.Ctrl+"y")
	if e.String() != "get /app/x|" {
		t.Errorf("cut and inserted: %s", e)
	}
	if _, ok := c.apply(e, keys.Alt+"q"); ok {
		t.Error("an unknown key is taken")
	}
}

func TestRowsOfALine(t *testing.T) {
	for _, test := range []struct{ before, up, down string }{
		{"a|b", "", ""},
		{"abc\nd|e\n\nfghi", "a|bc\nde\n\nfghi", "abc\nde\n|\nfghi"},
		{"a\n|\nbc", "|a\n\nbc", "a\n\n|bc"},
		{"a\nbcd|\ne", "a|\nbcd\ne", "a\nbcd\ne|"},
		{"|a\nb", "", "a\n|b"},
		{"a\nb|", "a|\nb", ""},
	} {
		for _, move := range []struct {
			by   func(edit) (edit, bool)
			want string
		}{{edit.rowUp, test.up}, {edit.rowDown, test.down}} {
			if got, ok := move.by(at(test.before)); ok != (move.want != "") || ok && got.String() != move.want {
				t.Errorf("%q: %q, %v; want %q", test.before, got, ok, move.want)
			}
		}
	}
}

// A paste runs line by line; a line may consist of several pasted and typed rows.
func TestInsertPasted(t *testing.T) {
	for _, test := range []struct {
		line, pasted string
		want, rest   string
		enter        bool
	}{
		{"|", "ls /", "ls /|", "", false},
		{"|", "ls /\npwd\n", "ls /|", "pwd\n", true},
		{"get /a|b", "x\ny", "get /ax|b", "y", true},
		{"|", "set /a '\n\t{'\npwd", "set /a '\n\t{'|", "pwd", true},
		{"|", "set /a '\n\n{", "set /a '\n\n{|", "", false},
		{"|", "set /a '\n", "set /a '\n|", "", false},
		{"set /a '\n|", "it' \"s\n\"\nls", "set /a '\nit' \"s\n\"|", "ls", true},
		{"|", "\n\nls", "|", "\nls", true},
	} {
		e := &editor{pasted: test.pasted}
		got := e.insertPasted(at(test.line))
		if got.String() != test.want || e.pasted != test.rest || (len(e.next) == 1) != test.enter {
			t.Errorf("%q into %q: %q, %q, %v", test.pasted, test.line, got, e.pasted, e.next)
		}
	}
}

func rendered(rows []string) string { return strings.Join(rows, "⏎") }

func TestLayOut(t *testing.T) {
	plain := func(prompt, text string, cursor int) view {
		return view{prompt: []span{{prompt, ""}}, text: []rune(text), cursor: cursor}
	}
	for _, test := range []struct {
		name     string
		v        view
		width    int
		rows     string
		row, col int
	}{
		{"short", plain("> ", "abc", 1), 10, "> abc", 0, 3},
		{"the cursor at the end", plain("> ", "abc", 3), 10, "> abc", 0, 5},
		{"exactly full", plain("> ", "abcdefgh", 8), 10, "> abcdefgh⏎", 1, 0},
		{"exactly full, the cursor inside", plain("> ", "abcdefgh", 0), 10, "> abcdefgh", 0, 2},
		{"two rows", plain("> ", "abcdefghij", 10), 10, "> abcdefgh⏎ij", 1, 2},
		{"the cursor where the second begins", plain("> ", "abcdefghij", 8), 10, "> abcdefgh⏎ij", 1, 0},
		{"wide characters", plain("> ", "日本語日本語", 6), 10, "> 日本語日⏎本語", 1, 4},
		{"a wide character that does not fit", plain("> ", "a日本語日本", 6), 10, "> a日本語⏎日本", 1, 4},
		{"the cursor on it", plain("> ", "a日本語日本", 4), 10, "> a日本語⏎日本", 1, 0},
		{"combining marks", plain("> ", "e\u0301x", 3), 10, "> e\u0301x", 0, 4},
		{"controls", plain("> ", "a\x01b", 3), 10, "> a^Ab", 0, 6},
		{"two rows of a line", plain("$ ", "ab\ncd", 5), 10, "$ ab⏎> cd", 1, 4},
		{"the cursor at the end of the first", plain("$ ", "ab\ncd", 2), 10, "$ ab⏎> cd", 0, 4},
		{"the cursor where the second begins", plain("$ ", "ab\ncd", 3), 10, "$ ab⏎> cd", 1, 2},
		{"a full row before a line break", plain("$ ", "abcdefgh\n", 9), 10, "$ abcdefgh⏎> ", 1, 2},
		{"the cursor at the line break of a full row", plain("$ ", "abcdefgh\n", 8), 10, "$ abcdefgh⏎⏎> ", 1, 0},
		{"a tab", plain("$ ", "a\tb", 3), 20, "$ a     b", 0, 9},
		{"a tab over the end of a row", plain("$ ", "abcdefg\tb", 9), 12, "$ abcdefg   ⏎    b", 1, 5},
		{"a prompt wider than the terminal", plain("0123456789ab", "c", 1), 10, "0123456789⏎abc", 1, 3},
		{"one column", plain("", "ab", 2), 1, "a⏎b⏎", 2, 0},
		{"a wide character in one column", plain("", "日", 1), 1, "日⏎", 1, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := layOut(test.v, test.width, false)
			if got := rendered(l.rows); got != test.rows || l.cursorRow != test.row || l.cursorCol != test.col {
				t.Errorf("rows %s, cursor %d,%d; want %s, %d,%d", got, l.cursorRow, l.cursorCol, test.rows, test.row, test.col)
			}
		})
	}
}

func TestMenuFitsTheTerminal(t *testing.T) {
	m := &menu{selected: 1, more: "the first 200 of 100,000"}
	for i := range 200 {
		m.rows = append(m.rows, menuRow{fmt.Sprintf("node-%03d-日本語-with-a-long-name", i), "3 children, 1,234 bytes, ephemeral"})
	}
	for _, width := range []int{1, 8, 10, 20, 60, 200} {
		for _, height := range []int{1, 2, 3, 10, 50} {
			s := screen{width: width, height: height}
			v := view{prompt: []span{{"[zk 1] ", ""}}, text: []rune("ls /a"), cursor: 5, menu: m}
			v.menu.anchor = 3
			l := layOut(v, width, false)
			rows := s.menuRows(v, l, height-len(l.rows))
			if len(rows) > max(0, height-len(l.rows)) {
				t.Errorf("%dx%d: %d rows", width, height, len(rows))
			}
			for _, r := range rows {
				if w := spansWidth([]span{{r, ""}}); w >= width {
					t.Errorf("%dx%d: a row of %d columns: %q", width, height, w, r)
				}
			}
		}
	}
}

func TestVisible(t *testing.T) {
	for _, test := range []struct{ n, selected, height, from, to int }{
		{3, -1, 8, 0, 3}, {20, -1, 8, 0, 8}, {20, 0, 8, 0, 8}, {20, 10, 8, 6, 14}, {20, 19, 8, 12, 20},
	} {
		if from, to := visible(test.n, test.selected, test.height); from != test.from || to != test.to {
			t.Errorf("%+v: %d to %d", test, from, to)
		}
	}
}

func TestLabel(t *testing.T) {
	one := label{servers: "localhost:2181", server: "127.0.0.1:2181", state: client.Connected, dir: "/", number: 3}
	many := label{servers: "zk1.example.org:2181,zk2.example.org:2181,zk3.example.org:2181/app", server: "10.0.0.12:2181/app",
		state: client.Connected, dir: "/", number: 12}
	in := one
	in.dir = "/config"
	lost := one
	lost.state, lost.server = client.Connecting, ""
	for _, test := range []struct {
		l     label
		width int
		want  string
	}{
		{one, 80, "[zk: localhost:2181(CONNECTED) 3] "},
		{one, 60, "[zk: localhost:2181(CONNECTED) 3] "},
		{lost, 80, "[zk: localhost:2181(CONNECTING) 3] "},
		{in, 80, "[zk: localhost:2181(CONNECTED) /config 3] "},
		{many, 200, "[zk: zk1.example.org:2181,zk2.example.org:2181,zk3.example.org:2181/app(CONNECTED) 12] "},
		{many, 80, "[zk: 10.0.0.12:2181/app(CONNECTED) 12] "},
		{many, 60, "[zk: ….0.12:2181/app(CONNECTED) 12] "},
		{one, 50, "[zk: …host:2181(CONNECTED) 3] "},
		{one, 40, "[zk(CONNECTED) 3] "},
		{one, 20, "[zk 3] "},
		{one, 5, "> "},
	} {
		got := ""
		for _, s := range test.l.spans(test.width) {
			got += s.text
		}
		if got != test.want || spansWidth(test.l.spans(test.width)) > test.width*6/10+1 {
			t.Errorf("%d columns: %q, want %q", test.width, got, test.want)
		}
	}
}

func TestPromptTemplate(t *testing.T) {
	l := label{servers: "zk1.example.org:2181,zk2.example.org:2181", server: "10.0.0.1:2181", state: client.Connected, dir: "/app", number: 7}
	named := l
	named.profile, named.user = "prod", "ann"
	guarded := named
	guarded.name = span{"prod", "31"}
	for _, test := range []struct {
		template string
		l        label
		width    int
		want     string // <…> is styled
	}{
		{"", l, 200, "[zk: zk1.example.org:2181,zk2.example.org:2181(<32:CONNECTED>) /app 7] "},
		{"{server} {path}> ", l, 100, "zk1.example.org:2181,zk2.example.org:2181 /app> "},
		{"{server} {path}> ", l, 60, "…rg:2181,zk2.example.org:2181 /app> "},
		{"{server} {path}> ", l, 20, "[<32:zk> 7] "},
		{"{profile} {user} {path}> ", l, 100, "/app> "},
		{"{profile} {user} {path}> ", named, 100, "prod ann /app> "},
		{"{profile} {user} {path}> ", guarded, 100, "<31:prod> ann /app> "},
		{"{path}> ", guarded, 100, "<31:prod> /app> "},
		{"{green}{profile}{plain}@{host} {bold}{number}", named, 100, "<32:prod>@10.0.0.1:2181 <1:7>"},
		{"{{{state}}} ", l, 100, "{<32:CONNECTED>} "},
	} {
		p, err := ParsePrompt(test.template)
		if err != nil {
			t.Errorf("%q: %v", test.template, err)
		}
		got := ""
		for _, s := range p.spans(test.l, test.width) {
			if s.style != "" && s.text != "" {
				s.text = "<" + s.style + ":" + s.text + ">"
			}
			got += s.text
		}
		if got != test.want {
			t.Errorf("%q in %d columns: %q, want %q", test.template, test.width, got, test.want)
		}
	}
	for template, want := range map[string]string{"{servers}": "unknown field {servers}", "{": "{ without }", "a}": "} without {", "a\n": "one row", "{red": "{ without }"} {
		if _, err := ParsePrompt(template); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", template, err, want)
		}
	}
}

func TestParseLine(t *testing.T) {
	for _, test := range []struct {
		text    string
		words   []string
		program string
		file    string
		adds    bool
		bad     string
	}{
		{text: "ls -R /a", words: []string{"ls", "-R", "/a"}},
		{text: "  "},
		{text: "# a comment | wc"},
		{text: "ls / # a comment | wc", words: []string{"ls", "/"}},
		{text: "ls -R / | grep 'a b' | wc -l", words: []string{"ls", "-R", "/"}, program: "grep 'a b' | wc -l"},
		{text: "ls / | grep it's", words: []string{"ls", "/"}, program: "grep it's"},
		{text: "ls / | cat > out", words: []string{"ls", "/"}, program: "cat > out"},
		{text: "ls / > out", words: []string{"ls", "/"}, file: "out"},
		{text: "ls / >> 'my out'", words: []string{"ls", "/"}, file: "my out", adds: true},
		{text: "ls > out /", words: []string{"ls", "/"}, file: "out"},
		{text: "create /a 'x|y>z'", words: []string{"create", "/a", "x|y>z"}},
		{text: `create /a x\|y`, words: []string{"create", "/a", `x\|y`}},
		{text: "set /p x>y", words: []string{"set", "/p", "x>y"}},
		{text: "set /p a|b", words: []string{"set", "/p", "a|b"}},
		{text: "set /p #tag", words: []string{"set", "/p", "#tag"}},
		{text: "ls / |", bad: "missing program"},
		{text: "| wc", bad: "missing command"},
		{text: "> out", bad: "missing command"},
		{text: "ls / >", bad: "missing file"},
		{text: "ls / > ''", bad: "missing file"},
		{text: "ls / > a > b", bad: "only one file"},
		{text: "ls / > a | b", bad: "but not to both"},
		{text: "create /a 'x", bad: "unclosed quote ' at column 11"},
	} {
		l, err := parseLine(test.text)
		switch {
		case test.bad != "":
			if err == nil || !strings.Contains(err.Error(), test.bad) {
				t.Errorf("%s: error %v, want %s", test.text, err, test.bad)
			}
		case err != nil, !slices.EqualFunc(l.words, test.words, func(w command.Word, text string) bool { return w.Text == text }), l.program != test.program, l.file != test.file, l.adds != test.adds:
			t.Errorf("%s: %+v, %v", test.text, l, err)
		}
	}
}

func TestSearch(t *testing.T) {
	lines := []string{"ls /a", "get /ab", "ls /b", "get /ab", "set /日 x"}
	s := newSearch(lines)
	was := at("half|")
	check := func(step, want string, found bool) {
		t.Helper()
		if got := s.result(was).String(); got != want || s.found != found {
			t.Errorf("%s: %s, found %v; want %s, %v", step, got, s.found, want, found)
		}
	}
	check("nothing typed", "half|", false)
	s.typed("/a")
	check("typed /a", "get |/ab", true)
	s.again(-1)
	check("older", "ls |/a", true)
	s.again(1)
	check("newer", "get |/ab", true)
	s.typed("b")
	check("typed b", "get |/ab", true)
	s.typed("zz")
	check("typed what is nowhere", "get /ab|", false)
	if v := s.view(was); !strings.HasPrefix(v.prompt[0].text, "(failed") {
		t.Errorf("prompt %q", v.prompt[0].text)
	}
	for range 4 {
		s.backspace()
	}
	s.typed("日")
	check("not ASCII", "set |/日 x", true)
	if s := newSearch(nil); s.line() != "" {
		t.Error("an empty history has a line")
	} else {
		s.typed("x")
		s.again(-1)
		s.backspace()
	}
}

// TestNoticesAreBounded: events during a command do not accumulate without limit, and none of them
// controls the terminal.
func TestNoticesAreBounded(t *testing.T) {
	var shown bytes.Buffer
	e := &editor{screen: screen{out: &shown, width: 80}}
	const sent = 100_000
	for i := range sent {
		e.Notice(fmt.Sprintf("event %d \x1b[2J\nof a path", i))
	}
	e.flush()
	if shown.Len() > 2*maxNotices {
		t.Errorf("%d bytes were kept", shown.Len())
	}
	kept := strings.Count(shown.String(), "event ")
	if want := fmt.Sprintf("(%d more messages", sent-kept); kept == 0 || !strings.Contains(shown.String(), want) {
		t.Errorf("%d are shown, and %q is not said", kept, want)
	}
	if strings.Contains(shown.String(), "\x1b[2J") || !strings.Contains(shown.String(), "\r\nof a path\r\n") {
		t.Errorf("%q", shown.String()[:100])
	}
	shown.Reset()
	e.flush()
	if shown.Len() > 0 {
		t.Errorf("shown again: %q", shown.String())
	}
}
