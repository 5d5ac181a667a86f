package transfer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/zkctl/zkctl/internal/export"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
)

// snapshotFile is an export as a snapshot that a server starts from.
type snapshotFile struct {
	out, compression string
	path             string
	zxid             int64
	b                *storage.SnapshotBuilder
	sessions         map[int64]int32
	missing          map[string]bool // znodes that every server has, and that are not there
}

// orphanTimeout is the timeout in ms of the sessions of ephemerals, whose own is not known.
const orphanTimeout = 30_000

func newSnapshotFile(out, compression string) (*snapshotFile, error) {
	s := &snapshotFile{out: out, compression: compression, sessions: map[int64]int32{},
		missing: map[string]bool{proto.ZookeeperPath: true, proto.QuotaPath: true, proto.ConfigPath: true}}
	if compression == export.Zstd {
		return nil, errors.New("--compress zstd: servers read snapshots that are plain or compressed with gzip")
	}
	var err error
	s.b, err = storage.NewSnapshotBuilder()
	return s, err
}

func (s *snapshotFile) begin(h *export.Header) error {
	s.zxid, s.path = h.End, s.out
	name := fmt.Sprintf("snapshot.%x", uint64(h.End))
	if s.compression == export.Gzip {
		name += ".gz"
	}
	if info, err := os.Stat(s.out); err == nil && info.IsDir() {
		s.path = filepath.Join(s.out, name)
	} else if kind, zxid, ok := storage.ZxidOfName(filepath.Base(s.out)); !ok || kind != "snapshot" || zxid != h.End {
		return fmt.Errorf("a server takes the zxid of a snapshot from its name, so this one must be called %s, not %s; name a folder to get that", name, filepath.Base(s.out))
	}
	for at, c := range h.Root { // the znodes above the root
		if c == '/' && h.Root != "/" {
			if err := s.b.Add(h.Root[:max(at, 1)], []byte{}, nil, proto.StatPersisted{}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *snapshotFile) add(r *export.Record) error {
	delete(s.missing, r.Path)
	if r.Kind == export.Ephemeral {
		s.sessions[r.Stat.EphemeralOwner] = orphanTimeout
	}
	stat := proto.StatPersisted{Czxid: r.Stat.Czxid, Mzxid: r.Stat.Mzxid, Ctime: r.Stat.Ctime, Mtime: r.Stat.Mtime, Version: r.Stat.Version,
		Cversion: int32(r.Next), Aversion: r.Stat.Aversion, EphemeralOwner: r.Owner(), Pzxid: r.Stat.Pzxid}
	return s.b.Add(r.Path, r.Data, r.ACL, stat)
}

func (s *snapshotFile) commit() error {
	for _, path := range []string{proto.ZookeeperPath, proto.QuotaPath, proto.ConfigPath} {
		if !s.missing[path] {
			continue
		}
		var acl []proto.ACL
		stat := proto.StatPersisted{}
		if path == proto.ConfigPath { // as a new server has it
			acl, stat.Aversion = proto.ReadOnlyACL, -1
		}
		if err := s.b.Add(path, []byte{}, acl, stat); err != nil {
			return err
		}
	}
	compression := ""
	if strings.HasSuffix(strings.ToLower(s.path), ".gz") {
		compression = "gz"
	}
	return s.b.Commit(s.path, s.zxid, s.sessions, storage.SnapshotOptions{Compression: compression, Replace: true})
}

func (s *snapshotFile) abandon()     { _ = s.b.Close() } // its folder is temporary
func (s *snapshotFile) name() string { return s.path }
