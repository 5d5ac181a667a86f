package zoocfg

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Role is what a member does in the ensemble (QuorumPeer.LearnerType).
type Role uint8

const (
	Participant Role = iota // votes
	Observer                // follows without a vote
)

func (r Role) String() string {
	if r == Observer {
		return "observer"
	}
	return "participant"
}

func parseRole(s string) (Role, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "participant":
		return Participant, nil
	case "observer":
		return Observer, nil
	}
	return 0, fmt.Errorf("Unrecognised peertype: %s (expected participant or observer)", s)
}

// HostPort is an address. Host has no brackets and is in Java's spelling
// (InetSocketAddress.getHostString), with IPv6 addresses written out: ::1 is 0:0:0:0:0:0:0:1. The
// zero value means no address.
type HostPort struct {
	Host string
	Port int
}

// IsZero reports whether there is no address.
func (a HostPort) IsZero() bool { return a == HostPort{} }

// String returns host:port, with brackets around an IPv6 address, as net.Dial expects.
func (a HostPort) String() string { return bracketed(a.Host) + ":" + strconv.Itoa(a.Port) }

// AnyHost reports whether the address stands for every interface: 0.0.0.0, :: or none at all.
func (a HostPort) AnyHost() bool {
	ip, err := netip.ParseAddr(a.Host)
	return a.Host == "" || err == nil && ip.IsUnspecified()
}

func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// QuorumAddr is one of the addresses at which a member is reached by other members.
type QuorumAddr struct {
	Host         string // as HostPort.Host
	QuorumPort   int    // the leader listens here for its followers and observers
	ElectionPort int
}

// Quorum returns the address that learners connect to.
func (a QuorumAddr) Quorum() HostPort { return HostPort{a.Host, a.QuorumPort} }

// Election returns the address for leader election.
func (a QuorumAddr) Election() HostPort { return HostPort{a.Host, a.ElectionPort} }

// Member is one server of an ensemble, the value of a line
//
//	server.ID=host:quorumPort:electionPort[|host:quorumPort:electionPort…][:role][;[clientHost:]clientPort]
//
// of the configuration (QuorumPeer.QuorumServer). It is a value: do not change the Addrs of a
// Member from a QuorumVerifier.
type Member struct {
	ID    int64
	Addrs []QuorumAddr // at least one, sorted by host
	Role  Role
	// Client is where clients connect; zero if the line does not say. A port alone means 0.0.0.0.
	Client HostPort
	// ClientFromStatic says that Client comes from clientPort in zoo.cfg. Such an address is not
	// part of the ensemble's configuration: String omits it.
	ClientFromStatic bool
}

const wrongFormat = " does not have the form server_config or server_config;client_config" +
	" where server_config is the pipe separated list of host:port:port or host:port:port:type" +
	" and client_config is port or host:port"

// ParseMember parses the value of a server.N line. Errors use the words of Apache's QuorumServer.
// Several addresses are accepted; Load and Reconfigure check whether multiAddress.enabled allows
// them.
func ParseMember(id int64, value string) (Member, error) {
	m, err := parseMember(id, value)
	if err != nil {
		return Member{}, fmt.Errorf("server.%d=%s: %w", id, value, err)
	}
	return m, nil
}

func parseMember(id int64, value string) (Member, error) {
	m := Member{ID: id}
	bad := func() (Member, error) { return Member{}, fmt.Errorf("%s%s", value, wrongFormat) }
	sides := javaSplit(value, ";")
	if len(sides) == 0 || len(sides) > 2 {
		return bad()
	}
	if len(sides) == 2 {
		parts, err := hostAndPort(sides[1])
		if err != nil {
			return Member{}, err
		}
		host := "0.0.0.0"
		switch len(parts) {
		case 1:
		case 2:
			host = parts[0]
		default:
			return bad()
		}
		port, err := parsePort(host, parts[len(parts)-1])
		if err != nil {
			return Member{}, err
		}
		m.Client = HostPort{javaHost(host), port}
	}
	role := -1
	for _, address := range javaSplit(sides[0], "|") {
		parts, err := hostAndPort(address)
		if err != nil {
			return Member{}, err
		}
		if len(parts) < 3 || len(parts) > 4 {
			return bad()
		}
		a := QuorumAddr{Host: javaHost(parts[0])}
		if a.QuorumPort, err = parsePort(parts[0], parts[1]); err != nil {
			return Member{}, err
		}
		if a.ElectionPort, err = parsePort(parts[0], parts[2]); err != nil {
			return Member{}, err
		}
		if a.QuorumPort == a.ElectionPort {
			return Member{}, fmt.Errorf("Client and election port must be different! Please update the configuration file on server.%d", id)
		}
		if len(parts) == 4 {
			r, err := parseRole(parts[3])
			if err != nil {
				return Member{}, err
			}
			if role >= 0 && Role(role) != r {
				return Member{}, fmt.Errorf("Multiple addresses should have similar roles: %s vs %s", Role(role), r)
			}
			role = int(r)
		}
		if !slices.Contains(m.Addrs, a) {
			m.Addrs = append(m.Addrs, a)
		}
	}
	if len(m.Addrs) == 0 {
		return bad()
	}
	m.Role = Role(max(role, 0))
	slices.SortStableFunc(m.Addrs, func(a, b QuorumAddr) int { return cmp.Compare(a.Host, b.Host) })
	return m, nil
}

