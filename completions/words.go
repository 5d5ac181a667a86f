package completions

import (
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/zkctl/zkctl/internal/command"
)

// Among returns the suggestions whose text starts with what was typed, ignoring case.
func Among(all []Suggestion, typed, lead string) Result {
	var r Result
	for _, s := range all {
		if len(s.Text) < len(typed) || !strings.EqualFold(s.Text[:len(typed)], typed) {
			continue
		}
		if s.Label == "" {
			s.Label = s.Text
		}
		r.Suggestions = append(r.Suggestions, s)
	}
	r.Total = len(r.Suggestions)
	for i, s := range r.Suggestions {
		if i == 0 {
			r.Common = s.Text
		} else {
			r.Common = common(r.Common, s.Text)
		}
	}
	r.prepend(lead)
	if len(r.Suggestions) > Limit {
		r.Suggestions = r.Suggestions[:Limit]
	}
	return r
}

func (r *Result) prepend(lead string) {
	if lead == "" || r.Total == 0 {
		return
	}
	for i := range r.Suggestions {
		r.Suggestions[i].Text = lead + r.Suggestions[i].Text
	}
	r.Common = lead + r.Common
}

// common is the common prefix of both, in whole characters.
func common(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	for n > 0 && n < len(a) && !utf8.RuneStart(a[n]) {
		n--
	}
	return a[:n]
}

// commandNames completes a command's name; an old name is shown only if what was typed fits
// nothing else.
func (c *Completer) commandNames(typed string) Result {
	var names, old []Suggestion
	for _, v := range c.cfg.Env.Listed() {
		names = append(names, Suggestion{Text: v.Name, Help: v.Short, Final: true})
	}
	for _, a := range c.cfg.Env.Aliases {
		if _, ok := c.cfg.Env.Alias(command.Word{Text: a.Name}); ok {
			names = append(names, Suggestion{Text: a.Name, Help: "alias of " + c.cfg.Env.Commands.Masked(a.Line), Final: true})
		}
	}
	for _, cmd := range c.cfg.Env.Commands {
		if cmd.Group == c.cfg.Without {
			continue
		}
		names = append(names, Suggestion{Text: cmd.Name, Help: cmd.Short, Final: true})
		for _, a := range cmd.Aliases {
			old = append(old, Suggestion{Text: a, Help: "same as " + cmd.Name, Final: true})
		}
	}
	sort.SliceStable(names, func(i, j int) bool {
		return strings.ToLower(names[i].Text) < strings.ToLower(names[j].Text)
	})
	if r := Among(names, typed, ""); r.Total > 0 {
		return r
	}
	return Among(old, typed, "")
}

// options completes an option's name, with as many dashes as were typed. An option already given
// that cannot be repeated is omitted. Case matters: -r is not -R.
func options(cmd *command.Command, typed string, given map[string]bool) Result {
	dash := "-"
	if strings.HasPrefix(typed, "--") {
		dash = "--"
	}
	var all []Suggestion
	offer := func(o *command.Option, names ...string) {
		if given[o.Name] && !o.Repeat {
			return
		}
		for _, name := range names {
			if dash == "--" && len(name) == 1 { // it works, but nobody writes it
				continue
			}
			if !strings.HasPrefix(dash+name, typed) || cmd.FindOption(name) != o {
				continue
			}
			label := dash + name
			if o.Value != "" {
				label += " " + o.Value
			}
			all = append(all, Suggestion{Text: dash + name, Label: label, Help: o.Help, Final: true})
			return
		}
	}
	for _, o := range cmd.Options.List() {
		offer(o, append([]string{o.Name}, o.Aliases...)...)
	}
	for _, o := range command.GlobalOptions.List() {
		if dash == "--" {
			offer(o, o.Name)
		} else {
			offer(o, append(o.Aliases[:len(o.Aliases):len(o.Aliases)], o.Name)...)
		}
	}
	return Among(all, typed, "")
}

var authSchemes = []Suggestion{
	{Text: "digest", Help: "user:password", Final: true},
	{Text: "ip", Help: "the client's address, which the server already knows", Final: true},
	{Text: "x509", Help: "the client's TLS certificate", Final: true},
	{Text: "super", Help: "user:password of the administrator", Final: true},
}

// aclSchemes are the starts of an ACL entry.
var aclSchemes = []Suggestion{
	{Text: "world:anyone:", Help: "everyone"},
	{Text: "auth::", Help: "this session's identities"},
	{Text: "digest:", Help: "user:base64 of the SHA-1 of user:password"},
	{Text: "ip:", Help: "an address, or a network such as 10.0.0.0/8"},
	{Text: "x509:", Help: "the subject of a client certificate"},
	{Text: "sasl:", Help: "a Kerberos principal or SASL user"},
}

var permissions = []struct{ letter, help string }{
	{"c", "create: create children"}, {"d", "delete: delete children"}, {"r", "read: data and list of children"},
	{"w", "write: change data"}, {"a", "admin: change the ACL"},
}

// acls completes the last entry of scheme:id:permissions,….
func acls(typed, lead string) Result {
	comma := strings.LastIndexByte(typed, ',') + 1
	lead, entry := lead+typed[:comma], typed[comma:]
	colon := strings.LastIndexByte(entry, ':')
	scheme, rest, _ := strings.Cut(entry, ":")
	switch id := strings.Count(rest, ":"); {
	case colon < 0 || scheme == "world" && id == 0 || scheme == "auth" && rest == "" && id == 0:
		return Among(aclSchemes, entry, lead)
	case id == 0, scheme == "digest" && id < 2:
		return Result{} // an id, which cannot be guessed
	}
	letters := entry[colon+1:]
	lead += entry[:colon+1]
	if strings.Trim(letters, "cdrwa") != "" {
		return Result{}
	}
	var all []Suggestion
	if letters == "" {
		all = append(all, Suggestion{Text: "cdrwa", Help: "everything", Final: true})
	}
	for _, p := range permissions {
		if !strings.Contains(letters, p.letter) {
			all = append(all, Suggestion{Text: letters + p.letter, Label: p.letter, Help: p.help})
		}
	}
	r := Among(all, letters, lead)
	r.Common = lead + letters // any letter may follow, and none must
	return r
}

// servers completes a connect string from the known ones.
func (c *Completer) servers(typed, lead string) Result {
	var all []Suggestion
	seen := map[string]bool{}
	for _, s := range c.cfg.Servers() {
		if !seen[s.Text] {
			seen[s.Text] = true
			all = append(all, s)
		}
	}
	if r := Among(all, typed, lead); r.Total > 0 {
		return r
	}
	comma := strings.LastIndexByte(typed, ',') + 1
	all = nil
	for _, s := range c.cfg.Servers() { // another server of the ensemble
		hosts, _, _ := strings.Cut(s.Text, "/")
		for _, h := range strings.Split(hosts, ",") {
			if !seen[h] {
				seen[h] = true
				all = append(all, Suggestion{Text: h, Final: true})
			}
		}
	}
	return Among(all, typed[comma:], lead+typed[:comma])
}
