package cmd

import (
	"slices"
	"strings"

	"github.com/zkctl/zkctl/completions"
	"github.com/zkctl/zkctl/internal/client"
)

// named is the configuration of a session with a local server or a profile, to whose name a
// chroot may be attached; ok is false for a connect string. A name brings all settings of its
// own: identities and TLS of this session are for other servers.
func (a *app) named(server string) (cfg client.Config, ok bool, err error) {
	name, chroot, _ := strings.Cut(server, "/")
	o := &options{}
	flags := o.flags()
	o.Verbose = a.options.Verbose
	address, err := resolveLocal(server)
	switch {
	case err != nil:
		return cfg, false, err
	case address != server:
		o.Server = address
	default:
		c, err := a.options.readConfig()
		if err != nil || !slices.Contains(c.names(), name) {
			return cfg, false, err
		}
		secret, err := c.fill(flags, name)
		if err != nil {
			return cfg, false, err
		}
		if secret {
			warnIfShared(a.streams, c.file)
		}
		if o.Server, err = resolveLocal(o.Server); err != nil {
			return cfg, false, err
		}
		if chroot != "" {
			o.Server = strings.TrimSuffix(o.Server, "/") + "/" + chroot
		}
	}
	cfg, err = o.session(flags, a.streams)
	return cfg, err == nil, err
}

// connectable are the local servers that run, and the connect strings that the shell has seen.
func (a *app) connectable() (list []completions.Suggestion) {
	for _, name := range runningLocals() {
		list = append(list, completions.Suggestion{Text: name, Help: "local server", Final: true})
	}
	return append(list, completions.SeenServers(stateDir())...)
}

// nameable is what connect takes: profiles, too.
func (a *app) nameable() (list []completions.Suggestion) {
	list = a.profiles()
	for i := range list {
		list[i].Help = "profile"
	}
	return append(list, a.connectable()...)
}
