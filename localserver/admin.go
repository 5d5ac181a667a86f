package localserver

import (
	"errors"
	"os"
	"sync"

	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ztree"
	"github.com/zkctl/zkctl/localserver/internal/replica"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// adminOptions say what the AdminServer answers.
func (s *server) adminOptions(opt serverOptions, m replica.Options, j zab.JournalOptions) replica.AdminOptions {
	a := replica.AdminOptions{
		Host: s.cfg.AdminAddress.Host, CommandURL: s.cfg.AdminCommandURL, IdleTimeout: s.cfg.AdminIdleTimeout,
		RateInterval: max(1, s.cfg.AdminRateInterval), NoSnapshot: !s.cfg.AdminSnapshot, NoRestore: !s.cfg.AdminRestore,
		InitialConfig: initialConfig(s.cfg), Properties: systemProperties(opt.system, s.cfg),
	}
	if q, alone := s.quorum.(*solo); alone {
		a.Restore = func(t *ztree.Tree) error { return q.restore(s, m, j, t) }
	}
	return a
}

// soloLock guards the journal of a standalone server against its replacement.
type soloLock struct {
	sync.Mutex
	closed bool
}

// restore replaces a standalone server's data by a snapshot. Its history goes: the logs lead
// elsewhere.
func (n *solo) restore(s *server, m replica.Options, j zab.JournalOptions, t *ztree.Tree) error {
	n.lock.Lock()
	defer n.lock.Unlock()
	if n.lock.closed {
		return errors.New("the server is being stopped")
	}
	s.Retire()
	n.journal.Close()
	var err error
	if m.DataDir != "" {
		_, _, err = s.Save() // what the logs have outlives a failure
	}
	if err == nil {
		err = dropLogs(m.LogDir)
	}
	if err == nil {
		err = s.Replace(t)
	}
	if err == nil {
		err = dropSnapshots(m.DataDir, t.LastZxid())
	}
	next := openSolo(s.Server, m, j, s.cfg.FsyncWarning)
	n.journal = next.journal
	return err
}

func dropLogs(dir string) error {
	if dir == "" {
		return nil
	}
	d, err := storage.ReadDir(dir)
	if err != nil {
		return err
	}
	for i := len(d.Logs) - 1; i >= 0; i-- { // no gap in between
		if err := os.Remove(d.Logs[i].Path); err != nil {
			return err
		}
	}
	return nil
}

// dropSnapshots removes those after zxid.
func dropSnapshots(dir string, zxid int64) error {
	if dir == "" {
		return nil
	}
	d, err := storage.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range d.Snapshots {
		if f.Zxid > zxid {
			if err := os.Remove(f.Path); err != nil {
				return err
			}
		}
	}
	return nil
}
