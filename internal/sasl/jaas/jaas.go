// Package jaas reads JAAS login configuration files, in which Java's programs keep what they log in
// with, by the rules of com.sun.security.auth.login.ConfigFile. lexer.go splits a file into
// tokens, jaas.go reads its sections, modules.go understands the modules that ZooKeeper has;
// write.go writes sections.
package jaas

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/infile"
	"github.com/zkctl/zkctl/internal/nearest"
)

// File is a login configuration.
type File struct {
	Name     string
	Sections []*Section
}

// Section is what one login context consists of, such as Client, Server, QuorumServer or
// QuorumLearner.
type Section struct {
	Name    string
	File    string
	Line    int
	Modules []*Module
}

// Module is a login module with its options. Its values may be secrets.
type Module struct {
	Class   string
	Flag    string // required, requisite, sufficient or optional
	File    string
	Line    int
	Options []Option // in the file's order, each name once
}

// Option is an option of a module.
type Option struct{ Name, Value string }

// maxFile bounds a file, in bytes.
const maxFile = 1 << 20

// Read reads a file, which may be given as a file: URL, as Java allows. properties are the system
// properties for ${name} in values; those that describe the user and the system need not be among
// them.
func Read(name string, properties map[string]string) (*File, error) {
	if rest, ok := strings.CutPrefix(name, "file:"); ok {
		name = rest
		if host, path, ok := strings.Cut(strings.TrimPrefix(rest, "//"), "/"); ok && strings.HasPrefix(rest, "//") && (host == "" || host == "localhost") {
			name = "/" + path
		}
	}
	text, err := infile.Settings(name)
	if err != nil {
		return nil, fmt.Errorf("JAAS file: %w", err)
	}
	return Parse(name, text, properties)
}

// Parse reads the text of a file; its name is for errors. See Read.
func Parse(name string, text []byte, properties map[string]string) (*File, error) {
	p := &parser{lexer: lexer{name: name, line: 1}, properties: properties}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	switch {
	case len(text) > maxFile:
		return nil, fmt.Errorf("JAAS file %s: %d bytes are too long for a login configuration", escape.Line(name), len(text))
	case bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")):
		return nil, p.fault(1, "the file is in UTF-16; save it as UTF-8")
	}
	if i := invalid(text); i >= 0 {
		return nil, p.fault(1+bytes.Count(text[:i], []byte("\n")), "not a text file: byte 0x%02x", text[i])
	}
	p.rest = string(text)
	f := &File{Name: name}
	if err := p.advance(); err != nil {
		return nil, err
	}
	for p.ahead.kind != end {
		s, err := p.section()
		if err != nil {
			return nil, err
		}
		if other := f.find(s.Name); other != nil {
			return nil, p.fault(s.Line, "section %q is already defined in line %d", s.Name, other.Line)
		}
		f.Sections = append(f.Sections, s)
	}
	if len(f.Sections) == 0 {
		return nil, &SectionError{fmt.Sprintf("JAAS file %s: it has no section", escape.Line(name))}
	}
	return f, nil
}

// invalid returns where text stops being UTF-8 without control characters, or -1.
func invalid(text []byte) int {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 || r == 0 {
			return i
		}
		i += n
	}
	return -1
}

// Fault is an error at the line where the section starts.
func (s *Section) Fault(format string, args ...any) error {
	return fault(s.File, s.Line, format, args...)
}

func (f *File) find(section string) *Section {
	for _, s := range f.Sections {
		if s.Name == section {
			return s
		}
	}
	return nil
}

// Section returns a section. The error names those that exist.
func (f *File) Section(name string) (*Section, error) {
	if s := f.find(name); s != nil {
		return s, nil
	}
	var names []string
	for _, s := range f.Sections {
		names = append(names, s.Name)
	}
	hint := "it has " + escape.Line(strings.Join(names, ", "))
	if near := nearest.DidYouMean(name, "", names); near != "" {
		hint += "; " + near
	}
	return nil, &SectionError{fmt.Sprintf("JAAS file %s: no section %q; %s", escape.Line(f.Name), name, hint)}
}

// SectionError means that a file does not have a section.
type SectionError struct{ text string }

func (e *SectionError) Error() string { return e.text }

