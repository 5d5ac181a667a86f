package ensemble

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

// Verbs are ensemble, top, 4lw, admin and session.
var Verbs = []command.Verb{
	{
		Name: "ensemble", Short: "show and check the state of an ensemble", Group: command.Ensembles,
		New: func(env *command.Env) *cobra.Command { return newCommand(env.Streams, connection(env)) },
	}, {
		Name: "top", Short: "watch an ensemble: load, members, clients, elections", Group: command.Ensembles,
		New: func(env *command.Env) *cobra.Command {
			c := newTopCommand(env.Streams, connection(env))
			if env.Shell == nil {
				// Handing work from one processor to another costs top more than it gains, and the process does nothing else.
				c.PreRun = func(*cobra.Command, []string) { runtime.GOMAXPROCS(1) }
			}
			return c
		},
	}, {
		Name: "4lw", Short: "ask members for a four-letter word", Group: command.Ensembles,
		New: func(env *command.Env) *cobra.Command { return newWordCommand(env.Streams, connection(env)) },
	}, {
		Name: "admin", Short: "run commands of members' AdminServers", Group: command.Ensembles,
		New: func(env *command.Env) *cobra.Command { return newAdminCommand(env.Streams, connection(env)) },
	}, {
		Name: "session", Short: "show the sessions of an ensemble, and who owns a znode", Group: command.Ensembles,
		New: func(env *command.Env) *cobra.Command {
			return newSessionCommand(env.Streams, connection(env), inEnv(env))
		},
	},
}

// connection returns the configuration of the session in env, which may not exist before the verb runs.
func connection(env *command.Env) Connect {
	return func() (client.Config, error) { return env.Session.Config() }
}

// within is the context that a verb runs in.
type within struct {
	dir   string // the current znode, where relative paths start
	shell bool   // the process continues after this command
}

func inEnv(env *command.Env) within { return within{env.Dir, env.Shell != nil} }

// Connect returns how to reach the servers that the command line, or the shell, names.
type Connect func() (client.Config, error)

// exitUnknown is the exit code if the answer is unknown.
const exitUnknown = ui.ExitUnsure

func newCommand(s *ui.Streams, connect Connect) *cobra.Command {
	c := &cobra.Command{
		Use: "ensemble COMMAND",
		Long: `Inspect and look after a running ensemble. Its members are the servers of -server
and, if the ensemble's configuration can be read, those listed there. zkctl asks
each member by four-letter word, through its AdminServer or in a session, and uses
whichever answers first in that order.`,
		Example: `  zkctl -server zk1 ensemble status
  zkctl ensemble status -w --members zk1:2181,zk2:2181,zk3:2181
  zkctl ensemble health --min-members 3`,
	}
	return command.Parent(c, newStatusCommand(s, connect), newHealthCommand(s, connect), newVerifyCommand(s, connect), newRestartCommand(s, connect), newDoctorCommand(s, connect),
		newExporterCommand(s, connect), newBundleCommand(s, connect))
}

// asking holds the options that select the members to ask, and how to ask them.
type asking struct {
	streams *ui.Streams
	connect Connect
	members string
	admin   string
	timeout time.Duration
}

// patience is the default of --timeout.
const patience = 3 * time.Second

// asker asks the ensemble of cfg, for commands of other rooms.
func asker(cfg client.Config) asking {
	return asking{connect: func() (client.Config, error) { return cfg, nil }, admin: strconv.Itoa(probe.DefaultAdminPort), timeout: patience}
}

func (a *asking) add(c *cobra.Command) {
	fs := c.Flags()
	fs.Var((*servers)(&a.members), "members", "ask exactly these `servers`, host:port,…, instead of those of -server and of the configuration")
	_ = c.RegisterFlagCompletionFunc("members", command.Takes(command.Servers, 0, -1))
	fs.StringVar(&a.admin, "admin-port", strconv.Itoa(probe.DefaultAdminPort), "`port` of the AdminServers, or one for each server, separated by commas; 0 to skip them")
	fs.DurationVar(&a.timeout, "timeout", patience, "wait at most `time` for the members")
}

// servers is the value of --members. An empty one, such as that of an unset variable in a script, is refused: the servers of
// -server would be asked, or restarted, instead.
type servers string

func (s *servers) String() string { return string(*s) }

func (s *servers) Type() string { return "string" }

func (s *servers) Set(text string) error {
	if text == "" {
		return errors.New("name at least one server, as host:port")
	}
	*s = servers(text)
	return nil
}

// notNegative checks the time that an option gives.
func notNegative(option string, d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("--%s: invalid value %v; use 0 or a positive time, such as 3s", option, d)
	}
	return nil
}

// prober builds a Prober from the options. widen reports whether to ask the members of the configuration too.
func (a *asking) prober() (p *probe.Prober, widen bool, err error) {
	if a.timeout <= 0 {
		return nil, false, fmt.Errorf("--timeout: invalid value %v; use a positive time, such as 3s", a.timeout)
	}
	p = &probe.Prober{}
	for _, part := range strings.Split(a.admin, ",") {
		port, err := strconv.ParseUint(strings.TrimSpace(part), 10, 16)
		if err != nil {
			return nil, false, fmt.Errorf("--admin-port: invalid port %q; use 0 to 65535", part)
		}
		p.AdminPorts = append(p.AdminPorts, int(port))
	}
	if p.Client, err = a.connect(); err != nil {
		return nil, false, err
	}
	if p.Client.Dial == nil {
		p.Client.Dial = probe.DialAny
	}
	if a.members != "" {
		p.Client.Servers, p.Client.Guard.Own = a.members, false
		if _, chroot, err := client.ParseServers(a.members); err != nil || chroot != "" {
			return nil, false, errors.Join(err, chrootFault(chroot))
		}
	}
	return p, a.members == "", nil
}

func chrootFault(chroot string) error {
	if chroot == "" {
		return nil
	}
	return fmt.Errorf("--members: unexpected path %s after the servers", chroot)
}

// formatFlag declares -o.
func formatFlag(c *cobra.Command, output *string, json string) {
	c.Flags().StringVarP(output, "output", "o", string(ui.Text), "`format`: text, or json, "+json)
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{string(ui.Text), string(ui.JSON)}, cobra.ShellCompDirectiveNoFileComp))
}
