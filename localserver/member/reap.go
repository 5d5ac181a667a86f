package member

import (
	"time"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
	"github.com/zkctl/zkctl/localserver/zab"
)

// reap deletes containers that had children and have none, and znodes whose time to live is
// over, at most ReapMax in a round (ContainerManager).
func (s *Server) reap() {
	budget := s.opt.ReapMax
	for _, path := range append(s.tree.Containers(), s.tree.TTLs()...) {
		if budget == 0 {
			return
		}
		n := s.tree.Get(path)
		if n == nil || n.NumChildren() > 0 || !s.ripe(n) {
			continue
		}
		budget--
		s.log.Infof("Attempting to delete candidate container: %s", path)
		s.propose(&request{Request: zab.Request{Type: proto.OpDeleteContainer, Body: []byte(path)}})
	}
}

func (s *Server) ripe(n *ztree.Node) bool {
	age := s.now.Sub(time.UnixMilli(n.Stat.Mtime))
	if ztree.KindOf(n.Stat.EphemeralOwner) == ztree.TTL {
		return age > time.Duration(ztree.TTLOf(n.Stat.EphemeralOwner))*time.Millisecond
	}
	return n.Stat.Cversion > 0 || s.opt.NeverUsed > 0 && age > s.opt.NeverUsed
}
