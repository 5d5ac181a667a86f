package zoocfg

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// ClientConfig extracts the version and the client addresses from a configuration, whose lines are
// server.1=host:2888:3888:participant;host:2181 and version=100000000. A server without a client
// address leaves an empty entry (ConfigUtils.getClientConfigStr).
func ClientConfig(config string) (version, servers string) {
	type client struct {
		id   int64
		addr string
	}
	var clients []client
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
			clients = append(clients, client{n, addr})
		}
	}
	slices.SortStableFunc(clients, func(a, b client) int { return cmp.Compare(a.id, b.id) })
	var addrs []string
	for _, m := range clients {
		addrs = append(addrs, m.addr)
	}
	return version, strings.Join(addrs, ",")
}
