package commands

import (
	"bytes"
	"context"
	"fmt"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

var (
	configClients = command.NewFlag("c", "print only the version and the connect string for clients")
	configWatch   = command.NewFlag("w", "watch: print an event when the configuration changes")
	configStat    = command.NewFlag("s", "also print the stat of the configuration's znode")
)

var configCommand = &command.Command{
	Name: "config", Group: command.Ensemble, Usage: "[-c] [-w] [-s]", Short: "print the ensemble's configuration",
	Long: "The dynamic configuration: members with their ports and roles, and its version. It is empty on a " +
		"standalone server.",
	Options:  command.Options{configClients, configWatch, configStat},
	Examples: []command.Example{{"config", "the members"}, {"config -c", "the version, and host:port,… for clients"}},
	Run: func(ctx context.Context, env *command.Env, in *command.Invocation) error {
		conn, err := env.Conn()
		if err != nil {
			return err
		}
		data, stat, err := conn.GetConfig(ctx, configWatch.On(in))
		if err != nil {
			return err
		}
		if configWatch.On(in) {
			warnOfWatch(env)
		}
		version, servers := zoocfg.ClientConfig(string(data))
		if env.Output == ui.JSON {
			return env.PrintJSON(struct {
				Config  string `json:"config"`
				Version string `json:"configVersion"`
				Clients string `json:"clientServers"`
				*statJSON
			}{string(data), version, servers, jsonStat(stat)})
		}
		var b bytes.Buffer
		switch {
		case configClients.On(in):
			fmt.Fprintf(&b, "%s %s\n", version, servers)
		case data == nil:
			b.WriteString("null\n")
		default:
			fmt.Fprintf(&b, "%s\n", data)
		}
		if configStat.On(in) {
			printStat(&b, stat)
		}
		_, err = env.Streams.Out.Write(b.Bytes())
		return err
	},
}
