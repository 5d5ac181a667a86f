package ensemble

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
)

// scan is what the newest snapshot comes to. It is read once, streaming; only the largest znodes are kept.
type scan struct {
	file     storage.File
	bytes    int64    // of the snapshot, not compressed
	children []ranked // by the number of children
	lists    []ranked // by the bytes of the answer that lists the children
	large    []ranked // by the bytes of the answer with the data
	top      topLevel
	ttl      string // a znode with a time to live
	fault    error
}

// ranked is a znode and its size.
type ranked struct {
	path string
	n    int64
}

// maxRanked is how many of the largest znodes are kept.
const maxRanked = 5

// rank puts a znode among the largest.
func rank(list *[]ranked, path string, n int64) {
	l := *list
	if len(l) == maxRanked && n <= l[maxRanked-1].n {
		return
	}
	if path == "" {
		path = "/"
	}
	at, _ := slices.BinarySearchFunc(l, n, func(r ranked, n int64) int { return int(min(max(n-r.n, -1), 1)) })
	l = slices.Insert(l, at, ranked{strings.Clone(path), n})
	*list = l[:min(len(l), maxRanked)]
}

// What an answer has besides the data, or the names of children, in bytes: the header of a reply, and the Stat.
const (
	replyHeader = 4 + 8 + 4
	statSize    = proto.StatPersistedSize + 4 + 4
)

// parent is a znode whose children are being read.
type parent struct {
	path     string
	children int64
	bytes    int64
}

// newestSnapshot reads the newest snapshot, or returns nil if there is none. Damage is in the scan.
func (d *dataDirs) newestSnapshot(ctx context.Context) (*scan, error) {
	if len(d.snapshots) == 0 {
		return nil, nil
	}
	s := &scan{file: d.snapshots[len(d.snapshots)-1]}
	s.top = topLevel{from: s.file.Path, acls: map[string][]proto.ACL{}}
	r, err := storage.OpenSnapshot(s.file.Path)
	if err != nil {
		return s, s.damaged(err)
	}
	defer r.Close()
	var open []parent // the last znode and those above it; a server writes depth first
	leave := func() {
		last := open[len(open)-1]
		open = open[:len(open)-1]
		rank(&s.children, last.path, last.children)
		rank(&s.lists, last.path, last.bytes)
	}
	for n := 0; ; n++ {
		if n%1000 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		z, err := r.Next()
		if err != nil {
			s.bytes = r.Offset()
			if !errors.Is(err, io.EOF) {
				err = s.damaged(err)
			} else {
				err = nil
			}
			for len(open) > 0 {
				leave()
			}
			return s, err
		}
		s.take(r, z)
		above, name := "", z.Path
		if slash := strings.LastIndexByte(z.Path, '/'); slash >= 0 {
			above, name = z.Path[:slash], z.Path[slash+1:]
		}
		for len(open) > 0 && (open[len(open)-1].path != above || z.Path == "") {
			leave()
		}
		if len(open) > 0 {
			up := &open[len(open)-1]
			up.children++
			up.bytes += 4 + int64(len(name))
		}
		open = append(open, parent{path: z.Path, bytes: replyHeader + 4 + statSize})
	}
}

// take looks at one znode by itself.
func (s *scan) take(r *storage.SnapshotReader, z *storage.Node) {
	rank(&s.large, z.Path, int64(len(z.Data))+4+replyHeader+statSize)
	if s.ttl == "" && proto.EphemeralTypeOf(z.Stat.EphemeralOwner) == proto.EphemeralTTL {
		s.ttl = z.Path
	}
	if strings.Count(z.Path, "/") != 1 || len(z.Path) < 2 {
		return
	}
	if len(s.top.acls) == maxTopLevel {
		s.top.more = true
		return
	}
	acl := r.ACLs()[z.ACL]
	if z.ACL == -1 {
		acl = proto.OpenACL
	}
	s.top.acls[z.Path] = acl
}

// damaged notes a fault of the file, and returns any other error.
func (s *scan) damaged(err error) error {
	if len(storage.Faults(err)) == 0 {
		return err
	}
	s.fault = err
	return nil
}

// tail is what the logs hold after the newest snapshot.
type tail struct {
	behind int64 // transactions
	fault  error
}

// sinceSnapshot counts the transactions after the newest snapshot. A log that ends inside an entry is what a server that is
// running, or was killed, leaves; it is not damage.
func (d *dataDirs) sinceSnapshot(ctx context.Context) (*tail, error) {
	last := int64(0)
	if n := len(d.snapshots); n > 0 {
		last = d.snapshots[n-1].Zxid
	}
	t := &tail{}
	logs := (&storage.Dir{Logs: d.logs}).LogsFrom(last)
	for i, file := range logs {
		if err := t.count(ctx, file.Path, last); err != nil {
			faults := storage.Faults(err)
			if len(faults) == 0 {
				return nil, err
			}
			if i < len(logs)-1 || faults[0].Kind != storage.CutOff && faults[0].Kind != storage.NotAFile {
				t.fault = err
			}
			return t, nil
		}
	}
	return t, nil
}

func (t *tail) count(ctx context.Context, path string, after int64) error {
	r, err := storage.OpenLog(path)
	if err != nil {
		return err
	}
	defer r.Close()
	for n := 0; ; n++ {
		if n%1000 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		e, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case !e.Intact():
			return &storage.Fault{File: path, Offset: e.Offset, Kind: storage.BadChecksum, Zxid: e.Header.Zxid, Err: fmt.Errorf("its checksum is wrong"), Remedy: storage.RecoverLog}
		case e.Header.Zxid > after:
			t.behind++
		}
	}
}
