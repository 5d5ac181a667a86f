package localserver

import (
	"context"
	"fmt"

	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/localserver/internal/authn"
	"github.com/zkctl/zkctl/localserver/internal/replica"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// peer is the quorum of an ensemble's member.
type peer struct{ *zab.Peer }

// peerOptions translates a configuration. The caller sets Replica.
func peerOptions(cfg *zoocfg.Config, opt serverOptions, id int64, j zab.JournalOptions) zab.PeerOptions {
	o := zab.PeerOptions{
		ID: id, Network: opt.network, Log: opt.log,
		ListenAll: cfg.QuorumListenOnAllIPs,
		Config:    cfg.Verifier, Next: cfg.LastSeen, Observer: cfg.Role == zoocfg.Observer,
		ReconfigEnabled: cfg.ReconfigEnabled,
		Reconfig:        zoocfg.ReconfigOptions{StandaloneEnabled: cfg.StandaloneEnabled, MultiAddress: cfg.MultiAddress},
		Journal:         j,
		Tick:            cfg.TickTime, InitLimit: cfg.InitLimit, SyncLimit: cfg.SyncLimit,
		ConnectLimit: max(0, cfg.ConnectToLearnerMasterLimit),
		MultiAddress: cfg.MultiAddress, ElectionWait: cfg.MinNotificationInterval, ElectionMaxWait: cfg.MaxNotificationInterval,
		ConnectTimeout: cfg.CnxTimeout, MaxBuffer: cfg.MaxBuffer,
		History: max(500, cfg.CommitLogCount), SnapshotSizeFactor: cfg.SnapshotSizeFactor, ForceSnapshotSync: cfg.ForceSnapshotSync,
	}
	if !opt.ephemeral {
		o.SnapDir = cfg.SnapDir()
	}
	return o
}

// saveConfig stores a configuration where a member finds it at the next start.
func saveConfig(file string, v zoocfg.QuorumVerifier, committed bool, id int64) error {
	if !committed {
		return zoocfg.WriteDynamic(zoocfg.NextDynamicFile(file), v, true)
	}
	if err := zoocfg.CommitVerifier(file, v, id); err != nil {
		return err
	}
	return zoocfg.RemoveNext(file)
}

// run runs the peer until close or crash. failed is called with the reason if it ends otherwise.
func (p *peer) run(failed func(error)) {
	go func() {
		if err := p.Run(context.Background()); err != nil {
			failed(err)
		}
	}()
}

func (p *peer) close(closeReplica func()) {
	p.Stop()
	closeReplica()
}

func (p *peer) crash(closeReplica func()) {
	p.Crash()
	closeReplica()
}

// watchPeer gives a replica's monitoring access to its ensemble. The peer exists only after the
// replica does.
func watchPeer(cfg *zoocfg.Config, p **zab.Peer, id int64) func() replica.Ensemble {
	return func() replica.Ensemble {
		e := replica.Ensemble{
			Status: (*p).Status(), PeerState: (*p).DetailedState(),
			InitLimit: cfg.InitLimit, SyncLimit: cfg.SyncLimit, Self: id, ClientAddress: cfg.Client.String(),
		}
		if self, _ := e.Status.Config.Member(id); !self.Client.IsZero() {
			e.ClientAddress = self.Client.String()
		}
		return e
	}
}

// startPeer makes a replica a member of its ensemble.
func startPeer(s *server, opt serverOptions, m replica.Options, j zab.JournalOptions, place **zab.Peer) error {
	if s.cfg.WantsBackUp() {
		if err := zoocfg.BackUp(s.cfg.File); err != nil {
			opt.log.Warnf("Cannot make a backup of the configuration: %v", err)
		}
	}
	if _, ok := s.cfg.Self(); !ok {
		return fmt.Errorf("My id %d not in the peer list: %s has no server.%d; add that line, or add the server by a reconfiguration", m.ID, s.cfg.File, m.ID)
	}
	j.Due = s.SaveSoon
	j.Slow = slowSync(s.Metrics(), opt.log, m.ID, s.cfg.FsyncWarning)
	auth, err := (&authn.Source{Config: s.cfg, System: opt.system}).Members()
	if err != nil {
		return fmt.Errorf("%w: SASL among members: %w", ErrConfig, err)
	}
	po := peerOptions(s.cfg, opt, m.ID, j)
	po.Auth = auth
	po.Replica = s.Replica
	po.SaveConfig = func(v zoocfg.QuorumVerifier, committed bool) error {
		if committed {
			if self, ok := v.Member(m.ID); ok {
				s.moveClients(self.Client, opt.gate)
			}
			if opt.configured != nil {
				opt.configured(v)
			}
		}
		if s.cfg.File == "" {
			return nil
		}
		return saveConfig(s.cfg.File, v, committed, m.ID)
	}
	p, err := zab.NewPeer(po)
	if err != nil {
		return fmt.Errorf("start member %d: %w", m.ID, err)
	}
	*place = p
	q := &peer{p}
	q.run(s.Fail)
	s.quorum = q
	return nil
}

// mode returns the server's role, or "" while it serves nobody.
func (s *server) mode() Role {
	q, ok := s.quorum.(*peer)
	if !ok {
		return RoleStandalone
	}
	st := q.Status()
	if st.Zab != zab.Broadcasting {
		return ""
	}
	switch st.State {
	case zab.Leading:
		return RoleLeader
	case zab.Following:
		return RoleFollower
	case zab.Observing:
		return RoleObserver
	}
	return ""
}
