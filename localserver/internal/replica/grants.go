package replica

import (
	"net/netip"
	"slices"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
)

// shortACL is the length up to which a list's entries are checked one by one.
const shortACL = 16

// grants index the entries of a long list by whom they name, so that a check takes the same time
// however long the list is. They live as long as the list.
type grants struct {
	ids     map[proto.ID]proto.Perms
	schemes map[string]proto.Perms // all entries of a scheme together
	nets    map[netip.Prefix]proto.Perms
	bits    []int // the lengths of nets
	ipv6    bool  // nets has IPv6 ones
}

// grantsOf returns a list's grants, which it builds on the first check.
func (a *authSchemes) grantsOf(list *ztree.ACL) *grants {
	ipv6 := a.ipv6 != nil && a.ipv6()
	if g, ok := list.Index.(*grants); ok && g.ipv6 == ipv6 {
		return g
	}
	g := &grants{ipv6: ipv6, ids: map[proto.ID]proto.Perms{}, schemes: map[string]proto.Perms{}, nets: map[netip.Prefix]proto.Perms{}}
	for _, entry := range list.List {
		g.ids[entry.ID] |= entry.Perms
		g.schemes[entry.ID.Scheme] |= entry.Perms
		if entry.ID.Scheme != schemeIP {
			continue
		}
		if net, ok := a.ipNet(entry.ID.ID); ok {
			g.nets[net] |= entry.Perms
			if !slices.Contains(g.bits, net.Bits()) {
				g.bits = append(g.bits, net.Bits())
			}
		}
	}
	list.Index = g
	return g
}

// to returns what the list grants to an id, by the entries that matches accepts.
func (g *grants) to(a *authSchemes, id proto.ID) proto.Perms {
	if !a.known(id.Scheme) {
		return 0
	}
	switch id.Scheme {
	case schemeIP:
		return g.toAddress(a, id.ID)
	case schemeX509:
		if a.x509SuperUser != "" && id.ID == a.x509SuperUser {
			return g.schemes[schemeX509]
		}
	case schemeSASL:
		if id.ID == schemeSuper {
			return g.schemes[schemeSASL]
		}
		if a.anySASLUserDo != "" {
			return g.ids[id] | g.ids[proto.ID{Scheme: schemeSASL, ID: a.anySASLUserDo}]
		}
	}
	return g.ids[id]
}

func (g *grants) toAddress(a *authSchemes, id string) (perms proto.Perms) {
	addr, ok := a.ipAddr(id)
	if !ok {
		return 0
	}
	for _, bits := range g.bits {
		if net, err := addr.Prefix(bits); err == nil {
			perms |= g.nets[net]
		}
	}
	return perms
}
