package cmd

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/completions"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/nearest"
	"github.com/zkctl/zkctl/internal/session"
	"github.com/zkctl/zkctl/internal/source"
)

// named returns the configuration of a session with a local server or a profile, whose name may be
// followed by a chroot; ok is false for a connect string that needs no separate one. A name brings
// all its settings: identities and TLS of this session are for other servers.
func (a *app) named(server string) (cfg client.Config, ok bool, err error) {
	name, chroot, _ := strings.Cut(server, "/")
	o := &options{}
	flags := o.flags()
	o.Verbose = a.options.Verbose
	o.Server = server
	o.run, o.guard, o.guards = a.options.run, a.options.run, a.options.guards
	switch err := o.resolve(flags); {
	case err != nil:
		return cfg, false, err
	case o.ours:
	default:
		c, err := a.options.readConfig()
		if err != nil {
			return cfg, false, err
		}
		if !slices.Contains(c.names(), name) {
			return a.elsewhere(server)
		}
		o.Server = flags.Lookup("server").DefValue
		secret, err := c.fill(flags, name)
		if err != nil {
			return cfg, false, err
		}
		if secret {
			warnIfShared(a.streams, c.file)
		}
		if err := o.learn(c, name, o.run.Level, false); err != nil {
			return cfg, false, err
		}
		if err := o.resolve(flags); err != nil {
			return cfg, false, err
		}
		if chroot != "" {
			o.Server = strings.TrimSuffix(o.Server, "/") + "/" + chroot
		}
	}
	cfg, err = o.session(flags, a.streams)
	return cfg, err == nil, err
}

// namedOnly returns the configuration of a session with a local server or a profile, whose name has no
// chroot.
func (a *app) namedOnly(name string) (client.Config, error) {
	c, err := a.options.readConfig()
	if err != nil {
		return client.Config{}, err
	}
	profile, server := slices.Contains(c.names(), name), slices.Contains(localHome().Names(), name)
	switch {
	case profile && server:
		return client.Config{}, fmt.Errorf("%q is both a profile and a local server; rename one of them", name)
	case !profile && !server:
		return client.Config{}, fmt.Errorf("no profile or local server is named %q%s; for a host, write zk://%s:2181/path", name, a.similar(name), name)
	}
	cfg, _, err := a.named(name)
	return cfg, err
}

// elsewhereSilently returns how completion connects to other ensembles: it prints nothing.
func (a *app) elsewhereSilently(s *session.Session) func(source.Location) (client.Config, error) {
	return func(l source.Location) (client.Config, error) {
		if l.Form == source.Servers {
			return s.PlainConfig(l.Servers), nil
		}
		if _, err := s.Config(); err != nil { // that settles the options
			return client.Config{}, err
		}
		quiet, streams := *a, *a.streams
		streams.Err, quiet.streams = io.Discard, &streams
		return quiet.namedOnly(l.Name)
	}
}

// similar returns a question about the profiles and local servers that a mistyped name may have meant.
func (a *app) similar(name string) string {
	if q := nearest.DidYouMean(name, "", slices.Concat(a.profileNames(), localHome().Names())); q != "" {
		return " (" + q + ")"
	}
	return ""
}

// elsewhere returns the configuration of a session with unnamed servers in a run of zkctl that started on a server
// run by zkctl, to which CLIENT_JVMFLAGS did not apply. ok is false if the configuration of the run will do.
func (a *app) elsewhere(servers string) (cfg client.Config, ok bool, err error) {
	if !a.options.ours {
		return cfg, false, nil
	}
	o := a.options
	o.Server, o.ours, o.login = servers, false, ""
	cfg, err = o.session(a.flags, a.streams)
	return cfg, err == nil, err
}

// connectable returns the running local servers, and the connect strings that the shell has seen.
func (a *app) connectable() (list []completions.Suggestion) {
	for _, name := range localHome().Running() {
		list = append(list, completions.Suggestion{Text: name, Help: completions.LocalHelp, Final: true})
	}
	return append(list, completions.SeenServers(stateDir())...)
}

// nameable returns what connect accepts: also profiles.
func (a *app) nameable() (list []completions.Suggestion) {
	list = a.profiles()
	for i := range list {
		list[i].Help = completions.ProfileHelp
	}
	return append(list, a.connectable()...)
}

// advise returns what may help if no server could be reached.
func (a *app) advise(err error) string {
	var round *client.RoundError
	if !errors.As(err, &round) || len(round.Attempts) == 0 {
		return ""
	}
	for _, attempt := range round.Attempts {
		var dns *net.DNSError
		if errors.As(attempt, &dns) && dns.IsNotFound {
			return a.similarNames(attempt.Address.Host)
		}
	}
	if a.flags.Lookup("server").Changed || a.options.Local > 0 || round.Attempts[0].Address != (client.Address{Host: "localhost", Port: client.DefaultPort}) {
		return ""
	}
	advice := "no server was given; use -server HOST:PORT"
	if running := localHome().Running(); len(running) > 0 {
		advice += ", or -server " + running[0] + " for the local server of that name"
	}
	if profiles := a.profileNames(); len(profiles) > 0 {
		advice += ", or -profile NAME for one from the config file (" + strings.Join(profiles, ", ") + ")"
	}
	return advice + "; zkctl --local starts a private ZooKeeper to try things out"
}

// similarNames returns the profiles and local servers that an unknown host may have meant.
func (a *app) similarNames(host string) string {
	var meant []string
	for _, name := range nearest.Names(host, a.profileNames()) {
		meant = append(meant, fmt.Sprintf("the profile %s (-profile %s, or connect %s in the shell)", name, name, name))
	}
	for _, name := range nearest.Names(host, localHome().Names()) {
		meant = append(meant, fmt.Sprintf("the local server %s (-server %s, or connect %s in the shell)", name, name, name))
	}
	if len(meant) == 0 {
		return ""
	}
	return "did you mean " + strings.Join(meant, " or ") + "?"
}

// profileNames returns the profiles in the config file, or none if it cannot be read.
func (a *app) profileNames() []string {
	c, err := a.options.readConfig()
	if err != nil {
		return nil
	}
	return c.names()
}
