package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/verb"
	"github.com/zkctl/zkctl/localserver"
)

// localGroup is what help calls the verbs that run servers.
const localGroup = "Servers on this machine"

// localCommand is zkctl local.
func (a *app) localCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "local COMMAND",
		Short: "run ZooKeeper on this machine: one server or an ensemble, in the background, under a name",
		Long: `Run ZooKeeper on this machine, for development and tests: one server or a whole
ensemble, in the background under a name, or in the foreground. It listens on
127.0.0.1 and needs no Java. Without a NAME, "default" or the only one is meant.
"zkctl -server NAME" connects to a running one.`,
		Example: `  zkctl local start                  one server, called default
  zkctl local start --size 3 dev     an ensemble
  zkctl local status -w dev
  zkctl local kill dev leader
  zkctl local restart dev 3
  zkctl local add --observer dev
  zkctl -server dev ls /
  zkctl local rm --force dev`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, words []string) error {
			if len(words) > 0 {
				return verb.Unknown(c, words[0], "")
			}
			return c.Help()
		},
	}
	c.AddCommand(a.localStartCommand(), a.localRunCommand(), a.localShellCommand(), a.localStatusCommand(),
		a.localListCommand(), a.localLogsCommand(), a.localStopCommand(), a.localRestartCommand(), a.localRemoveCommand())
	c.AddCommand(a.localMemberCommands()...)
	c.AddCommand(&cobra.Command{
		Use: "background NAME", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, words []string) error {
			if err := runBackground(words[0]); err != nil {
				return err
			}
			return nil
		},
	})
	return c
}