// ParseServerLine parses a whole line, such as "server.5=host:2888:3888;2181", as reconfig
// accepts it for a joining server: what comes before the last dot on the left side does not
// matter.
func ParseServerLine(line string) (Member, error) {
	parts := javaSplitTrimmed(line, "=")
	if len(parts) != 2 {
		return Member{}, fmt.Errorf("Wrong format of server string %q: expected server.ID=host:port:port;port", line)
	}
	id, err := parseID(parts[0][strings.LastIndexByte(parts[0], '.')+1:])
	if err != nil {
		return Member{}, err
	}
	return ParseMember(id, parts[1])
}

// String returns the value of the member's line exactly as QuorumServer.toString prints it, and
// as it stands in /zookeeper/config and in dynamic configuration files.
func (m Member) String() string {
	var b strings.Builder
	for i, a := range m.Addrs {
		if i > 0 {
			b.WriteByte('|')
		}
		fmt.Fprintf(&b, "%s:%d:%d", bracketed(a.Host), a.QuorumPort, a.ElectionPort)
	}
	b.WriteByte(':')
	b.WriteString(m.Role.String())
	if !m.Client.IsZero() && !m.ClientFromStatic {
		b.WriteByte(';')
		b.WriteString(m.Client.String())
	}
	return b.String()
}

// Equal compares everything except ClientFromStatic (QuorumServer.equals). Host names are
// compared as written; Apache compares the addresses they resolve to.
func (m Member) Equal(o Member) bool {
	return m.ID == o.ID && m.Role == o.Role && m.Client == o.Client && slices.Equal(m.Addrs, o.Addrs)
}

// hostAndPort splits at colons and supports an IPv6 literal in brackets
// (ConfigUtils.getHostAndPort).
func hostAndPort(s string) ([]string, error) {
	if !strings.HasPrefix(s, "[") {
		return javaSplit(s, ":"), nil
	}
	i := strings.IndexByte(s, ']')
	if i < 0 {
		return nil, fmt.Errorf("%s starts with '[' but has no matching ']:'", s)
	}
	if i+2 == len(s) {
		return nil, fmt.Errorf("%s doesn't have a port after colon", s)
	}
	if i+2 > len(s) {
		return []string{s[1:i]}, nil
	}
	return append([]string{s[1:i]}, javaSplit(s[i+2:], ":")...), nil
}

func parsePort(host, s string) (int, error) {
	n, err := javaInt(s)
	if err != nil {
		return 0, fmt.Errorf("Address unresolved: %s:%s (the port is not a number)", host, s)
	}
	if n < 0 || n > math.MaxUint16 {
		return 0, illegalArgument(fmt.Sprintf("port out of range:%d (expected 0 to 65535)", n))
	}
	return int(n), nil
}

// illegalArgument is an error for which Apache throws an IllegalArgumentException rather than a
// ConfigException. Reconfig answers the two with different codes.
type illegalArgument string

func (e illegalArgument) Error() string { return string(e) }

func parseID(s string) (int64, error) {
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, illegalArgument(fmt.Sprintf("server id %q is not a number", s))
	}
	return id, nil
}

// javaHost formats a host as InetSocketAddress.getHostString does.
func javaHost(host string) string {
	if host == "" {
		return "localhost"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if ip = ip.Unmap(); ip.Is4() {
		return ip.String()
	}
	b := ip.As16()
	groups := make([]string, 8)
	for i := range groups {
		groups[i] = strconv.FormatUint(uint64(b[2*i])<<8|uint64(b[2*i+1]), 16)
	}
	s := strings.Join(groups, ":")
	if ip.Zone() != "" {
		s += "%" + ip.Zone()
	}
	return s
}

// javaSplit is String.split: trailing empty strings are dropped, except that an empty string
// yields one empty string.
func javaSplit(s, separator string) []string {
	if s == "" {
		return []string{""}
	}
	parts := strings.Split(s, separator)
	for len(parts) > 0 && parts[len(parts)-1] == "" {
		parts = parts[:len(parts)-1]
	}
	return parts
}

// javaSplitTrimmed is ZooKeeper's StringUtils.split: parts are trimmed, and empty ones dropped.
func javaSplitTrimmed(s, separator string) (parts []string) {
	for _, part := range strings.Split(s, separator) {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
