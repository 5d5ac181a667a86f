package replica

import (
	"net/netip"
	"strconv"
	"strings"
)

// The scheme ip (IPAuthenticationProvider).

// ipNet returns the addresses that an ACL's id covers: one, or those of "address/bits".
func (a *authSchemes) ipNet(expr string) (netip.Prefix, bool) {
	host, mask, masked := strings.Cut(expr, "/")
	addr, ok := a.ipAddr(host)
	if !ok {
		return netip.Prefix{}, false
	}
	bits := addr.BitLen()
	if masked {
		n, err := strconv.ParseInt(mask, 10, 32)
		if err != nil {
			return netip.Prefix{}, false
		}
		bits = int(n)
	}
	net, err := addr.Prefix(bits)
	return net, err == nil
}

// ipMatches reports whether an ACL's id covers an address.
func (a *authSchemes) ipMatches(id, expr string) bool {
	net, ok := a.ipNet(expr)
	if !ok {
		return false
	}
	addr, ok := a.ipAddr(id)
	return ok && net.Contains(addr)
}

// ipAddr parses an address, IPv6 included if the release supports that.
func (a *authSchemes) ipAddr(s string) (netip.Addr, bool) {
	if strings.Contains(s, ":") {
		if a.ipv6 == nil || !a.ipv6() {
			return netip.Addr{}, false
		}
		return parseIPv6(s)
	}
	return parseIPv4(s)
}

// parseIPv4 accepts numbers as Integer.parseInt does, with signs and leading zeros.
func parseIPv4(s string) (netip.Addr, bool) {
	parts := strings.Split(s, ".")
	if len(parts) != 4 {
		return netip.Addr{}, false
	}
	var addr [4]byte
	for i, part := range parts {
		n, err := strconv.ParseInt(part, 10, 32)
		if err != nil || n < 0 || n > 255 {
			return netip.Addr{}, false
		}
		addr[i] = byte(n)
	}
	return netip.AddrFrom4(addr), true
}

// parseIPv6 reads eight groups of hexadecimal digits, or fewer around one "::". Like
// Integer.parseInt, it accepts a sign before them.
func parseIPv6(s string) (netip.Addr, bool) {
	groups := func(s string) (b []byte, ok bool) {
		if s == "" {
			return nil, true
		}
		for group := range strings.SplitSeq(s, ":") {
			n, err := strconv.ParseInt(group, 16, 32)
			if err != nil || len(group) > 4 {
				return nil, false
			}
			b = append(b, byte(n>>8), byte(n))
		}
		return b, true
	}
	before, after, short := strings.Cut(s, "::")
	head, okHead := groups(before)
	tail, okTail := groups(after)
	gap := 16 - len(head) - len(tail)
	switch {
	case !okHead, !okTail, strings.Contains(after, "::"), short && gap <= 0, !short && gap != 0:
		return netip.Addr{}, false
	}
	return netip.AddrFrom16([16]byte(append(append(head, make([]byte, gap)...), tail...))), true
}
