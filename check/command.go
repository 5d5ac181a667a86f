// Package check is the verb check: it measures whether a disk, a network and an ensemble are fit for ZooKeeper.
//
//	command.go   the verb
//	times.go     how long something took, many times: median, percentiles, maximum
//	verdict.go   what is wrong, and what to watch; printing
//	disk.go      disk: what is known about a folder's disk, and the measurement
//	journal.go   appends as ZooKeeper's log makes them
//	diskjudge.go whether such a disk is fit
//	net.go       net: round trips to hosts
//	netjudge.go  whether such a network is fit
//	perf.go      perf: a fixed load, and whether an ensemble passes
package check

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

// Limits are the times that a server allows itself and others.
type Limits struct {
	Tick      time.Duration // tickTime
	SyncTicks int64         // syncLimit; 0 for a server that stands alone, which has none
}

// Asker asks the server at an address for its limits, at whichever of its doors tells them.
type Asker func(ctx context.Context, cfg client.Config, server string) (Limits, error)

// Verb is check, which asks servers through limits, and loads ensembles through load.
func Verb(limits Asker, load Loader) command.Verb {
	return command.Verb{
		Name: "check", Short: "check whether disks, networks and ensembles are fit", Group: command.Ensembles,
		New: func(env *command.Env) *cobra.Command {
			c := newCommand(env.Streams, func() (client.Config, error) { return env.Session.Config() }, limits)
			c.AddCommand(newPerfCommand(env, load))
			return c
		},
	}
}

// connect returns how to reach servers, as the command line or the shell says.
type connect func() (client.Config, error)

func newCommand(s *ui.Streams, connect connect, limits Asker) *cobra.Command {
	c := &cobra.Command{
		Use: "check COMMAND",
		Long: `Measure whether a disk and a network are fit for ZooKeeper, and whether an ensemble
takes a load, and say why not. Check disks and networks on the machines that are to
become members, before they do.`,
		Example: `  zkctl check disk /var/lib/zookeeper
  zkctl check net zk1 zk2 zk3
  zkctl -server zk1,zk2,zk3 check perf --load m`,
	}
	return command.Parent(c, newDiskCommand(s), newNetCommand(s, connect, limits))
}

// What ZooKeeper's servers have if zoo.cfg sets nothing else (zoo_sample.cfg; tickTime is 3000 ms without any).
const (
	defaultTick      = 2 * time.Second
	defaultSyncTicks = 5
)
