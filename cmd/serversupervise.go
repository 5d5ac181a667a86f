package cmd

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/local/zkserver"
	"github.com/zkctl/zkctl/local/zkserver/supervise"
)

// superviseCommand is zkctl server supervise. confDir is --config of zkctl server.
func superviseCommand(env *command.Env, confDir *string) *cobra.Command {
	opt := supervise.Default()
	var output, engine, log string
	var size uint16
	c := &cobra.Command{
		Use:   "supervise [zoo.cfg]",
		Short: "keep a server running",
		Long: `Run a server in the foreground, watch that it answers, and restart it when it
dies or hangs: with the engine "embedded" zkctl's own server, with "apache" that
of Apache ZooKeeper, from ZOOKEEPER_HOME or Debian's package.

A server hangs if its client port stays silent for --hang-limit. One that answers
"not currently serving requests" does not hang: it waits for a quorum or for data,
and a restart would not help. Pauses between restarts grow to --max-delay. An
invalid configuration ends zkctl with exit code 2. A changed one is reported, and
read when the server starts next.

Each change of the server's state is a line of output. SIGTERM and Ctrl-C stop the
server. zkctl reports to systemd (Type=notify, WatchdogSec), and can be the first
process of a container.`,
		Example: `  zkctl server supervise ./zoo.cfg
  zkctl server supervise --engine apache --status-listen 127.0.0.1:9180 /etc/zookeeper/conf/zoo.cfg
  zkctl server supervise --log-dir - --purge-every 0 -o json ./zoo.cfg`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: command.Takes(command.File, 0, 0),
	}
	fs := c.Flags()
	fs.StringVar(&engine, "engine", string(supervise.Embedded), "`kind` of server: embedded or apache")
	_ = c.RegisterFlagCompletionFunc("engine", cobra.FixedCompletions([]string{string(supervise.Embedded), string(supervise.Apache)}, cobra.ShellCompDirectiveNoFileComp))
	fs.DurationVar(&opt.HangLimit, "hang-limit", opt.HangLimit, "restart a server that has been silent for this `time`")
	fs.DurationVar(&opt.StartLimit, "start-limit", opt.StartLimit, "`time` in which a server must give its first answer after it was started")
	fs.DurationVar(&opt.Grace, "grace", opt.Grace, "`time` in which a server must end after SIGTERM before it is killed")
	fs.DurationVar(&opt.MaxDelay, "max-delay", opt.MaxDelay, "longest `time` between the end of a server and its restart")
	fs.DurationVar(&opt.PurgeEvery, "purge-every", opt.PurgeEvery, "remove old snapshots and logs each `time`, unless autopurge is on; 0 for never")
	fs.IntVar(&opt.PurgeKeep, "purge-keep", 0, "`number` of snapshots to keep, at least 3 (default autopurge.snapRetainCount)")
	fs.StringVar(&log, "log-dir", "", "`folder` of the server's log, or - for stderr (default ZOO_LOG_DIR, or dataDir)")
	_ = c.MarkFlagDirname("log-dir")
	fs.Uint16Var(&size, "log-size", 64, "size in `MiB` at which the log is rotated")
	fs.IntVar(&opt.LogFiles, "log-files", opt.LogFiles, "`number` of rotated logs to keep")
	fs.StringVar(&opt.Listen, "status-listen", "", "show a status page at this loopback `address`, such as 127.0.0.1:9180")
	fs.StringVarP(&output, "output", "o", string(ui.Text), "`format`: text, or json, an object for each line")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{string(ui.Text), string(ui.JSON)}, cobra.ShellCompDirectiveNoFileComp))
	c.RunE = func(c *cobra.Command, words []string) error {
		format, err := ui.ParseFormat(output)
		if err != nil {
			return fmt.Errorf("-o: %w", err)
		}
		opt.JSON = format == ui.JSON
		switch opt.Engine = supervise.Engine(engine); opt.Engine {
		case supervise.Embedded, supervise.Apache:
		default:
			return fmt.Errorf("--engine: %q is not a valid engine; use embedded or apache", engine)
		}
		for name, d := range map[string]time.Duration{"hang-limit": opt.HangLimit, "start-limit": opt.StartLimit, "grace": opt.Grace, "max-delay": opt.MaxDelay} {
			if d < time.Second {
				return fmt.Errorf("--%s: %v is too short; use at least 1s", name, d)
			}
		}
		switch {
		case opt.PurgeEvery < 0 || opt.PurgeEvery > 0 && opt.PurgeEvery < time.Minute:
			return fmt.Errorf("--purge-every: %v is too often; use at least 1m, or 0 for never", opt.PurgeEvery)
		case c.Flags().Changed("purge-keep") && opt.PurgeKeep < storage.MinPurgeKeep:
			return fmt.Errorf("--purge-keep: %d is too few; keep at least %d", opt.PurgeKeep, storage.MinPurgeKeep)
		case size == 0:
			return errors.New("--log-size: use at least 1")
		case opt.LogFiles < 0:
			return fmt.Errorf("--log-files: %d is not a valid number of files", opt.LogFiles)
		}
		opt.LogSize = int64(size) << 20
		if opt.Listen != "" {
			if err := supervise.CheckListen(opt.Listen); err != nil {
				return fmt.Errorf("--status-listen %s: %w", opt.Listen, err)
			}
		}
		arg := ""
		if len(words) > 0 {
			arg = words[0]
		}
		return zkserver.Supervise(c.Context(), env.Streams, arg, *confDir, log, opt)
	}
	return c
}
