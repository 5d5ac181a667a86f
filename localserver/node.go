package localserver

import (
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/localserver/member"
	"github.com/zkctl/zkctl/localserver/zab"
)

// solo is a standalone server: a member whose quorum is its own journal.
type solo struct {
	*member.Server
	journal   *zab.Journal
	broadcast *zab.Broadcast
	ready     sync.WaitGroup // until broadcast is set
}

// openSolo loads the data and leads. Nothing listens yet.
func openSolo(opt member.Options, j zab.JournalOptions, slow time.Duration) (*solo, error) {
	s, err := member.Open(opt)
	if err != nil {
		return nil, err
	}
	n := &solo{Server: s}
	n.ready.Add(1)
	j.Dir = opt.LogDir
	j.Synced = func(zxid int64) {
		n.ready.Wait()
		n.broadcast.Ack(opt.ID, zxid)
	}
	j.Failed = s.Fail
	j.Due = s.SaveSoon
	j.Slow = func(took time.Duration) {
		if took > slow {
			opt.Log.Warnf("fsync-ing the write ahead log in SyncThread:%d took %dms which will adversely effect operation latency.", opt.ID, took.Milliseconds())
		}
	}
	n.journal = zab.OpenJournal(j, s.LastZxid())
	n.broadcast = zab.NewSolo(s, n.journal, opt.ID)
	n.ready.Done()
	s.Lead(n.broadcast, s.LastZxid())
	return n, nil
}

// Close ends the server; everything acknowledged is on disk.
func (n *solo) Close() {
	n.Server.Close()
	n.journal.Close()
}

// Crash ends it as a kill would.
func (n *solo) Crash() {
	n.journal.Crash()
	n.Server.Close()
}

// version2 is the folder that holds a server's files in its dataDir.
func version2(dir string) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, "version-2")
}

var _ = fmt.Sprint
var _ = storage.OpenDirs
