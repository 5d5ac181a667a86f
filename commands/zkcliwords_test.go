package commands

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/command"
)

// argsPattern is ARGS_PATTERN of ZooKeeperMain.MyCommandOptions; Go's \s lacks the vertical tab.
var argsPattern = regexp.MustCompile(`[\s\v]*([^"'][^\s\v]*|"[^"]*"|'[^']*')[\s\v]*`)

// zkCliWord is what zkCli finds.
type zkCliWord struct {
	start, end int // of the line: the word, its quotes and the whitespace around it
	found      string
}

// text is the word without the quotes that QUOTED_PATTERN, ^(['"])(.*)(\1)$, matches. Java's dot
// does not match line terminators.
func (w zkCliWord) text() string {
	if w.quote() != 0 && !strings.ContainsAny(w.found, "\n\r\u0085\u2028\u2029") {
		return w.found[1 : len(w.found)-1]
	}
	return w.found
}

func (w zkCliWord) quote() byte {
	if first := w.found[0]; (first == '\'' || first == '"') && len(w.found) > 1 && strings.HasSuffix(w.found, string(first)) {
		return first
	}
	return 0
}

// zkCliWords splits a line as MyCommandOptions.parseCommand does.
func zkCliWords(line string) (words []zkCliWord) {
	for _, m := range argsPattern.FindAllStringSubmatchIndex(line, -1) {
		words = append(words, zkCliWord{m[0], m[1], line[m[2]:m[3]]})
	}
	return words
}

type lexDeparture struct {
	name string
	is   func(line string, words []zkCliWord) bool
}

// lexDepartures are Lex's intentional departures from zkCli, by name; docs/differences.md lists them.
var lexDepartures = []lexDeparture{
	{"an open quote continues", func(line string, words []zkCliWord) bool {
		end := 0
		for _, w := range words {
			if w.start != end || strings.IndexByte(" \t\n\v\f\r", w.found[0]) >= 0 { // zkCli leaves out the quote, or takes the space before it for the word
				return true
			}
			end = w.end
		}
		return end != len(line)
	}},
	{`\" and \\ within double quotes`, anyWord(func(w zkCliWord) bool {
		return w.quote() == '"' && (strings.Contains(w.found, `\\`) || strings.HasSuffix(w.found, `\"`))
	})},
	{"a lone |, > or >>", anyWord(func(w zkCliWord) bool { return w.found == "|" || w.found == ">" || w.found == ">>" })},
	{"#", func(_ string, words []zkCliWord) bool {
		return len(words) > 0 && words[0].found[0] == '#' || anyWord(func(w zkCliWord) bool { return w.found == "#" })("", words)
	}},
	// zkCli reads lines without line breaks, so its pattern need not match them.
	{"a quoted word holds line terminators", anyWord(func(w zkCliWord) bool { return w.quote() != 0 && w.text() == w.found })},
}

func anyWord(is func(zkCliWord) bool) func(string, []zkCliWord) bool {
	return func(_ string, words []zkCliWord) bool { return slices.ContainsFunc(words, is) }
}

// generatedLines are lines made of the pieces that matter for splitting.
func generatedLines(n int) (lines []string) {
	pieces := []string{" ", " ", " ", " ", "\t", "\v", "\f", "\u00a0", "\u2028", "\u0085", "'", "'", `"`, `"`, `\`, `\`, "|", ">", ">>", "#", "*", "?", "[a]",
		"{", "}", ":", ",", ";", "&", "$x", "`", "@", "@@", "-", "=", "/", "/a", "a", "b c", "x", "1", "世界", "é", "it's", `{"a":1}`, `C:\new`, `\"`, `\\`,
		"'two words'", `"two words"`, `''`, `""`, "~", "!", "(", ")", "%", "2>1"}
	r := rand.New(rand.NewPCG(9, 1))
	for range n {
		line := []string{"create /a ", "set /p ", "", " ls\t", `"get" `}[r.IntN(5)]
		for range 1 + r.IntN(9) {
			line += pieces[r.IntN(len(pieces))]
		}
		lines = append(lines, line)
	}
	return lines
}

// TestLexAsZkCli compares Lex with zkCli's own parser.
func TestLexAsZkCli(t *testing.T) {
	met, differ, same := map[string]int{}, map[string]bool{}, 0
line:
	for _, line := range generatedLines(4000) {
		if strings.Trim(line, " \t\v\f") == "" { // zkCli says: Command not found
			continue
		}
		words := zkCliWords(line)
		var want []string
		for _, w := range words {
			want = append(want, w.text())
		}
		tokens, err := command.Lex(line)
		var got []string
		for _, t := range tokens {
			got = append(got, t.Text)
		}
		equal := err == nil && slices.Equal(got, want)
		for _, d := range lexDepartures {
			if d.is(line, words) {
				met[d.name]++
				differ[d.name] = differ[d.name] || !equal || slices.ContainsFunc(tokens, func(t command.Token) bool { return t.Operator })
				continue line
			}
		}
		if same++; !equal {
			t.Errorf("command.Lex(%q) = %q, %v; zkCli has %q", line, got, err, want)
		}
	}
	if same < 500 {
		t.Errorf("only %d lines are compared", same)
	}
	for _, d := range lexDepartures {
		if met[d.name] < 5 || !differ[d.name] {
			t.Errorf("%s: %d lines, of which one departs: %v", d.name, met[d.name], differ[d.name])
		}
	}
}

// TestStoresWhatZkCliStores also runs generated lines with zkCli itself and compares the znodes'
// data.
func TestStoresWhatZkCliStores(t *testing.T) {
	in := apachetest.Require(t)
	b := newBench(t)
	conn, err := b.env.Conn()
	if err != nil {
		t.Fatal(err)
	}
	b.must("create /ours")
	b.must("create /theirs")
	var script strings.Builder
	made := map[string]string{} // each znode's line
	for i, line := range generatedLines(4000) {
		line, ok := strings.CutPrefix(line, "create /a ")
		if !ok {
			continue
		}
		name := fmt.Sprint("/", i)
		line = "create NAME " + line
		words := zkCliWords(line)
		if departs := func() bool {
			return slices.ContainsFunc(lexDepartures, func(d lexDeparture) bool { return d.is(line, words) })
		}; len(words) != 3 || departs() || strings.IndexByte("@-", (words[2].text() + " ")[0]) >= 0 {
			continue
		}
		made[name] = line
		fmt.Fprintln(&script, strings.Replace(line, "NAME", "/theirs"+name, 1))
		b.must(strings.Replace(line, "NAME", "/ours"+name, 1))
	}
	if len(made) < 100 {
		t.Fatalf("only %d lines", len(made))
	}
	zkCli := in.ZkCliCommand(b.ctx, "-server", b.session.Servers())
	zkCli.Stdin = strings.NewReader(script.String())
	if out, err := zkCli.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, line := range made {
		var held [2]string
		for i, dir := range []string{"/ours", "/theirs"} {
			data, _, err := conn.Get(b.ctx, dir+name, false)
			if err != nil {
				t.Errorf("%q: %v", line, err)
			}
			held[i] = string(data)
		}
		if held[0] != held[1] {
			t.Errorf("%q stores %q, by zkCli %q", line, held[0], held[1])
		}
	}
}
