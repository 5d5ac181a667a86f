package commands

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/infile"
	"github.com/zkctl/zkctl/internal/ui"
)

var (
	reconfigStat    = command.NewFlag("s", "also print the stat of the configuration")
	reconfigVersion = command.NewValue("v", "version", command.Any, "only if the configuration has this version (hexadecimal, as config shows it)",
		func(text string) (int64, error) {
			version, err := strconv.ParseInt(strings.TrimPrefix(text, "0x"), 16, 64)
			if err != nil {
				return 0, fmt.Errorf("-v must be followed by a long (configuration version): %q is not a hexadecimal number", text)
			}
			return version, nil
		})
	reconfigFile    = command.NewText("file", "path", command.File, "a file with all servers, one line server.N=… each (zoo.cfg.dynamic)")
	reconfigMembers = command.NewText("members", "servers", command.Members, "all servers")
	reconfigAdd     = command.NewTexts("add", "servers", command.Members, "servers to add or change")
	reconfigRemove  = command.NewTexts("remove", "ids", command.MemberIDs, "servers to remove")
)

var reconfigCommand = &command.Command{
	Name: "reconfig", Group: command.Ensemble,
	Usage: "[-s] [-v version] [[-file path] | [-members serverID=host:port1:port2;port3[,...]*]] | " +
		"[-add serverId=host:port1:port2;port3[,...]]* [-remove serverId[,...]*]",
	Short: "change the servers of the ensemble",
	Long: "Use -add and -remove to change the current servers, or -members or -file to list all of them. The servers need " +
		"reconfigEnabled=true, and the session needs permission to write /zookeeper/config (addauth as super). " +
		"A new server must be running and connected to the leader before it is added. In a shell, quote the ;.",
	Options: command.Options{reconfigStat, reconfigVersion, reconfigFile, reconfigMembers, reconfigAdd, reconfigRemove},
	Examples: []command.Example{
		{"reconfig -add 'server.4=zk4:2888:3888;2181'", "add a server"},
		{"reconfig -add 'server.4=zk4:2888:3888:observer;2181' -remove 1", "add an observer and remove server 1"},
		{"reconfig -file zoo.cfg.dynamic", "use the servers in a file"},
	},
	Differs: "-add and -remove are repeatable, as the usage says; zkCli uses only the first. " +
		"Servers and ids are checked before anything is sent.",
	Run: runReconfig,
}

func runReconfig(ctx context.Context, env *command.Env, in *command.Invocation) error {
	plan, err := newReconfig(ctx, in)
	if err != nil {
		return err
	}
	conn, err := env.Conn()
	if err != nil {
		return err
	}
	config, stat, err := conn.Reconfig(ctx, plan.joining, plan.leaving, plan.members, plan.version)
	if err != nil {
		return err
	}
	if env.Output == ui.JSON {
		return env.PrintJSON(command.Object{"config": string(config), "stat": jsonStat(stat)})
	}
	fmt.Fprintf(env.Streams.Out, "Committed new configuration:\n%s\n", config)
	if reconfigStat.On(in) {
		printStat(env.Streams.Out, stat)
	}
	return nil
}

// reconfiguration is what a reconfig command requests.
type reconfiguration struct {
	joining, leaving, members string
	version                   int64
}

// newReconfig checks the options as ReconfigCommand does, and also the servers.
func newReconfig(ctx context.Context, in *command.Invocation) (r reconfiguration, err error) {
	whole, steps := reconfigFile.Given(in) || reconfigMembers.Given(in), reconfigAdd.Given(in) || reconfigRemove.Given(in)
	if r.version, err = reconfigVersion.Or(in, -1); err != nil {
		return r, err
	}
	switch {
	case !whole && !steps:
		return r, in.Problem("nothing to change; use -add, -remove, or all servers with -members or -file")
	case whole && steps:
		return r, in.Problem("Can't use -file or -members together with -add or -remove (mixing incremental and non-incremental modes is not allowed)")
	case reconfigFile.Given(in) && reconfigMembers.Given(in):
		return r, in.Problem("Can't use -file and -members together (conflicting non-incremental modes)")
	}
	if reconfigAdd.Given(in) {
		if r.joining, err = ParseMembers(strings.Join(reconfigAdd.All(in), ",")); err != nil {
			return r, fmt.Errorf("-add: %w", err)
		}
	}
	if reconfigRemove.Given(in) {
		if r.leaving, err = parseServerIDs(strings.Join(reconfigRemove.All(in), ",")); err != nil {
			return r, err
		}
	}
	if reconfigMembers.Given(in) {
		if r.members, err = ParseMembers(reconfigMembers.In(in)); err != nil {
			return r, fmt.Errorf("-members: %w", err)
		}
	}
	if name := reconfigFile.In(in); name != "" {
		text, err := infile.File(ctx, name, infile.MostSettings)
		if err == nil {
			r.members, err = readMembers(text)
		}
		if err != nil {
			return r, fmt.Errorf("Error processing %s: %w", name, err) //nolint:staticcheck // zkCli's words
		}
	}
	return r, nil
}
