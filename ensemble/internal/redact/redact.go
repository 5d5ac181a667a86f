// Package redact takes out of texts what must not leave the house with them.
package redact

import (
	"bytes"
	"cmp"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/zkctl/zkctl/internal/lazyre"
)

// Removed stands in the place of a secret.
const Removed = "[removed]"

// secretName is part of the name of what is a secret: of a property, a system property, a member of a JSON object, a
// line of a JAAS file.
const secretName = `(?:password|passwd|passphrase|secret|credential|superdigest|(?:access|auth|api|bearer)[._-]?token)`

// privateKey is a whole block, also within JSON.
var privateKey = lazyre.New(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)`)

// secrets are what else is removed, and what stays of each.
var secrets = []struct {
	found func() *regexp.Regexp
	keep  string
}{
	// "…password…" : "secret", in JSON.
	{lazyre.New(`(?i)("[^"\\\n]*` + secretName + `[^"\\\n]*"\s*:\s*)"(?:[^"\\]|\\.)*"`), `${1}"` + Removed + `"`},
	// A line of a property file, with the lines that continue it. A space may separate it too.
	{lazyre.New(`(?im)^([ \t]*[\w.\-]*` + secretName + `[\w.\-]*(?:[ \t]*[=:][ \t]*|[ \t]+))(?:[^\n\\]|\\(?:\r?\n|.))+`), "${1}" + Removed},
	// …password…=secret within a line, such as -Dzookeeper.ssl.keyStore.password=secret: all until the line ends, or
	// the text in quotes that it is part of, because a secret may hold anything.
	{lazyre.New(`(?i)([\w.\-]*` + secretName + `[\w.\-]*\s*[=:]\s*)(?:[^"\\\n]|\\[^n\n])+`), "${1}" + Removed},
	{lazyre.New(`(?i)([\w.\-]*` + secretName + `[\w.\-]*\s*[=:]\s*)"(?:[^"\\\n]|\\.)*"`), `${1}"` + Removed + `"`},
	{lazyre.New(`(?i)\b(user_[\w.\-]+\s*=\s*)"(?:[^"\\\n]|\\.)*"`), `${1}"` + Removed + `"`},
	// What identifies a client: addauth, an ACL or a super user of the scheme digest, and the digest alone.
	{lazyre.New(`(?i)(addauth\s+\S+\s+)\S+`), "${1}" + Removed},
	{lazyre.New(`(?i)\b((?:digest|auth)['"]?\s*[:,]\s*['"]?[^\s:,'"]+:)[^\s:,'"}\])]+`), "${1}" + Removed},
	{lazyre.New(`([\w.@\-]+:)[A-Za-z0-9+/]{27}=`), "${1}" + Removed},
	{lazyre.New(`(?i)(authorization:?\s*\w+\s+)\S+`), "${1}" + Removed},
	// http://user:secret@host
	{lazyre.New(`(://[^\s/:@"]+:)[^\s/@"]+@`), "${1}" + Removed + "@"},
}

// triggers are in every text, in lower case, that a regular expression of secrets finds, but for a bare digest. Most
// lines have none.
var triggers = [][]byte{[]byte("pass"), []byte("secret"), []byte("credential"), []byte("digest"), []byte("token"), []byte("auth"), []byte("user_"), []byte("://")}

// Secrets returns a text without passwords, keys and digests.
func Secrets(text []byte) []byte {
	text = privateKey().ReplaceAll(text, []byte(Removed))
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		unit := text[:unitLength(text)]
		text = text[len(unit):]
		if suspicious(unit) {
			for _, s := range secrets {
				unit = s.found().ReplaceAll(unit, []byte(s.keep))
			}
		}
		out = append(out, unit...)
	}
	return out
}

// unitLength is the length of the first line, with those that continue it after a backslash.
func unitLength(text []byte) int {
	at := 0
	for {
		i := bytes.IndexByte(text[at:], '\n')
		if i < 0 {
			return len(text)
		}
		at += i + 1
		if !bytes.HasSuffix(bytes.TrimSuffix(text[:at-1], []byte("\r")), []byte("\\")) {
			return at
		}
	}
}