// completeLocals answers with the names of local servers.
func completeLocals(_ *cobra.Command, words []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(words) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var list []string
	for _, name := range localNames() {
		if s, err := loadLocal(name); err == nil {
			list = append(list, name+"\t"+s.condition())
		}
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

// runningLocals are the names of the local servers that run.
func runningLocals() (names []string) {
	for _, name := range localNames() {
		if s, err := loadLocal(name); err == nil && s.running() {
			names = append(names, name)
		}
	}
	return names
}

// specFlags are the options that say what a server is to be.
type specFlags struct {
	spec   localSpec
	engine string
	set    []string
	define []string
}

func (f *specFlags) add(c *cobra.Command) {
	fs := c.Flags()
	fs.SortFlags = false
	fs.IntVar(&f.spec.Size, "size", 1, "`number` of members that vote; from 2 on they are an ensemble")
	fs.IntVar(&f.spec.Observers, "observers", 0, "`number` of further members, which do not vote")
	fs.IntVar(&f.spec.Apache, "apache", 0, "`number` of the members that are Apache ZooKeeper processes")
	fs.StringVar(&f.engine, "engine", string(localserver.Embedded), "`engine` of the others: embedded, or apache, which needs Java")
	fs.StringVar(&f.spec.ZooKeeperHome, "zookeeper-home", "", "`folder` of an unpacked Apache ZooKeeper; else ZOOKEEPER_HOME or Debian's package")
	fs.StringVar(&f.spec.Emulate, "emulate", "", "`release` of ZooKeeper that embedded members behave like: 3.8 or 3.9 (default 3.9, or that of the Apache members)")
	fs.IntVar(&f.spec.Port, "port", 0, "client `port` of the first member; the others follow; 0 is free ones")
	fs.StringVar(&f.spec.Host, "host", "", "`address` to listen on (default 127.0.0.1)")
	fs.StringVar(&f.spec.DataDir, "data-dir", "", "keep the data in `folder`")
	fs.BoolVar(&f.spec.Ephemeral, "ephemeral", false, "keep the data in memory")
	fs.StringVar(&f.spec.Config, "config", "", "take properties from the `file`, a zoo.cfg")
	fs.StringArrayVar(&f.set, "set", nil, "set `key=value` as a line of zoo.cfg does; may be repeated")
	fs.StringArrayVarP(&f.define, "define", "D", nil, "set the system property `name=value`, such as jute.maxbuffer; may be repeated")
	_ = c.RegisterFlagCompletionFunc("engine", cobra.FixedCompletions([]string{string(localserver.Embedded), string(localserver.Apache)}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("emulate", cobra.FixedCompletions([]string{"3.8", "3.9"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.MarkFlagDirname("data-dir")
	_ = c.MarkFlagDirname("zookeeper-home")
}

// settle brings the options together. Paths become absolute, for a process that is elsewhere.
func (f *specFlags) settle() (err error) {
	if f.spec.Size < 1 {
		return fmt.Errorf("--size is the number of members that vote, from 1 on, not %d", f.spec.Size)
	}
	f.spec.Engine = localserver.Engine(f.engine)
	for _, path := range []*string{&f.spec.DataDir, &f.spec.Config, &f.spec.ZooKeeperHome} {
		if *path != "" {
			if *path, err = filepath.Abs(*path); err != nil {
				return err
			}
		}
	}
	if f.spec.Properties, err = pairs("--set", f.set); err != nil {
		return err
	}
	f.spec.System, err = pairs("--define", f.define)
	return err
}

func pairs(option string, list []string) (map[string]string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	m := map[string]string{}
	for _, one := range list {
		key, value, ok := strings.Cut(one, "=")
		if key = strings.TrimSpace(key); !ok || key == "" {
			return nil, fmt.Errorf("%s takes name=value, not %q", option, one)
		}
		m[key] = strings.TrimSpace(value)
	}
	return m, nil
}

func (a *app) localStartCommand() *cobra.Command {
	f := &specFlags{}
	c := &cobra.Command{
		Use:   "start [NAME]",
		Short: "start a server or an ensemble in the background",
		Long: `Start a server or an ensemble in the background and print its connect string.
A NAME that was used before is started again as it was, on its data and ports.`,
		Example: `  zkctl local start
  zkctl local start --size 3 --observers 1 dev
  zkctl local start --port 2181 --data-dir ./data
  zkctl local start --emulate 3.8 old
  zkctl local start --size 3 --apache 1 mixed`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeLocals,
	}
	f.add(c)
	c.RunE = func(c *cobra.Command, words []string) error {
		if err := f.settle(); err != nil {
			return err
		}
		name := defaultLocalName
		if len(words) > 0 {
			name = words[0]
		}
		return a.localStart(c.Context(), name, f, c.Flags())
	}
	return c
}

func (a *app) localStart(ctx context.Context, name string, f *specFlags, flags *pflag.FlagSet) error {
	s, err := loadLocal(name)
	fresh := errors.Is(err, errNoLocal)
	switch {
	case fresh:
		s = &localState{Name: name, Spec: f.spec, dir: localDir(name)}
	case err != nil:
		return err
	case s.running():
		if st, err := s.status(ctx); err == nil && !st.serves() {
			return fmt.Errorf("the local server %s is running already, but serves nobody: %s: %s (zkctl local restart %s)", name, st.State, st.Reason, name)
		}
		return fmt.Errorf("the local server %s is running already, on %s; members of it that do not run start by zkctl local restart", name, s.ConnectString)
	case specGiven(flags):
		return fmt.Errorf("the local server %s exists and starts again as it was; options are for a new one (zkctl local rm %s forgets it)", name, name)
	}
	up, err := s.spawn(ctx)
	if err != nil {
		if fresh && !s.running() {
			_ = os.RemoveAll(s.dir)
		}
		return fmt.Errorf("start the local server %s: %w", name, err)
	}
	if up.Was != "" {
		ui.Warn(a.streams.Err, "another program has taken a port of the local server %s. It was on %s, and is on other ports now: clients that know it by its address must be told", name, up.Was)
	}
	where := "in memory"
	if up.DataDir != "" {
		where = "in " + up.DataDir
	}
	fmt.Fprintf(a.streams.Err, "The local server %s runs, its data is %s. Stop it: zkctl local stop %s\n", name, where, name)
	_, err = fmt.Fprintln(a.streams.Out, up.ConnectString)
	return err
}

// specGiven tells whether any option that describes a server was given.
func specGiven(flags *pflag.FlagSet) (given bool) {
	var f specFlags
	probe := &cobra.Command{}
	f.add(probe)
	probe.Flags().VisitAll(func(one *pflag.Flag) { given = given || flags.Changed(one.Name) })
	return given
}

func (a *app) localRunCommand() *cobra.Command {
	f := &specFlags{}
	quiet := false
	c := &cobra.Command{
		Use:   "run",
		Short: "run a server or an ensemble in the foreground, until Ctrl-C",
		Long: `Run a server or an ensemble in the foreground. The connect string goes to
stdout, the log to stderr; Ctrl-C ends it. Without --data-dir its data goes
with it.`,
		Example: `  zkctl local run --port 2181
  zkctl local run --size 3 --quiet`,
		Args: cobra.NoArgs,
	}
	f.add(c)
	c.Flags().BoolVarP(&quiet, "quiet", "q", false, "do not print the log")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := f.settle(); err != nil {
			return err
		}
		opt := f.spec.options()
		if !quiet {
			opt.Log = a.streams.Err
		}
		ctx, cancel := context.WithTimeout(c.Context(), localStartTimeout)
		defer cancel()
		e, err := localserver.Start(ctx, opt)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(a.streams.Out, e.ConnectString()); err != nil {
			return errors.Join(err, e.Close())
		}
		<-c.Context().Done()
		return e.Close()
	}
	return c
}

func (a *app) localShellCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "shell [NAME]",
		Short:             "open the shell on a local server",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeLocals,
		RunE: func(c *cobra.Command, words []string) error {
			s, err := chooseLocal(words)
			if err != nil {
				return err
			}
			if err := a.flags.Set("server", s.Name); err != nil {
				return err
			}
			return a.run(a.root, nil)
		},
	}
}

func (a *app) localStopCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "stop [NAME [MEMBER...]]",
		Short: "stop a local server, or members of it",
		Long: `Stop a local server, gracefully; its data stays. With MEMBERs, by their numbers
or "leader", only these stop; "zkctl local restart NAME MEMBER" starts them.`,
		ValidArgsFunction: completeMembers,
		RunE: func(c *cobra.Command, words []string) error {
			if len(words) > 1 {
				return a.localAct(c.Context(), "halt", words)
			}
			s, err := chooseLocal(words)
			if err != nil {
				return err
			}
			if !s.running() {
				fmt.Fprintln(a.streams.Err, s.notRunning())
				s.PID = 0 // a dead one is known by now
				return s.save()
			}
			return s.end(c.Context())
		},
	}
}

func (a *app) localRestartCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "restart [NAME [MEMBER...]]",
		Short:             "stop and start a local server, or members of it",
		Long:              `Stop a local server when it runs, and start it; with MEMBERs only these.`,
		ValidArgsFunction: completeMembers,
		RunE: func(c *cobra.Command, words []string) error {
			if len(words) > 1 {
				return a.localAct(c.Context(), "restart", words)
			}
			s, err := chooseLocal(words)
			if err != nil {
				return err
			}
			if s.running() {
				if err := s.end(c.Context()); err != nil {
					return err
				}
			}
			return a.localStart(c.Context(), s.Name, &specFlags{}, pflag.NewFlagSet("", pflag.ContinueOnError))
		},
	}
}