type parser struct {
	lexer
	ahead      token
	properties map[string]string
}

func (p *parser) advance() (err error) {
	p.ahead, err = p.next()
	return err
}

// take returns the text of a word or a string.
func (p *parser) take(what string) (token, error) {
	t := p.ahead
	if t.kind != word && t.kind != quoted {
		return t, p.fault(t.line, "expected %s, found %s", what, t.found())
	}
	return t, p.advance()
}

func (p *parser) match(c kind, after string) error {
	if p.ahead.kind != c {
		return p.fault(p.ahead.line, "expected %q after %s, found %s", rune(c), after, p.ahead.found())
	}
	return p.advance()
}

func (p *parser) section() (*Section, error) {
	name, err := p.take("the name of a section")
	if err != nil {
		return nil, err
	}
	s := &Section{Name: name.text, File: p.name, Line: name.line}
	if err := p.match('{', fmt.Sprintf("the section's name %q", name.text)); err != nil {
		return nil, err
	}
	for p.ahead.kind != '}' {
		m, err := p.module()
		if err != nil {
			return nil, err
		}
		s.Modules = append(s.Modules, m)
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	return s, p.match(';', "the section's closing brace")
}

func (p *parser) module() (*Module, error) {
	class, err := p.take("the class of a login module")
	if err != nil {
		return nil, err
	}
	m := &Module{Class: class.text, File: p.name, Line: class.line}
	flag, err := p.take("required, requisite, sufficient or optional")
	if err != nil {
		return nil, err
	}
	switch m.Flag = strings.ToLower(flag.text); m.Flag {
	case "required", "requisite", "sufficient", "optional":
	default:
		return nil, p.fault(flag.line, "expected required, requisite, sufficient or optional after the class, found %s", flag.found())
	}
	for p.ahead.kind != ';' {
		name, err := p.take("an option or the semicolon that ends the module")
		if err != nil {
			return nil, err
		}
		if err := p.match('=', fmt.Sprintf("option %q", name.text)); err != nil {
			return nil, err
		}
		value, err := p.take(fmt.Sprintf("the value of option %q", name.text))
		if err != nil {
			return nil, err
		}
		if value.text, err = p.expand(value); err != nil {
			return nil, err
		}
		m.set(name.text, value.text)
	}
	return m, p.advance()
}

// set adds an option; as in Java, the last one of a name counts.
func (m *Module) set(name, value string) {
	for i := range m.Options {
		if m.Options[i].Name == name {
			m.Options[i].Value = value
			return
		}
	}
	m.Options = append(m.Options, Option{name, value})
}

// expand replaces ${name} by system properties as sun.security.util.PropertyExpander does. The
// text of ${{…}} is kept.
func (p *parser) expand(value token) (string, error) {
	if !strings.Contains(value.text, "${") {
		return value.text, nil
	}
	var out strings.Builder
	rest := value.text
	for {
		before, after, found := strings.Cut(rest, "${")
		out.WriteString(before)
		if !found {
			break
		}
		if strings.HasPrefix(after, "{") {
			text, more, closed := strings.Cut(after, "}}")
			out.WriteString("${" + text)
			if rest = more; closed {
				out.WriteString("}}")
			}
			continue
		}
		name, more, closed := strings.Cut(after, "}")
		if !closed {
			out.WriteString("${" + after)
			break
		}
		known, ok := p.lookup(name)
		if !ok {
			return "", p.fault(value.line, "system property %q in a value is not set", name)
		}
		out.WriteString(known)
		rest = more
	}
	if out.Len() == 0 {
		return "", p.fault(value.line, "a value consists of system properties that are empty")
	}
	return out.String(), nil
}

func (p *parser) lookup(name string) (string, bool) {
	if v, ok := p.properties[name]; ok {
		return v, true
	}
	var v string
	err := errors.ErrUnsupported
	switch name {
	case "/", "file.separator":
		v, err = string(filepath.Separator), nil
	case "user.home":
		v, err = os.UserHomeDir()
	case "user.dir":
		v, err = os.Getwd()
	case "java.io.tmpdir":
		v, err = os.TempDir(), nil
	case "user.name":
		var u *user.User
		if u, err = user.Current(); err == nil {
			v = u.Username
		}
	}
	return v, err == nil
}
