package completions

import (
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/source"
)

// locations completes where znodes are: a path, NAME:/path, zk://host:port/path or file:PATH.
func (c *Completer) locations(typed, lead, dir string) Result {
	switch where, path := source.Split(typed); {
	case where != "":
		return c.elsewhere(where, path, lead)
	case strings.HasPrefix(typed, source.FilePrefix):
		return c.locationFiles(typed[len(source.FilePrefix):], lead+source.FilePrefix)
	case strings.HasPrefix(typed, source.ServersPrefix):
		return c.locationServers(typed[len(source.ServersPrefix):], lead+source.ServersPrefix)
	case strings.Contains(typed, "/"):
		return c.paths(typed, lead, dir)
	}
	r := c.paths(typed, lead, dir)
	if typed == "" {
		return r // the others show once a letter is typed
	}
	others := []Suggestion{
		{Text: source.FilePrefix, Help: "a snapshot or a data directory"},
		{Text: source.ServersPrefix, Help: "servers, without an identity"},
	}
	for _, s := range c.cfg.Servers() {
		if isName(s) {
			others = append(others, Suggestion{Text: s.Text + ":/", Help: s.Help})
		}
	}
	more := Among(others, typed, lead)
	switch {
	case more.Total == 0:
	case r.Total == 0:
		more.Pending = r.Pending
		return more
	default:
		r.Common = common(r.Common, more.Common)
		r.Total += more.Total
		r.Suggestions = append(r.Suggestions, more.Suggestions...)
	}
	return r
}

// isName reports whether a server that can be connected to is a profile or a local server.
func isName(s Suggestion) bool { return s.Help == ProfileHelp || s.Help == LocalHelp }

// The Help of names, which sets them apart from connect strings.
const (
	ProfileHelp = "profile"
	LocalHelp   = "local server"
)

// locationServers completes connect strings without a chroot.
func (c *Completer) locationServers(typed, lead string) Result {
	var all []Suggestion
	seen := map[string]bool{}
	for _, s := range c.cfg.Servers() {
		hosts, _, _ := strings.Cut(s.Text, "/")
		if !isName(s) && !seen[hosts] {
			seen[hosts] = true
			all = append(all, Suggestion{Text: hosts + "/", Help: s.Help})
		}
	}
	return Among(all, typed, lead)
}

// locationFiles completes the file of a location.
func (c *Completer) locationFiles(typed, lead string) Result {
	if at := strings.LastIndexByte(typed, '@'); at > 0 { // in a name it would be %40
		moments := []Suggestion{{Text: typed[:at] + "@10m", Help: "as it was ten minutes ago"}, {Text: typed[:at] + "@0x", Help: "as it was after a zxid"}}
		return Among(moments, typed, lead)
	}
	l, err := source.Parse(source.FilePrefix+typed, time.Now())
	if typed != "" && err != nil {
		return Result{}
	}
	r := c.files(l.File, "")
	r.Files = false // only we know what precedes the name
	for i := range r.Suggestions {
		s := &r.Suggestions[i]
		s.Text = lead + source.EncodeFile(s.Text)
	}
	r.Common = lead + source.EncodeFile(r.Common)
	return r
}