func (a *app) localRemoveCommand() *cobra.Command {
	force := false
	c := &cobra.Command{
		Use:   "rm NAME...",
		Short: "forget local servers and delete their data",
		Long: `Forget local servers that do not run, and delete their data and logs. A data
directory that was given with --data-dir stays.`,
		Args: cobra.MinimumNArgs(1),
		ValidArgsFunction: func(c *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
			return completeLocals(c, nil, word)
		},
	}
	c.Flags().BoolVarP(&force, "force", "f", false, "stop those that run")
	c.RunE = func(c *cobra.Command, words []string) error {
		for _, name := range words {
			s, err := loadLocal(name)
			if err != nil && force && checkLocalName(name) == nil && !errors.Is(err, errNoLocal) {
				s, err = &localState{Name: name, dir: localDir(name)}, nil // its state cannot be read
			}
			if err != nil {
				return err
			}
			if s.running() {
				if !force {
					return fmt.Errorf("the local server %s is running; stop it first, or give --force", name)
				}
				if err := s.end(c.Context()); err != nil {
					return err
				}
			}
			if err := os.RemoveAll(s.dir); err != nil {
				return fmt.Errorf("forget the local server %s: %w", name, err)
			}
			if s.Spec.DataDir != "" {
				fmt.Fprintf(a.streams.Err, "The data of %s stays in %s\n", name, s.Spec.DataDir)
			}
		}
		return nil
	}
	return c
}

