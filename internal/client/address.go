package client

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// DefaultPort is the client port if an address has none.
const DefaultPort = 2181

// Address is a server in a connect string. Host is a name or an IP address, without brackets.
type Address struct {
	Host string
	Port int
}

func (a Address) String() string { return net.JoinHostPort(a.Host, strconv.Itoa(a.Port)) }

// ParseServers parses a connect string, "host:port,host:port/chroot", optionally prefixed with
// "zk://". Empty parts between commas are ignored, as in ConnectStringParser, and so is a
// trailing slash. If there is no chroot, chroot is "".
//
// Differs(connect-string): zkCli treats zk: as a host, and refuses a chroot that ends in a slash.
func ParseServers(s string) (addrs []Address, chroot string, err error) {
	fault := func(format string, args ...any) ([]Address, string, error) {
		return nil, "", fmt.Errorf("connect string %q: %s (expected host:port,host:port/chroot)", s, fmt.Sprintf(format, args...))
	}
	hosts := strings.TrimPrefix(s, "zk://")
	if i := strings.IndexByte(hosts, '/'); i >= 0 {
		hosts, chroot = hosts[:i], strings.TrimSuffix(hosts[i:], "/")
		if reason := pathFault(chroot + "/x"); reason != "" { // "" is the root
			return fault("bad chroot %q: %s", chroot, reason)
		}
	}
	for _, part := range strings.Split(hosts, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		a, reason := parseAddress(part)
		if reason != "" {
			return fault("%s", reason)
		}
		addrs = append(addrs, a)
	}
	if len(addrs) == 0 {
		return fault("no server in it")
	}
	return addrs, chroot, nil
}

// parseAddress returns what is wrong with the address, or "".
func parseAddress(s string) (a Address, reason string) {
	port := ""
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return a, fmt.Sprintf("%q has no closing bracket", s)
		}
		a.Host = s[1:end]
		rest := s[end+1:]
		if rest != "" && rest[0] != ':' {
			return a, fmt.Sprintf("%q: unexpected %q after the bracket; expected :port", s, rest)
		}
		port = strings.TrimPrefix(rest, ":")
		if ip, err := netip.ParseAddr(a.Host); err != nil || !ip.Is6() {
			return a, fmt.Sprintf("%q is not an IPv6 address", a.Host)
		}
	} else {
		a.Host = s
		if i := strings.IndexByte(s, ':'); i >= 0 {
			a.Host, port = s[:i], s[i+1:]
		}
		if strings.Contains(port, ":") {
			return a, fmt.Sprintf("%q has more than one colon; write an IPv6 address in brackets, such as [::1]:2181", s)
		}
		if a.Host == "" {
			return a, fmt.Sprintf("%q has no host before the port", s)
		}
		if i := strings.IndexFunc(a.Host, badInHost); i >= 0 {
			return a, fmt.Sprintf("%q contains %q, which is not allowed in a host name", s, a.Host[i:i+1])
		}
	}
	a.Port = DefaultPort
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return a, fmt.Sprintf("%q: port %q is not a number from 1 to 65535", s, port)
		}
		a.Port = int(n)
	}
	return a, ""
}

func badInHost(r rune) bool {
	return r <= ' ' || r == 0x7f || strings.ContainsRune(`"'\@?#%[]{}<>()=&;!*|^`, r)
}

// ring goes through the servers in a fixed random order, round after round. (StaticHostProvider)
type ring struct {
	addrs []Address
	next  int // of addrs, to try next
	left  int // attempts left in this round
	first *Address
}

func newRing(addrs []Address) *ring {
	r := &ring{addrs: append([]Address(nil), addrs...)}
	rand.Shuffle(len(r.addrs), func(i, j int) { r.addrs[i], r.addrs[j] = r.addrs[j], r.addrs[i] })
	return r
}

// start starts a round: every address gets one attempt.
func (r *ring) start() { r.left = len(r.addrs) }

// prefer makes the next attempt go to a, in addition to those of the round.
func (r *ring) prefer(a Address) { r.first = &a }

// take returns the next address, or false if the round is over.
func (r *ring) take() (Address, bool) {
	if r.first != nil {
		a := *r.first
		r.first = nil
		return a, true
	}
	if r.left == 0 {
		return Address{}, false
	}
	a := r.addrs[r.next]
	r.next = (r.next + 1) % len(r.addrs)
	r.left--
	return a, true
}
