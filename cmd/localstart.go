package cmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/local"
	"github.com/zkctl/zkctl/localserver"
)

func (l *localVerb) startCommand() *cobra.Command {
	f, sasl := &specFlags{}, false
	c := &cobra.Command{
		Use:   "start [NAME]",
		Short: "start a server or an ensemble in the background",
		Long: `Start a server or an ensemble in the background and print its connect string. If
NAME already exists, it starts with the same settings, data and ports as before.`,
		Example: `  zkctl local start
  zkctl local start --size 3 --observers 1 dev
  zkctl local start --port 2181 --data-dir ./data
  zkctl local start --emulate 3.8 old
  zkctl local start --size 3 --apache 1 mixed
  zkctl local start --sasl --set sessionRequireClientSASLAuth=true secured
  zkctl local start --tls secure`,
		Args:              command.ArgCount(0, 1),
		ValidArgsFunction: l.completeServer,
	}
	f.add(c)
	c.Flags().BoolVar(&sasl, "sasl", false, "let clients and members authenticate with SASL, with passwords made for it")
	c.RunE = func(c *cobra.Command, words []string) error {
		if err := f.settle(); err != nil {
			return err
		}
		if sasl {
			f.spec.UseSASL()
		}
		name := local.DefaultName
		if len(words) > 0 {
			name = words[0]
		}
		spec := &f.spec
		if c.Flags().NFlag() == 0 {
			spec = nil
		}
		return l.start(c.Context(), name, spec)
	}
	return c
}

// noteTLS says how to connect with TLS: with a command of zkctl's, and with other clients.
func (l *localVerb) noteTLS(zkctl string, f *localserver.TLSFiles) {
	l.env.Note(`To connect with TLS: %s
other clients trust   %s
                  or  %s
they may present      %s
                  or  %s
password of the .p12  %s`, zkctl, f.TrustPEM, f.TrustPKCS12, f.KeyPEM, f.KeyPKCS12, f.Password)
}

// start starts a server, a new one as spec describes it, and prints its connect string.
func (l *localVerb) start(ctx context.Context, name string, spec *local.Spec) error {
	up, err := l.home.Start(ctx, name, spec)
	if err != nil {
		return err
	}
	if up.Was != "" {
		l.env.Warn("another program took a port of the local server %s. It was on %s and now uses other ports: clients that use the address must be updated", name, up.Was)
	}
	where := "in memory"
	if up.DataDir != "" {
		where = "in " + up.DataDir
	}
	l.env.Note("Started the local server %s with its data %s. To stop it: zkctl local stop %s", name, where, name)
	if login := l.home.Login(name); login != "" {
		l.env.Note("Clients can authenticate with SASL, as the sections %s and %s of %s say. zkctl -server %s does; for zkCli.sh, export CLIENT_JVMFLAGS=-Djava.security.auth.login.config=%s",
			local.ClientSection, local.SuperSection, login, name, login)
	}
	servers := up.ConnectString
	if s, err := l.home.Load(name); err == nil && s.TLS != nil {
		servers = s.TLS.ConnectString
		l.noteTLS("zkctl -server "+name, &s.TLS.Files)
	}
	_, err = fmt.Fprintln(l.env.Streams.Out, servers)
	return err
}