// localMemberCommands act on members of a running server.
func (a *app) localMemberCommands() []*cobra.Command {
	var list []*cobra.Command
	for _, one := range []struct{ name, short string }{
		{"kill", "end members as kill -9 does"},
		{"pause", "make members hang as SIGSTOP does"},
		{"resume", "let paused members go on, all or some"},
	} {
		list = append(list, &cobra.Command{
			Use:               one.name + " NAME [MEMBER...]",
			Short:             one.short,
			Long:              strings.ToUpper(one.short[:1]) + one.short[1:] + `: by their numbers, or "leader" for the one that leads.`,
			Args:              cobra.MinimumNArgs(1),
			ValidArgsFunction: completeMembers,
			RunE: func(c *cobra.Command, words []string) error {
				return a.localAct(c.Context(), one.name, words)
			},
		})
	}
	list = append(list, &cobra.Command{
		Use:   "partition NAME SIDE...",
		Short: "cut the links between sides",
		Long: `Cut the links between members of different sides. A SIDE is numbers of members
with commas between them, or "leader"; the members that are not named are a side
too.`,
		Example:           "  zkctl local partition dev 3          3 on one side, the others on the other\n  zkctl local partition dev 1,2 3,4,5",
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: completeMembers,
		RunE: func(c *cobra.Command, words []string) error {
			req := controlRequest{Do: "partition"}
			for _, word := range words[1:] {
				ids, leader, err := parseMembers(strings.Split(word, ","))
				if err != nil {
					return err
				}
				if leader {
					req.Leader, ids = true, append(ids, 0)
				}
				req.Sides = append(req.Sides, ids)
			}
			return a.localAsk(c.Context(), words[0], req)
		},
	}, &cobra.Command{
		Use:               "heal NAME [MEMBER...]",
		Short:             "give back the links that partition cut: all, or those of members",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completeMembers,
		RunE: func(c *cobra.Command, words []string) error {
			return a.localAct(c.Context(), "heal", words)
		},
	})
	add := &cobra.Command{
		Use:               "add NAME",
		Short:             "add a member to an ensemble by reconfiguration; prints its number",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeLocals,
	}
	req := controlRequest{Do: "add"}
	add.Flags().BoolVar(&req.Observer, "observer", false, "one that does not vote")
	add.Flags().BoolVar(&req.Apache, "apache", false, "one that is an Apache ZooKeeper process")
	add.RunE = func(c *cobra.Command, words []string) error { return a.localAsk(c.Context(), words[0], req) }
	remove := &cobra.Command{
		Use:               "remove NAME MEMBER...",
		Short:             "remove members from an ensemble by reconfiguration, and stop them",
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: completeMembers,
		RunE: func(c *cobra.Command, words []string) error {
			return a.localAct(c.Context(), "remove", words)
		},
	}
	return append(list, add, remove)
}

// parseMembers reads numbers of members, and the word leader.
func parseMembers(words []string) (ids []int64, leader bool, err error) {
	for _, word := range words {
		if strings.EqualFold(word, "leader") {
			leader = true
			continue
		}
		id, err := strconv.ParseInt(word, 10, 64)
		if err != nil || id < 1 {
			return nil, false, fmt.Errorf("%q is no member: give its number, or leader", word)
		}
		ids = append(ids, id)
	}
	return ids, leader, nil
}

// localPatience is how long a server may take for something without a word to who waits.
const localPatience = 5 * time.Second

// localAct has something done to the members that stand behind a server's name.
func (a *app) localAct(ctx context.Context, do string, words []string) error {
	ids, leader, err := parseMembers(words[1:])
	if err != nil {
		return err
	}
	return a.localAsk(ctx, words[0], controlRequest{Do: do, Members: ids, Leader: leader})
}

func (a *app) localAsk(ctx context.Context, name string, req controlRequest) error {
	s, err := loadLocal(name)
	if err != nil {
		return err
	}
	slow := time.AfterFunc(localPatience, func() {
		fmt.Fprintf(a.streams.Err, "%s is still busy with it; zkctl local status %s shows its members\n", name, name)
	})
	reply, err := s.ask(ctx, req)
	slow.Stop()
	if err != nil {
		return err
	}
	if req.Leader || req.Do == "add" {
		for _, id := range reply.Members {
			if _, err := fmt.Fprintln(a.streams.Out, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// completeMembers answers with names first, then with members.
func completeMembers(c *cobra.Command, words []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(words) == 0 {
		return completeLocals(c, words, word)
	}
	var list []string
	if s, err := loadLocal(words[0]); err == nil && s.running() {
		ctx, cancel := context.WithTimeout(context.Background(), completionPatience)
		defer cancel()
		if reply, err := s.ask(ctx, controlRequest{Do: "status"}); err == nil && reply.Status != nil {
			for _, m := range reply.Status.Members {
				list = append(list, fmt.Sprintf("%d\t%s", m.ID, m.Role))
			}
			list = append(list, "leader")
		}
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

func outputFlag(c *cobra.Command, output *string) {
	c.Flags().StringVarP(output, "output", "o", string(ui.Text), "`format`: text or json")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{string(ui.Text), string(ui.JSON)}, cobra.ShellCompDirectiveNoFileComp))
}
