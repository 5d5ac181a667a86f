package commands

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/magiconair/properties"
)

const memberForm = "write serverId=host:port1:port2[:participant|observer];[host:]port3, with the ports of quorum, election and clients"

// ParseMember checks a server of an ensemble, "[server.]5=host:2888:3888:observer;2181", as
// QuorumPeer.QuorumServer parses it: several addresses are separated by |, a secure client
// address may follow after a second semicolon, and IPv6 addresses are in brackets. It returns the
// server's id and what follows the equals sign.
func ParseMember(text string) (id int64, spec string, err error) {
	fail := func(format string, args ...any) (int64, string, error) {
		return 0, "", fmt.Errorf("%s; %s", fmt.Sprintf("%q: "+format, append([]any{text}, args...)...), memberForm)
	}
	name, spec, ok := strings.Cut(text, "=")
	if !ok {
		return fail("missing = after the server's id")
	}
	name, spec = strings.TrimSpace(name), strings.TrimSpace(spec)
	if id, err = parseServerID(strings.TrimPrefix(name, "server.")); err != nil {
		return fail("%v", err)
	}
	parts := strings.Split(spec, ";")
	if len(parts) > 3 {
		return fail("more than two semicolons")
	}
	role := ""
	for _, address := range strings.Split(parts[0], "|") {
		f, err := splitAddress(address)
		if err != nil {
			return fail("%v", err)
		}
		if len(f) < 3 || len(f) > 4 || f[0] == "" {
			return fail("%q is not of the form host:port1:port2", address)
		}
		for _, port := range f[1:3] {
			if !validPort(port) {
				return fail("%q is not a valid port", port)
			}
		}
		if f[1] == f[2] {
			return fail("the ports of quorum and election are the same")
		}
		r := ""
		if len(f) == 4 {
			if r = strings.ToLower(f[3]); r != "participant" && r != "observer" {
				return fail("%q is not a valid role", f[3])
			}
		}
		if role != "" && r != "" && r != role {
			return fail("the addresses have different roles")
		}
		role = r
	}
	for _, client := range parts[1:] {
		if client == "" {
			continue
		}
		f, err := splitAddress(client)
		if err != nil {
			return fail("%v", err)
		}
		if len(f) > 2 || !validPort(f[len(f)-1]) {
			return fail("the client address %q is not [host:]port", client)
		}
	}
	return id, spec, nil
}

func parseServerID(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 0 {
		return 0, fmt.Errorf("invalid server id %q; use a number", text)
	}
	return id, nil
}

// splitAddress splits at colons outside brackets.
func splitAddress(s string) ([]string, error) {
	if !strings.HasPrefix(s, "[") {
		return strings.Split(s, ":"), nil
	}
	host, rest, ok := strings.Cut(s[1:], "]")
	if !ok || net.ParseIP(host) == nil || rest != "" && rest[0] != ':' {
		return nil, fmt.Errorf("%q is not an IPv6 address in brackets", s)
	}
	return append([]string{host}, strings.Split(rest, ":")[1:]...), nil
}

func validPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// ParseMembers checks a comma-separated list of members, in lower case as zkCli sends it. Names
// in it start with server., which a whole configuration requires.
func ParseMembers(list string) (string, error) {
	var out []string
	seen := map[int64]bool{}
	for _, m := range strings.Split(strings.ToLower(list), ",") {
		id, spec, err := ParseMember(strings.TrimSpace(m))
		if err != nil {
			return "", err
		}
		if seen[id] {
			return "", fmt.Errorf("server %d is named twice", id)
		}
		seen[id] = true
		out = append(out, fmt.Sprintf("server.%d=%s", id, spec))
	}
	return strings.Join(out, ","), nil
}

// parseServerIDs checks a comma-separated list of ids.
func parseServerIDs(list string) (string, error) {
	ids := strings.Split(list, ",")
	for i := range ids {
		ids[i] = strings.TrimPrefix(strings.TrimSpace(strings.ToLower(ids[i])), "server.")
		if _, err := parseServerID(ids[i]); err != nil {
			return "", fmt.Errorf("-remove: %w, or numbers separated by commas", err)
		}
	}
	return strings.Join(ids, ","), nil
}

// readMembers reads a dynamic configuration file (zoo.cfg.dynamic): lines server.N=…, and the
// group and weight lines of a hierarchical quorum. It drops the version line: the ensemble
// assigns the new version.
func readMembers(text []byte) (string, error) {
	loader := properties.Loader{Encoding: properties.UTF8, DisableExpansion: true}
	p, err := loader.LoadBytes(text)
	if err != nil {
		return "", err
	}
	var out []string
	servers := 0
	for _, key := range p.Keys() {
		value, _ := p.Get(key)
		switch {
		case strings.HasPrefix(key, "server."):
			id, spec, err := ParseMember(key + "=" + value)
			if err != nil {
				return "", err
			}
			servers++
			out = append(out, fmt.Sprintf("server.%d=%s", id, spec))
		case strings.HasPrefix(key, "group"), strings.HasPrefix(key, "weight"):
			out = append(out, key+"="+value)
		case key == "version":
		default:
			return "", fmt.Errorf("Unrecognised parameter: %s; only lines server.N=… are allowed", key)
		}
	}
	if servers == 0 {
		return "", fmt.Errorf("missing line server.N=…")
	}
	return strings.Join(out, "\n"), nil
}
