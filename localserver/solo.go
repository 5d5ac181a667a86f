package localserver

import (
	"errors"
	"os"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ztree"
	"github.com/zkctl/zkctl/localserver/internal/replica"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// solo is the quorum of a standalone server: its own journal.
type solo struct {
	lock    soloLock
	journal *zab.Journal
}

// openSolo makes a replica lead.
func openSolo(s *replica.Replica, opt replica.Options, j zab.JournalOptions, slow time.Duration) *solo {
	var broadcast *zab.Broadcast
	var ready sync.WaitGroup // until broadcast is set
	ready.Add(1)
	last := s.LastZxid()
	j.Synced = func(zxid int64) {
		ready.Wait()
		broadcast.Ack(opt.ID, zxid)
	}
	j.Failed = s.Fail
	j.Due = s.SaveSoon
	j.Slow = slowSync(s.Metrics(), opt.Log, opt.ID, slow)
	n := &solo{journal: zab.OpenJournal(j, last)}
	broadcast = zab.NewSolo(s, n.journal, opt.ID)
	ready.Done()
	s.Lead(broadcast, last)
	return n
}

func (n *solo) close(closeReplica func()) {
	n.end()
	closeReplica()
	n.journal.Close()
}

func (n *solo) crash(closeReplica func()) {
	n.end()
	n.journal.Crash()
	closeReplica()
}

// end keeps restore from replacing the journal from now on.
func (n *solo) end() {
	n.lock.Lock()
	defer n.lock.Unlock()
	n.lock.closed = true
}

// soloLock guards the journal of a standalone server against its replacement.
type soloLock struct {
	sync.Mutex
	closed bool
}

// restore replaces a standalone server's data with a snapshot. Its history is removed: the logs
// lead elsewhere.
func (n *solo) restore(s *server, m replica.Options, j zab.JournalOptions, t *ztree.Tree) error {
	n.lock.Lock()
	defer n.lock.Unlock()
	if n.lock.closed {
		return errors.New("the server is stopping")
	}
	s.Retire()
	n.journal.Close()
	var err error
	if m.DataDir != "" {
		_, _, err = s.Save() // so that what is in the logs survives a failure
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
	next := openSolo(s.Replica, m, j, s.cfg.FsyncWarning)
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
	for i := len(d.Logs) - 1; i >= 0; i-- { // in this order there is never a gap
		if err := os.Remove(d.Logs[i].Path); err != nil {
			return err
		}
	}
	return nil
}

// dropSnapshots removes the snapshots after zxid.
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
