package probe

import "context"

// prover is a member that can prove that there is a leader, if none answers and a member does not serve or is late. It is
// asked once.
func (b *survey) prover() *Member {
	if b.Prover != "" || b.taking > 0 && !b.overdue {
		return nil
	}
	var prover *Member
	lacking := b.taking > 0
	for _, r := range b.Readings {
		switch {
		case r.Leads():
			return nil
		case r.State != Serving:
			lacking = true
		case r.Mode == "follower" && (prover == nil || prover.ID.Or(0) > r.ID.Or(0)):
			prover = &r.Member
		}
	}
	if !lacking {
		return nil
	}
	return prover
}

func (b *survey) prove(m Member) {
	b.Prover, b.proving = m.Name(), true
	go func() { b.proofs <- Reason(b.p.prove(b.ctx, &m)) }()
}

// prove commits a session through the member and reaches its leader: a local session alone would need neither a quorum nor
// a leader, and sync goes to the leader.
func (p *Prober) prove(ctx context.Context, m *Member) error {
	conn, err := p.Session(ctx, m, false)
	if err != nil {
		return err
	}
	defer func() { go conn.Close() }() // which waits for the leader too
	return conn.Sync(ctx, "/")
}
