package source

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

// Form is how a location is written.
type Form int

// The forms of locations.
const (
	Here    Form = iota // /path, or a relative path: on the session at hand
	Named               // NAME:/path: on a profile's ensemble or a local server
	Servers             // zk://host:port,host:port/path
	File                // file:PATH[@ZXID|@TIME][:/path]
)

// The prefixes of locations.
const (
	FilePrefix    = "file:"
	ServersPrefix = "zk://"
)

// String describes the form in an error.
func (f Form) String() string {
	switch f {
	case Named:
		return "NAME:/path, a profile or a local server"
	case Servers:
		return "zk://host:port/path"
	case File:
		return "file:PATH[@ZXID|@TIME][:/path]"
	}
	return "a znode path"
}

// Location says where znodes are.
type Location struct {
	Form    Form
	Name    string    // Named
	Servers string    // Servers: host:port,…
	File    string    // File: a path of this system
	Zxid    int64     // File: the last transaction, or 0
	Time    time.Time // File: or the moment; zero for the newest state
	Path    string    // of the znode; for Here as it was written, maybe relative
	Text    string    // as it was written
}

// LocationError says what is wrong with a location, and which form it was taken for.
type LocationError struct {
	Location
	Reason string
}

func (e *LocationError) Error() string {
	return fmt.Sprintf("location %q, read as %v: %s", e.Text, e.Form, e.Reason)
}

// Parse reads a location. A moment such as 10m is before now.
//
// No form can be taken for another: files start with file:, servers with zk://, and what precedes
// the :/ of a name has no slash, so that a path with such a name in it is written ./NAME:/path.
func Parse(text string, now time.Time) (Location, error) {
	l := Location{Text: text, Path: text}
	reason := ""
	switch name, _, found := strings.Cut(text, ":/"); {
	case text == "":
		reason = "it is empty"
	case strings.HasPrefix(text, FilePrefix):
		reason = l.file(text[len(FilePrefix):], now)
	case strings.HasPrefix(text, ServersPrefix):
		reason = l.servers(text[len(ServersPrefix):])
	case found && !strings.Contains(name, "/"):
		reason = l.named(name, text[len(name)+1:])
	}
	if reason != "" {
		return l, &LocationError{l, reason}
	}
	return l, nil
}

// Split cuts a location, which may be incomplete, before the znode's path. where is "" if it has none, or is a znode's path
// itself.
func Split(text string) (where, path string) {
	at := -1
	switch name, _, found := strings.Cut(text, ":/"); {
	case strings.HasPrefix(text, FilePrefix):
		if _, i := cutFile(text[len(FilePrefix):]); i >= 0 {
			at = len(FilePrefix) + i + 1
		}
	case strings.HasPrefix(text, ServersPrefix):
		if i := strings.IndexByte(text[len(ServersPrefix):], '/'); i >= 0 {
			at = len(ServersPrefix) + i
		}
	case found && !strings.Contains(name, "/"):
		at = len(name) + 1
	}
	if at < 0 {
		return "", text
	}
	return text[:at], text[at:]
}

// cutFile returns where in what follows file: the part after a drive letter starts, and where the :/ before the znode's
// path is, or -1.
func cutFile(rest string) (drive, colon int) {
	if len(rest) > 1 && rest[1] == ':' && isLetter(rest[0]) {
		drive = 2
	}
	colon = strings.Index(rest[drive:], ":/")
	if colon >= 0 {
		colon += drive
	}
	return drive, colon
}

// CheckName returns an error if a profile or a local server must not have this name, because a location could not use
// it.
func CheckName(name string) error {
	switch {
	case len(name) < 2:
		return fmt.Errorf("invalid name %q; use at least two characters, because a single letter before a colon is a Windows drive", name)
	case strings.EqualFold(name, "file"), strings.EqualFold(name, "zk"):
		return fmt.Errorf("invalid name %q; file: and zk: start other locations (see docs/locations.md), so choose another name", name)
	}
	return nil
}

func (l *Location) named(name, path string) (reason string) {
	l.Form, l.Name = Named, name
	switch {
	case name == "":
		return "the name is missing (write ./" + l.Text + " for a znode path)"
	case len(name) == 1:
		return "a name has at least two characters; write file:" + l.Text + " for a file, or ./" + l.Text + " for a znode path"
	case strings.EqualFold(name, "zk"):
		return "write zk://host:port/path for servers"
	case strings.EqualFold(name, "file"):
		return "write file: in lower case for a file"
	case strings.ContainsAny(name, ":,"):
		return "a name contains neither a colon nor a comma; write zk://" + name + path + " for servers"
	}
	return l.at(path)
}

func (l *Location) servers(rest string) (reason string) {
	l.Form = Servers
	hosts, path, found := strings.Cut(rest, "/")
	if l.Servers = hosts; strings.Contains(hosts, "@") {
		return "it is always anonymous; put the identity into a profile, and write NAME:/path"
	}
	if _, _, err := client.ParseServers(hosts); err != nil {
		return err.Error()
	}
	if !found {
		path = ""
	}
	return l.at("/" + path)
}

// file reads what follows file:. A leading drive letter belongs to the path of the file.
func (l *Location) file(rest string, now time.Time) (reason string) {
	l.Form, l.Path = File, "/"
	drive, colon := cutFile(rest)
	if colon >= 0 {
		if reason := l.at(rest[colon+1:]); reason != "" {
			return reason
		}
		rest = rest[:colon]
	}
	if at := strings.LastIndexByte(rest, '@'); at >= drive {
		if reason := l.moment(rest[at+1:], now); reason != "" {
			return reason
		}
		rest = rest[:at]
	}
	if rest == "" {
		return "the file is missing"
	}
	l.File, reason = decode(rest)
	return reason
}

func (l *Location) moment(text string, now time.Time) (reason string) {
	const escape = "write an @ in the name of a file as %40"
	if text == "" {
		return "the zxid or time after @ is missing; " + escape
	}
	if strings.HasPrefix(text, "0x") {
		zxid, err := proto.ParseHex(text)
		if err != nil || zxid <= 0 {
			return fmt.Sprintf("invalid zxid %q; use a hexadecimal number above 0, such as 0x100000041", text)
		}
		l.Zxid = zxid
		return ""
	}
	when, err := ui.ParseWhen(text, now)
	if err != nil {
		return err.Error() + "; a zxid starts with 0x; " + escape
	}
	l.Time = when
	return ""
}

// at sets the znode's path; a trailing slash does not count.
func (l *Location) at(path string) (reason string) {
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	if err := client.ValidatePath(path); err != nil {
		return err.Error()
	}
	l.Path = path
	return ""
}

// decode replaces %XX by the byte.
func decode(text string) (decoded, reason string) {
	decoded, err := url.PathUnescape(text)
	switch {
	case err != nil:
		return "", "a % must be followed by two hexadecimal digits; write %25 for the character itself"
	case strings.Contains(decoded, "\x00"):
		return "", "a file's name cannot contain a zero byte"
	}
	return decoded, ""
}

// EncodeFile writes a file's name so that Parse reads it back.
func EncodeFile(name string) string {
	var b strings.Builder
	drive := len(name) > 1 && name[1] == ':' && isLetter(name[0])
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c == '%', c == '@', c == ':' && !(drive && i == 1) && i+1 < len(name) && name[i+1] == '/':
			fmt.Fprintf(&b, "%%%02X", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
