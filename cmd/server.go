package cmd

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/local/zkserver"
)

// serverCommand is zkctl server, the counterpart of zkServer.sh.
func serverCommand(env *command.Env) *cobra.Command {
	var confDir string
	c := &cobra.Command{
		Use: "server start|start-foreground|stop|restart|status|supervise|version|print-cmd [zoo.cfg]",
		Long: `Run an embedded server from its zoo.cfg, as zkServer.sh runs Apache's, with the
same output, exit codes and pid file. With server.N lines and a myid it is a
member of an ensemble, whose other members may be Apache ZooKeeper.

  start             start it in the background
  start-foreground  run it in the foreground until Ctrl-C
  stop              stop the one in the background
  restart           stop and start
  status            print its mode: standalone, leader, follower or observer
  supervise         run it in the foreground, and restart it when it dies or hangs
  version           show the version
  print-cmd         print the command line that start runs

ZOOCFGDIR, ZOOCFG, ZOOPIDFILE, ZOO_LOG_DIR, SERVER_JVMFLAGS, JVMFLAGS and
ZOO_DATADIR_AUTOCREATE_DISABLE work as with zkServer.sh, and so do
zookeeper-env.sh and java.env in the configuration's folder.`,
		Example: `  zkctl server start ./zoo.cfg
  zkctl server status ./zoo.cfg
  SERVER_JVMFLAGS=-Djute.maxbuffer=4194304 zkctl server start-foreground ./zoo.cfg`,
		Args: command.ArgCount(0, 2),
		ValidArgsFunction: func(_ *cobra.Command, words []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(words) == 0 {
				return zkserver.Commands, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveDefault
		},
	}
	c.PersistentFlags().StringVar(&confDir, "config", "", "`folder` of zoo.cfg")
	_ = c.MarkFlagDirname("config")
	c.RunE = func(c *cobra.Command, words []string) error {
		if len(words) == 0 {
			return c.Help()
		}
		return zkserver.Run(c.Context(), env.Streams, words[0], strings.Join(words[1:], ""), confDir)
	}
	c.AddCommand(superviseCommand(env, &confDir))
	return c
}
