package cmd

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/local"
)

// localHome is where named servers are.
func localHome() local.Home { return local.Home(filepath.Join(stateDir(), "local")) }

// localVerb is zkctl local.
type localVerb struct {
	env   *command.Env
	home  local.Home
	shell func(ctx context.Context, name string) error // opens the shell on a server
	guard func(name string) (client.Guard, error)
}

func (a *app) localCommand(env *command.Env) *cobra.Command {
	l := &localVerb{env: env, home: localHome(), guard: a.localGuard, shell: func(ctx context.Context, name string) error {
		if env.Shell != nil {
			return command.Run(ctx, env, command.Args("connect", name))
		}
		if err := a.flags.Set("server", name); err != nil {
			return err
		}
		return a.open(ctx)
	}}
	return l.command()
}

func (l *localVerb) command() *cobra.Command {
	c := &cobra.Command{
		Use: "local COMMAND",
		Long: `Run ZooKeeper on this machine for development and tests: a single server or an
ensemble, in the background under a name, or in the foreground. It listens on
127.0.0.1 and needs no Java. NAME defaults to "default", or to the only server.
To connect to a running server, use "zkctl -server NAME".`,
		Example: `  # a single server named default
  zkctl local start
  # an ensemble
  zkctl local start --size 3 dev
  zkctl local status -w dev
  zkctl local kill dev leader
  zkctl local restart dev 3
  zkctl local add --observer dev
  zkctl -server dev ls /
  zkctl local rm --force dev`,
	}
	return command.Parent(c, l.startCommand(), l.runCommand(), l.shellCommand(), l.statusCommand(), l.lsCommand(), l.logsCommand(),
		l.stopCommand(), l.restartCommand(), l.rmCommand(), l.killCommand(), l.pauseCommand(), l.resumeCommand(),
		l.partitionCommand(), l.healCommand(), l.addCommand(), l.removeCommand(), l.backgroundCommand())
}

// backgroundCommand is what the background process runs.
func (l *localVerb) backgroundCommand() *cobra.Command {
	return &cobra.Command{
		Use: "background NAME", Hidden: true, Args: command.ArgCount(1, 1),
		RunE: func(_ *cobra.Command, words []string) error { return l.home.Background(words[0]) },
	}
}

// completeServer completes the first word with the names of servers.
func (l *localVerb) completeServer(_ *cobra.Command, words []string, _ string) (list []string, _ cobra.ShellCompDirective) {
	if len(words) == 0 {
		list = l.completeServers()
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

func (l *localVerb) completeServers() (list []string) {
	for _, name := range l.home.Names() {
		if s, err := l.home.Load(name); err == nil {
			list = append(list, name+"\t"+s.Condition())
		}
	}
	return list
}

// completeMembers completes the first word with the names of servers, and further words with the
// members of that server.
func (l *localVerb) completeMembers(_ *cobra.Command, words []string, _ string) (list []string, _ cobra.ShellCompDirective) {
	if len(words) == 0 {
		return l.completeServers(), cobra.ShellCompDirectiveNoFileComp
	}
	if s, err := l.home.Load(words[0]); err == nil && s.Running() {
		ctx, cancel := context.WithTimeout(context.Background(), completionPatience)
		defer cancel()
		if st, err := s.Status(ctx); err == nil {
			for _, m := range st.Members {
				list = append(list, fmt.Sprintf("%d\t%s", m.ID, m.Role))
			}
			list = append(list, "leader")
		}
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

// localPatience is how long an action may take before the user is told that it is still running.
const localPatience = 5 * time.Second

// do makes a server perform an action and, if printed is set, prints the members concerned.
func (l *localVerb) do(ctx context.Context, name string, action local.Action, printed bool) error {
	if err := l.allowed(ctx, name, local.NameOf(action)+" members of the local server "+name); err != nil {
		return err
	}
	s, err := l.home.Load(name)
	if err != nil {
		return err
	}
	slow := time.AfterFunc(localPatience, func() {
		l.env.Note("%s is still working on it; zkctl local status %s shows its members", name, name)
	})
	done, err := s.Do(ctx, action)
	slow.Stop()
	if err != nil || !printed {
		return err
	}
	for _, id := range done.Members {
		if _, err := fmt.Fprintln(l.env.Streams.Out, id); err != nil {
			return err
		}
	}
	return nil
}

// toMembers makes a server apply an action to the members that follow its name in words. If the
// leader is meant, its number is printed.
func (l *localVerb) toMembers(ctx context.Context, words []string, action func(local.Members) local.Action) error {
	which, err := local.ParseMembers(words[1:])
	if err != nil {
		return err
	}
	return l.do(ctx, words[0], action(which), which.Leader)
}

func outputFlag(c *cobra.Command, output *string) {
	c.Flags().StringVarP(output, "output", "o", string(ui.Text), "output `format`: text or json")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{string(ui.Text), string(ui.JSON)}, cobra.ShellCompDirectiveNoFileComp))
}
