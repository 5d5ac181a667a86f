package probe

import (
	"context"
	"slices"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
)

// prover is a follower that can prove that there is a leader, if none answered. It is nil if a leader answered, or if no
// member is missing that could lead.
func (b *survey) prover() *Member {
	var prover *Member
	unasked := b.Config != nil && len(b.Readings) < len(b.Config.Voting())
	lacking := unasked || b.taking > 0 && b.patience == 0 // members that are watched are missing once their patience is over
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

// proof is the answer of a prover.
type proof struct {
	prover string
	err    error
}

func (b *survey) prove(m Member) {
	b.proving = true
	go func() {
		ctx, cancel := b.within()
		defer cancel()
		b.proofs <- proof{m.Name(), b.p.prove(ctx, &m)}
	}()
}

func (b *survey) proved(p proof) {
	b.proving, b.provedAt = false, time.Now()
	b.Prover, b.Proof = p.prover, answer.Some(p.err == nil)
}

// doubt asks for a proof while no leader answers, and again after some time: each is a transaction.
func (b *watching) doubt() {
	if b.proving {
		return
	}
	m := b.prover()
	if m == nil || b.Prover != "" && !slices.ContainsFunc(b.Readings, func(r *Reading) bool { return r.Name() == b.Prover && r.State == Serving }) {
		b.Prover, b.Proof = "", answer.Opt[bool]{}
	}
	if m != nil && (b.Prover == "" || time.Since(b.provedAt) > sessionPace) {
		b.prove(*m)
	}
}

// prove opens a session with the member and syncs. A local session needs neither a quorum nor a leader; sync is answered by
// the leader.
func (p *Prober) prove(ctx context.Context, m *Member) error {
	conn, end, err := p.brief(ctx, m, false)
	if err != nil {
		return err
	}
	if err := conn.Sync(ctx, "/"); err != nil {
		go end() // which waits for the leader too
		return err
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		end()
	}()
	select {
	case <-closed:
	case <-ctx.Done():
	}
	return nil
}
