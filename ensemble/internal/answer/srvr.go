package answer

import (
	"strings"
)

// Srvr is the answer to srvr, to stat, and to server_stats.
type Srvr struct {
	Version     string        `json:"version,omitempty"` // 3.8.0-5a02a05…, without the date
	Built       string        `json:"built,omitempty"`   // 2022-02-25 08:49 UTC
	ReadOnly    bool          `json:"readOnly,omitempty"`
	LatencyMin  Opt[float64]  `json:"latencyMin"` // in ms, as the others
	LatencyAvg  Opt[float64]  `json:"latencyAvg"`
	LatencyMax  Opt[float64]  `json:"latencyMax"`
	Received    Opt[int64]    `json:"received"` // packets
	Sent        Opt[int64]    `json:"sent"`
	Connections Opt[int64]    `json:"connections"`
	Outstanding Opt[int64]    `json:"outstanding"`
	Zxid        Opt[Hex]      `json:"zxid"`
	Mode        string        `json:"mode,omitempty"` // leader, follower, observer, standalone, read-only
	Znodes      Opt[int64]    `json:"nodeCount"`
	Uptime      Opt[int64]    `json:"uptime,omitzero"`  // in ms; only from the AdminServer
	Clients     []*Connection `json:"clients,omitzero"` // of stat; nil if it is srvr
}

// ParseSrvr parses the answer to srvr or stat.
func ParseSrvr(text []byte) (*Srvr, error) {
	r := &Srvr{}
	found := 0
	for line := range lines(text) {
		key, value, ok := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch {
		case strings.HasPrefix(line, " /"):
			if r.Clients != nil {
				if c := parseConnection(line); c != nil {
					r.Clients = append(r.Clients, c)
				}
			}
			continue
		case strings.HasPrefix(line, "READ-ONLY mode"):
			r.ReadOnly = true
			continue
		case !ok:
			continue
		}
		found++
		switch key {
		case "Zookeeper version", "ZooKeeper version":
			r.setVersion(value)
		case "Clients":
			r.Clients = []*Connection{}
		case "Latency min/avg/max":
			if f := strings.Split(value, "/"); len(f) == 3 {
				r.LatencyMin, r.LatencyAvg, r.LatencyMax = number(f[0]), number(f[1]), number(f[2])
			}
		case "Received":
			r.Received = whole(value)
		case "Sent":
			r.Sent = whole(value)
		case "Connections":
			r.Connections = whole(value)
		case "Outstanding":
			r.Outstanding = whole(value)
		case "Zxid":
			r.Zxid = hex(value)
		case "Mode":
			r.Mode = value
		case "Node count":
			r.Znodes = whole(value)
		default:
			found--
		}
	}
	if found == 0 {
		return nil, notUnderstood("srvr", text)
	}
	return r, nil
}

// setVersion splits "3.8.0-5a02a05eddb59aee6ac762f7ea82e92a68eb9c0f, built on 2022-02-25 08:49 UTC".
func (r *Srvr) setVersion(text string) {
	r.Version, r.Built, _ = strings.Cut(text, ",")
	r.Built = strings.TrimPrefix(strings.TrimSpace(r.Built), "built on ")
}
