package commands

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/unpack"
)

var (
	grepCase    = command.NewFlag("i", "ignore case")
	grepInvert  = command.NewFlag("v", "print the lines that do not match")
	grepList    = command.NewFlag("l", "print only the paths of znodes with a match")
	grepCount   = command.NewFlag("c", "print only how many lines match in each znode")
	grepFixed   = command.NewFlag("F", "take the pattern as plain text")
	grepContext = command.NewValue("C", "N", command.Number, "also print N lines before and after each match", notNegative("-C"))
	grepOnly    = command.NewFlag("only-matching", "print only what matches of a line")
	grepNames   = command.NewFlag("names", "also search the paths")
	grepMaxSize = command.NewValue("max-size", "n", command.Any, "skip data longer than n bytes, also once decompressed (default 16M)", parseMaxSize)
	patternArg  = command.Arg{Name: "pattern", Help: "a regular expression, as of Go and RE2"}
)

// grepMostData is --max-size by default.
const grepMostData = 16 << 20

var grepCommand = &command.Command{
	Name: "grep", Group: command.Reading, Usage: "[-i] [-v] [-l] [-c] [-F] [-C N] [--only-matching] [--names] [--max-size n] pattern [location]",
	Short: "find znodes by what their data contains",
	Long: "Prints the lines of data that match a regular expression, each after the path of its znode. " + locationForms +
		" Data that is compressed with gzip, zlib, zstd, snappy or lz4 is searched inside. Data with a zero byte is binary: only that it matches is printed.",
	Exits:     command.Exits{0: "something matches", 1: "nothing does", 2: "something could not be read"},
	Options:   command.Options{grepCase, grepInvert, grepList, grepCount, grepFixed, grepContext, grepOnly, grepNames, grepMaxSize, readRate},
	Args:      []command.Arg{patternArg, locationArg},
	Predicate: true,
	Examples: []command.Example{
		{"grep jdbc: /app", "the lines with jdbc:"},
		{"grep -l -i password /", "only the paths"},
		{"grep -F 10.0.0.7 file:version-2@1d", "in yesterday's data"},
		{"grep --names lock prod:/", "in paths and data of a profile's ensemble"},
	},
	Run: runGrep,
}

func parseMaxSize(text string) (int, error) {
	n, err := ui.ParseBytes(text)
	if err != nil || n > 1<<30 {
		return 0, fmt.Errorf("--max-size: %q is not a number of bytes up to 1G; use 500k or 16M", text)
	}
	return int(n), nil
}

// grepper searches znodes.
type grepper struct {
	env                              *command.Env
	out                              *lines
	re                               *regexp.Regexp
	whole                            bool // whether data without a match as a whole has no line with one
	invert, list, count, only, names bool
	around, most                     int
	found, skipped                   int
	printed                          bool // a group of lines, for the rule between groups
}

func runGrep(ctx context.Context, env *command.Env, in *command.Invocation) error {
	g := &grepper{env: env, out: newLines(env), invert: grepInvert.On(in), list: grepList.On(in), count: grepCount.On(in), only: grepOnly.On(in), names: grepNames.On(in)}
	opt := source.Options{Data: true, Match: g.matches}
	if err := errors.Join(g.compile(in), value(in, grepContext, 0, &g.around), value(in, grepMaxSize, grepMostData, &g.most), value(in, readRate, 0, &opt.Rate)); err != nil {
		return err
	}
	src, err := env.Open(in, 1)
	if err != nil {
		return err
	}
	defer src.Close()
	missing, err := walkLocation(ctx, env, src, opt, g.print)
	if flushed := g.out.Flush(); flushed != nil {
		return flushed
	}
	if err := walked(ctx, missing, err, command.Counted(g.found, "znode")+" found so far"); err != nil {
		return err
	}
	if g.skipped > 0 {
		return fmt.Errorf("the answer is incomplete: %s longer than --max-size %d", command.Counted(g.skipped, "znode"), g.most)
	}
	if g.found == 0 {
		return &ui.ExitError{Code: ui.ExitNo}
	}
	return nil
}

func (g *grepper) compile(in *command.Invocation) error {
	pattern := in.Arg(0)
	if grepFixed.On(in) {
		pattern = regexp.QuoteMeta(pattern)
	}
	flags := "m"
	if grepCase.On(in) {
		flags = "mi"
	}
	pattern = "(?" + flags + ":" + pattern + ")"
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err == nil {
		g.re, err = regexp.Compile(pattern)
	}
	if err != nil {
		return fmt.Errorf("invalid pattern %q: %w (use -F to search for plain text)", in.Arg(0), err)
	}
	g.whole = !hasTextAnchor(parsed)
	return nil
}

