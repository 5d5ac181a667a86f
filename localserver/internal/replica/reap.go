package replica

import (
	"slices"
	"time"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// reap deletes containers that have lost their last child, and znodes whose TTL has passed, at most
// ReapMax in a round, and returns their number (ContainerManager).
func (s *Replica) reap() int {
	var ripe []string // proposing may delete at once
	for n := range s.tree.Reapable() {
		if len(ripe) == s.opt.ReapMax {
			break
		}
		if n.NumChildren() == 0 && s.ripe(n) {
			ripe = append(ripe, n.Path())
		}
	}
	slices.Sort(ripe)
	for _, path := range ripe {
		s.log.Infof("Attempting to delete candidate container: %s", path)
		s.propose(&request{Request: zab.Request{Type: proto.OpDeleteContainer, Body: []byte(path)}})
	}
	return len(ripe)
}

func (s *Replica) ripe(n *ztree.Node) bool {
	age := s.moment().Sub(time.UnixMilli(n.Stat().Mtime))
	if proto.EphemeralTypeOf(n.Owner()) == proto.EphemeralTTL {
		return age > time.Duration(proto.TTLOf(n.Owner()))*time.Millisecond
	}
	return n.Stat().Cversion > 0 || s.opt.NeverUsed > 0 && age > s.opt.NeverUsed
}
