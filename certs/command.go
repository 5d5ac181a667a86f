// Package certs is the verb certs: it makes certificates for an ensemble and its clients, and checks those
// that servers present and files hold.
//
//	command.go   the verb
//	new.go       new: the authority and what it signs
//	lines.go     the lines of zoo.cfg and of a profile that use them
//	check.go     check: what is found at each target, and what is wrong with it
//	server.go    certificates that a server presents
//	print.go     the findings, as text and JSON
package certs

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

// Verb is certs.
var Verb = command.Verb{
	Name: "certs", Short: "make and check TLS certificates", Group: command.Ensembles,
	New: func(env *command.Env) *cobra.Command {
		return newCommand(env.Streams, func() (client.Config, error) { return env.Session.Config() })
	},
}

// connect returns how to reach servers, as the command line or the shell says.
type connect func() (client.Config, error)

const day = 24 * time.Hour

func newCommand(s *ui.Streams, connect connect) *cobra.Command {
	c := &cobra.Command{
		Use: "certs COMMAND",
		Long: `Make a certificate authority with certificates for the members of an ensemble and
their clients, or check the certificates that servers present and files hold.`,
		Example: `  zkctl certs new tls --hosts zk1,zk2,zk3 --client alice
  zkctl certs check zk1:2281 zk2:2281 --days 60
  zkctl certs check /etc/zookeeper/keystore.p12 --password-file secret`,
	}
	return command.Parent(c, newNewCommand(s, runNew), newCheckCommand(s, connect, runCheck))
}

func checkDays(days int) error {
	if days < 1 || days > 36500 {
		return errors.New("--days must be from 1 to 36500")
	}
	return nil
}
