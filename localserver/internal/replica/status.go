package replica

// Status is what a server that serves clients knows of itself at a moment.
type Status struct {
	Version     string // as srvr prints it
	Role        string // leader, follower, observer, standalone or read-only
	Zxid        int64  // the last one that was applied
	Connections int
	Sessions    int // global and local ones
	Znodes      int // as srvr counts them
	DataSize    int64
	Watches     int
}

// Status returns the server's state; false while it serves nobody.
func (s *Replica) Status() (st Status, serving bool) {
	f, serving := s.figures()
	if !serving {
		return st, false
	}
	return Status{
		Version: Version(s.emulated()), Role: f.state(), Zxid: f.zxid, Connections: f.conns, Sessions: f.sessions + f.local,
		Znodes: f.znodes, DataSize: f.bytes, Watches: f.watches,
	}, true
}