// hasTextAnchor reports whether an expression has \A or \z, which mean another place in a line than in all of the data.
func hasTextAnchor(re *syntax.Regexp) bool {
	if re.Op == syntax.OpBeginText || re.Op == syntax.OpEndText {
		return true
	}
	for _, sub := range re.Sub {
		if hasTextAnchor(sub) {
			return true
		}
	}
	return false
}

// inside returns what is to be searched of a znode's data; ok is false if there is nothing.
func (g *grepper) inside(z *source.Znode) (data []byte, form unpack.Form, ok bool) {
	if len(z.Data) > g.most {
		return nil, "", false
	}
	data, form, err := unpack.Data(z.Data, g.most)
	return data, form, err == nil && len(data) > 0
}

func (g *grepper) matches(z *source.Znode) bool {
	if g.names && g.re.MatchString(z.Path) {
		return true
	}
	data, _, ok := g.inside(z)
	switch {
	case !ok:
		if len(z.Data) > 0 {
			g.skipped++
		}
		return false
	case isBinary(data):
		return g.re.Match(data) != g.invert
	case g.whole && !g.invert:
		return g.re.Match(data) // mostly; print looks at the lines
	}
	for line := range bytes.Lines(data) {
		if g.hit(line) {
			return true
		}
	}
	return false
}

// isBinary reports whether data is not text, as ripgrep decides.
func isBinary(data []byte) bool { return bytes.IndexByte(data, 0) >= 0 }

func (g *grepper) hit(line []byte) bool {
	return g.re.Match(bytes.TrimSuffix(line, []byte{'\n'})) != g.invert
}

// grepJSON is a match.
type grepJSON struct {
	pathJSON
	Name        bool        `json:"name,omitempty"` // the path matches
	Line        int         `json:"line,omitempty"`
	Context     bool        `json:"context,omitempty"`
	Count       int         `json:"count,omitempty"`
	Binary      bool        `json:"binary,omitempty"`
	Compression unpack.Form `json:"compression,omitempty"`
	Data        *string     `json:"data,omitempty"`
	Encoding    string      `json:"encoding,omitempty"`
}

func (g *grepper) print(z *source.Znode) error {
	name := g.names && g.re.MatchString(z.Path)
	data, form, _ := g.inside(z)
	var text [][]byte
	var hits []int
	binary := isBinary(data)
	if !binary {
		for line := range bytes.Lines(data) {
			if line = bytes.TrimSuffix(line, []byte{'\n'}); g.hit(line) {
				hits = append(hits, len(text))
			}
			text = append(text, line)
		}
	}
	matched := len(hits) > 0 || binary && g.re.Match(data) != g.invert
	if !name && !matched {
		return nil
	}
	g.found++
	path := g.env.Streams.Name(z.Path)
	one := grepJSON{pathJSON: jsonPath(z.Path), Compression: form}
	switch {
	case g.list || name && !matched:
		one.Name = name
		return g.put(one, "%s", path)
	case g.count:
		one.Count = max(len(hits), 1)
		return g.put(one, "%s:%d", path, one.Count)
	case binary:
		one.Binary = true
		return g.put(one, `%s: binary data matches (a zero byte at offset %d)`, path, bytes.IndexByte(data, 0))
	}
	return g.printLines(one, path, text, hits)
}

// printLines prints the lines with matches, and those around.
func (g *grepper) printLines(one grepJSON, path string, text [][]byte, hits []int) error {
	next, hit := 0, 0 // the line that is printed next at the earliest, and the match
	for hit < len(hits) {
		from, to := max(next, hits[hit]-g.around), min(len(text), hits[hit]+g.around+1)
		if g.around > 0 && g.printed && (from > next || next == 0) && !g.out.json {
			if err := g.put(one, "--"); err != nil {
				return err
			}
		}
		g.printed = true
		for i := from; i < to; i++ {
			isHit := hit < len(hits) && hits[hit] == i
			if isHit {
				hit++
				to = min(len(text), i+g.around+1)
			}
			if err := g.printLine(one, path, text[i], i+1, isHit); err != nil {
				return err
			}
		}
		next = to
	}
	return nil
}

func (g *grepper) printLine(one grepJSON, path string, line []byte, number int, hit bool) error {
	parts, mark := [][]byte{line}, ":"
	switch {
	case !hit:
		mark = "-"
	case g.only && !g.invert:
		parts = g.re.FindAll(line, -1)
	}
	for _, part := range parts {
		if g.only && len(part) == 0 {
			continue
		}
		if g.out.json {
			text, encoding := escape.DataText.Encode(part)
			one.Data, one.Encoding, one.Line, one.Context = &text, string(encoding), number, !hit
		}
		if err := g.put(one, "%s%s%s", path, mark, part); err != nil {
			return err
		}
	}
	return nil
}

// put prints a line, or an object.
func (g *grepper) put(one grepJSON, format string, a ...any) error {
	if g.out.json {
		return g.out.object(one)
	}
	fmt.Fprintf(g.out, format, a...)
	return g.out.end('\n')
}