func suspicious(unit []byte) bool {
	lower := bytes.ToLower(unit)
	for _, trigger := range triggers {
		if bytes.Contains(lower, trigger) {
			return true
		}
	}
	const digest = 27 // characters of a SHA-1 in base64, before its =
	for i := range unit {
		if unit[i] == '=' && i > digest && unit[i-digest-1] == ':' {
			return true
		}
	}
	return false
}

// Pseudonyms replace names by others, each by the same one in all texts: hosts, addresses, users and paths. The zero
// value knows no names of hosts and users but those that look like one. It is not safe for concurrent use.
type Pseudonyms struct {
	names map[string]string // the pseudonym of each
	count map[string]int    // by kind
	words []string          // hosts and users, the longest first
}

// Host and User make known what is to be replaced wherever it stands as a word.
func (p *Pseudonyms) Host(name string) { p.word("host", name) }
func (p *Pseudonyms) User(name string) { p.word("user", name) }

// common are words that say nothing about anybody, and that other texts are full of.
var common = []string{"localhost", "root", "zookeeper", "nobody", "user", "host"}

func (p *Pseudonyms) word(kind, name string) {
	name = strings.ToLower(strings.Trim(name, "[]"))
	if _, err := netip.ParseAddr(name); err == nil || len(name) < 2 || slices.Contains(common, name) || p.names[name] != "" {
		return
	}
	p.of(kind, name)
	p.words = append(p.words, name)
	slices.SortFunc(p.words, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
}

// of is the pseudonym of a name.
func (p *Pseudonyms) of(kind, name string) string {
	if known := p.names[name]; known != "" {
		return known
	}
	if p.names == nil {
		p.names, p.count = map[string]string{}, map[string]int{}
	}
	p.count[kind]++
	p.names[name] = kind + "-" + strconv.Itoa(p.count[kind])
	return p.names[name]
}

var path = lazyre.New(`(?m)(?:^|[^\w.%\]/])/[^/\s"'<>,;:=()\[\]{}|\\][^\s"'<>,;:=()\[\]{}|\\]*`) // not the second half of a/b

// ownPaths are those that every ZooKeeper has.
var ownPaths = lazyre.New(`^/(?:zookeeper(?:/config|/quota)?|commands(?:/\w+)?|metrics|proc/self/\w+|dev/\w+|version-2)/?$`)

// Replace returns a text with pseudonyms for hosts, addresses, users and paths.
func (p *Pseudonyms) Replace(text []byte) []byte {
	for _, known := range p.words {
		text = p.replaceWord(text, known)
	}
	text = p.addresses(text)
	out := make([]byte, 0, len(text))
	for line := range bytes.Lines(text) {
		if hasDomain(line) {
			line = p.domains(line)
		}
		if bytes.IndexByte(line, '/') >= 0 {
			line = p.paths(line)
		}
		out = append(out, line...)
	}
	return out
}

func (p *Pseudonyms) paths(line []byte) []byte {
	return path().ReplaceAllFunc(line, func(b []byte) []byte {
		before, name, _ := strings.Cut(string(b), "/")
		if name = "/" + name; ownPaths().MatchString(name) || pseudonym().MatchString(name[1:]) || isAddress(name[1:]) {
			return b
		}
		return []byte(before + "/" + p.of("path", strings.TrimRight(name, "./")))
	})
}

// replaceWord replaces a name where it is no part of a longer one.
func (p *Pseudonyms) replaceWord(text []byte, known string) []byte {
	lower := bytes.ToLower(text)
	if len(lower) != len(text) { // of a letter whose other case is longer
		lower = text
	}
	var out []byte
	at := 0
	for {
		i := bytes.Index(lower[at:], []byte(known))
		if i < 0 {
			return append(out, text[at:]...)
		}
		i += at
		end := i + len(known)
		out = append(out, text[at:i]...)
		if i > 0 && partOfName(lower[i-1]) || end < len(lower) && partOfName(lower[end]) {
			out = append(out, text[i:end]...)
		} else {
			out = append(out, p.names[known]...)
		}
		at = end
	}
}

func partOfName(c byte) bool {
	return c == '_' || c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// tops are the last labels of the names that domain finds.
var tops = strings.Fields("com net org edu gov io dev eu de uk fr nl ch at pl us ca au jp cn in br local lan internal intranet corp svc example")

var domain = lazyre.New(`(?i)\b(?:[a-z0-9](?:[a-z0-9\-]*[a-z0-9])?\.)+(?:` + strings.Join(tops, "|") + `)\b`)

// hasDomain reports whether a domain name may be in a line; most have none.
func hasDomain(line []byte) bool {
	lower := bytes.ToLower(line)
	for _, top := range tops {
		for rest := lower; ; {
			i := bytes.Index(rest, []byte(top))
			if i < 0 {
				break
			}
			if i > 0 && rest[i-1] == '.' {
				return true
			}
			rest = rest[i+1:]
		}
	}
	return false
}

// notHosts are what classes and properties of Java begin with.
var notHosts = lazyre.New(`^(?:java|javax|jdk|sun|os|user|org|com|net|io|ch)\.`)

// domains replaces domain names, but not the beginning of a longer dotted name.
func (p *Pseudonyms) domains(text []byte) []byte {
	var out []byte
	at := 0
	for _, m := range domain().FindAllIndex(text, -1) {
		name := strings.ToLower(string(text[m[0]:m[1]]))
		rest := text[m[1]:]
		longer := len(rest) > 0 && partOfName(rest[0]) || len(rest) > 1 && rest[0] == '.' && partOfName(rest[1])
		if longer || notHosts().MatchString(name) {
			continue
		}
		out = append(append(out, text[at:m[0]]...), p.of("host", name)...)
		at = m[1]
	}
	return append(out, text[at:]...)
}

// addresses replaces IP addresses, except those that every machine has. A port may follow.
func (p *Pseudonyms) addresses(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); {
		if !ofAddress(text[i]) {
			out = append(out, text[i])
			i++
			continue
		}
		end := i + 1
		dots, colons := 0, 0
		for j := i; j < len(text) && ofAddress(text[j]); j++ {
			end = j + 1
			switch text[j] {
			case '.':
				dots++
			case ':':
				colons++
			}
		}
		run := text[i:end]
		if (dots >= 3 || colons >= 2) && (i == 0 || !partOfName(text[i-1])) {
			replaced, found := p.address(string(run), text[end:])
			if found && bytes.HasPrefix(text[end:], []byte("%")) { // its zone
				for end++; end < len(text) && partOfName(text[end]); end++ {
				}
				run = text[end:end]
				out = append(out, replaced...)
			} else if found {
				run = []byte(replaced)
			}
		}
		out = append(out, run...)
		i = end
	}
	return out
}

func ofAddress(c byte) bool {
	return c == '.' || c == ':' || c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// address replaces the IP address in a run of the characters that one may have.
func (p *Pseudonyms) address(run string, after []byte) (replaced string, found bool) {
	if len(after) > 0 && partOfName(after[0]) {
		return "", false
	}
	before, rest := "", ""
	if strings.HasPrefix(run, ":") && !strings.HasPrefix(run, "::") || strings.HasPrefix(run, ".") {
		before, run = run[:1], run[1:]
	}
	ip, err := netip.ParseAddr(run)
	for err != nil && run != "" { // a port, or the end of a sentence
		i := strings.LastIndexAny(run, ":.")
		if i < 0 || run[i] == '.' && i < len(run)-1 {
			return "", false
		}
		run, rest = run[:i], run[i:]+rest
		ip, err = netip.ParseAddr(run)
	}
	switch {
	case err != nil:
		return "", false
	case ip.IsLoopback() || ip.IsUnspecified():
		return before + ip.String() + rest, true
	}
	return before + p.of("ip", ip.String()) + rest, true
}

var pseudonym = lazyre.New(`^(?:host|ip|user|path)-\d+$`)

func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}
