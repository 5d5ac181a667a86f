package member

import (
	"io"
	"path/filepath"

	"github.com/zkctl/zkctl/internal/storage"
)

// saveNow writes a snapshot while nobody is served.
func (s *Server) saveNow() error {
	path := filepath.Join(s.opt.DataDir, storage.SnapshotName(s.tree.LastZxid(), s.opt.Compression))
	s.log.Infof("Snapshotting: 0x%x to %s", uint64(s.tree.LastZxid()), path)
	return storage.WriteSnapshot(path, s.tree, storage.SnapshotOptions{Compression: s.opt.Compression})
}

// saving is a snapshot that is being written.
type saving struct{}

func (s *Server) saveStep() {}

// SaveSoon begins a snapshot, unless one is being written.
func (s *Server) SaveSoon() {}

// Reload implements zab.Replica.
func (s *Server) Reload() (err error) {
	s.do(func() {
		tree, _, e := loadTree(s.opt, s.log)
		if err = e; err == nil {
			s.tree = tree
			s.tree.SetConfig(s.config)
		}
	})
	return err
}

// Snapshot implements zab.Replica.
func (s *Server) Snapshot(w io.Writer) (zxid int64, err error) { return 0, nil }

// Restore implements zab.Replica.
func (s *Server) Restore(r io.Reader, zxid int64) error { return nil }
