package zkserver

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/local/zkserver/supervise"
	"github.com/zkctl/zkctl/localserver"
)

// Supervise runs the server and keeps it running. opt says how; what is empty of Config, System, Client, JVM and LogFile
// comes from the configuration and the environment, as for Run. log is the folder of the server's log, "-" for stderr, and
// "" for what the environment says.
func Supervise(ctx context.Context, streams *ui.Streams, arg, confDir, log string, opt supervise.Options) error {
	s := &server{streams: streams, confDir: confDir}
	var warnings []zoocfg.Warning
	s.env, warnings = zoocfg.FromEnvironment(os.LookupEnv, confDir)
	for _, w := range warnings {
		ui.Warn(streams.Err, "%s", w)
	}
	s.file = s.configFile(arg, confDir)
	fmt.Fprintln(streams.Err, "Using config:", s.file)
	info, err := os.Stat(s.file)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", s.file)
	}
	if err != nil {
		return &ui.ExitError{Code: exitInvalidConfig, Err: fmt.Errorf("read the configuration: %w", err)}
	}
	s.data, _ = localserver.CheckConfig(s.absolute(), s.env.System)
	opt.Streams, opt.Config, opt.ConfDir, opt.System, opt.Client = streams, s.absolute(), confDir, s.env.System, s.env.Client
	switch log {
	case "-":
	case "":
		opt.LogFile = s.outFile()
	default:
		opt.LogFile = filepath.Join(log, filepath.Base(s.outFile()))
	}
	opt.JVM = s.env.JVM(s.data)
	return supervise.Run(ctx, opt)
}
