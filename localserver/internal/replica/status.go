package replica

// Status is the state of a serving member at a moment.
type Status struct {
	Version     string // as srvr prints it
	Role        string // leader, follower, observer, standalone or read-only
	Zxid        int64  // of the last applied transaction
	Connections int
	Sessions    int // global and local
	Znodes      int // as srvr counts them
	DataSize    int64
	Watches     int
}

// Status returns the member's state; serving is false while it serves no clients.
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
