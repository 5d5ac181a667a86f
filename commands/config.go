package commands

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/zkctl/zkctl/internal/ui"
)

var configCommand = &Command{
	Name: "config", Group: Ensemble, Usage: "[-c] [-w] [-s]", Short: "print the ensemble's configuration",
	Long: "The dynamic configuration: members, their ports and roles, and its version. It is empty on a " +
		"server that runs alone.",
	Options: []Option{
		{Name: "c", Help: "the version and the connect string for clients only"},
		{Name: "w", Help: "watch: print an event when the configuration changes"},
		{Name: "s", Help: "print the stat of the configuration's znode as well"},
	},
	Examples: []Example{{"config", "the members"}, {"config -c", "host:port,… for clients"}},
	Run: func(ctx context.Context, env *Env, in *Invocation) error {
		conn, err := env.conn()
		if err != nil {
			return err
		}
		data, stat, err := conn.GetConfig(ctx, in.Has("w"))
		if err != nil {
			return err
		}
		if in.Has("w") {
			env.warnOfWatch()
		}
		version, servers := clientConfig(string(data))
		if env.Output == ui.JSON {
			return env.printJSON(struct {
				Config  string `json:"config"`
				Version string `json:"configVersion"`
				Clients string `json:"clientServers"`
				*statJSON
			}{string(data), version, servers, jsonStat(stat)})
		}
		var b bytes.Buffer
		switch {
		case in.Has("c"):
			fmt.Fprintf(&b, "%s %s\n", version, servers)
		case data == nil:
			b.WriteString("null\n")
		default:
			fmt.Fprintf(&b, "%s\n", data)
		}
		if in.Has("s") {
			printStat(&b, stat)
		}
		_, err = env.Streams.Out.Write(b.Bytes())
		return err
	},
}

// clientConfig reads the version and the client addresses out of a configuration, whose
// lines are server.1=host:2888:3888:participant;host:2181 and version=100000000. A server
// without a client address has an empty place (ConfigUtils.getClientConfigStr).
func clientConfig(config string) (version, servers string) {
	type member struct {
		id   int64
		addr string
	}
	var members []member
	for line := range strings.Lines(config) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		id, isServer := strings.CutPrefix(key, "server.")
		switch {
		case !ok:
		case key == "version":
			version = value
		case isServer:
			n, _ := strconv.ParseInt(id, 10, 64)
			_, addr, _ := strings.Cut(value, ";")
			if addr != "" && !strings.Contains(addr, ":") {
				addr = "0.0.0.0:" + addr
			}
			members = append(members, member{n, addr})
		}
	}
	slices.SortStableFunc(members, func(a, b member) int { return cmp.Compare(a.id, b.id) })
	var addrs []string
	for _, m := range members {
		addrs = append(addrs, m.addr)
	}
	return version, strings.Join(addrs, ",")
}
