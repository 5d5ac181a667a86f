package replica

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ztree"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// saveBudget is how long the loop encodes znodes of a snapshot at a time.
const saveBudget = time.Millisecond

// saving is an unfinished snapshot: the loop encodes the tree piece by piece, and another goroutine
// writes the pieces.
type saving struct {
	stream  *storage.SnapshotStream
	pieces  chan []byte // to the writer
	spare   chan []byte // from the writer, for reuse
	piece   []byte      // encoded, but not yet taken by the writer
	more    bool
	blocked bool // the writer is slow; it reports when it can continue
	over    bool // abandoned by the writer
	aborted bool // abandoned by the loop; set before pieces is closed
}

// begin starts a snapshot of the tree as it is now.
func (s *Replica) begin() *saving {
	v := &saving{stream: storage.NewSnapshotStream(s.tree, s.opt.NoDigest), pieces: make(chan []byte, 2), spare: make(chan []byte, 4), more: true}
	s.savings = append(s.savings, v)
	return v
}

// writer registers a goroutine that writes a snapshot to the data directory and closes the channel
// at the end.
func (s *Replica) writer() chan struct{} {
	s.writers = slices.DeleteFunc(s.writers, func(ended chan struct{}) bool {
		select {
		case <-ended:
			return true
		default:
			return false
		}
	})
	ended := make(chan struct{})
	s.writers = append(s.writers, ended)
	return ended
}

// saveStep continues each snapshot a little.
func (s *Replica) saveStep() {
	kept := s.savings[:0]
	for _, v := range s.savings {
		if s.advance(v) {
			kept = append(kept, v)
		}
	}
	clear(s.savings[len(kept):])
	s.savings = kept
}

// advance returns false once the snapshot is encoded and passed to the writer.
func (s *Replica) advance(v *saving) bool {
	if v.over {
		close(v.pieces)
		return false
	}
	if v.piece == nil && !v.blocked {
		var room []byte
		select {
		case room = <-v.spare:
		default:
		}
		v.piece, v.more = v.stream.Step(room[:0], saveBudget)
	}
	select {
	case v.pieces <- v.piece:
		v.piece, v.blocked = nil, false
		if !v.more {
			close(v.pieces)
			return false
		}
	default:
		v.blocked = true
	}
	return true
}

// busy reports whether a snapshot could continue now.
func (s *Replica) busy() bool {
	for _, v := range s.savings {
		if !v.blocked || v.over {
			return true
		}
	}
	return false
}

// drain writes all of a snapshot's pieces; it stops at an error.
func (s *Replica) drain(v *saving, w io.Writer) error {
	for piece := range v.pieces {
		s.box.put(event{run: func() { v.blocked = false }})
		if _, err := w.Write(piece); err != nil {
			s.box.put(event{run: func() { v.over = true }})
			for range v.pieces {
			}
			return err
		}
		select {
		case v.spare <- piece:
		default:
		}
	}
	if v.aborted {
		return errRetired
	}
	return nil
}

var errRetired = errors.New("the server has stopped serving meanwhile")

// abort abandons all snapshots.
func (s *Replica) abort() {
	for _, v := range s.savings {
		v.aborted = true
		close(v.pieces)
	}
	s.savings = nil
}

// SaveSoon starts writing a snapshot to disk unless one is being written. It does not wait.
func (s *Replica) SaveSoon() {
	s.box.put(event{run: func() {
		if s.opt.DataDir == "" || s.saves {
			return
		}
		s.saves = true
		v := s.begin()
		ended := s.writer()
		s.wg.Go(func() {
			defer close(ended)
			if err := s.save(v); err != nil {
				s.log.Errorf("Snapshot failed; its transactions are still in the logs: %v", err)
			}
			s.box.put(event{run: func() { s.saves = false }})
		})
	}})
}

// save writes a snapshot that the loop encodes.
func (s *Replica) save(v *saving) error {
	began := time.Now()
	zxid := v.stream.Zxid()
	path := s.snapshotPath(zxid)
	f, err := storage.CreateSnapshot(path, s.snapshotOptions())
	if err != nil {
		_ = s.drain(v, refuse{err})
		if errors.Is(err, fs.ErrExist) {
			return nil // nothing has been written since
		}
		return err
	}
	s.log.Infof("Snapshotting: 0x%x to %s", uint64(zxid), path)
	if err := s.drain(v, f); err != nil {
		f.Abandon()
		return err
	}
	if err := f.Commit(v.stream.State()); err != nil {
		return err
	}
	s.metrics.Took("snapshottime", time.Since(began))
	s.log.Infof("Snapshot taken in %d ms", time.Since(began).Milliseconds())
	return nil
}

// refuse is a writer that always fails.
type refuse struct{ err error }

func (r refuse) Write([]byte) (int, error) { return 0, r.err }

func (s *Replica) snapshotPath(zxid int64) string {
	return filepath.Join(s.opt.DataDir, storage.SnapshotName(zxid, s.opt.Compression))
}

func (s *Replica) snapshotOptions() storage.SnapshotOptions {
	return storage.SnapshotOptions{Compression: s.opt.Compression, NoDigest: s.opt.NoDigest, LastProcessedZxid: s.emulated().AdminSnapshots()}
}

// saveNow writes a snapshot while no clients are served.
func (s *Replica) saveNow(options storage.SnapshotOptions) error {
	if s.opt.DataDir == "" {
		return nil
	}
	path := s.snapshotPath(s.tree.LastZxid())
	s.log.Infof("Snapshotting: 0x%x to %s", uint64(s.tree.LastZxid()), path)
	err := storage.WriteSnapshot(path, s.tree, options)
	if errors.Is(err, fs.ErrExist) && !options.Replace {
		return nil
	}
	return err
}

// Save writes a snapshot to disk and returns its path and the zxid in its name.
func (s *Replica) Save() (path string, zxid int64, err error) {
	if s.opt.DataDir == "" {
		return "", 0, errors.New("take a snapshot: the server keeps everything in memory")
	}
	var v *saving
	var ended chan struct{}
	if !s.do(func() { v, ended = s.begin(), s.writer() }) {
		return "", 0, errClosed
	}
	defer close(ended)
	if err := s.save(v); err != nil {
		return "", 0, err
	}
	return s.snapshotPath(v.stream.Zxid()), v.stream.Zxid(), nil
}

// Snapshot implements zab.Replica.
func (s *Replica) Snapshot() (zab.Snapshot, error) {
	var v *saving
	if !s.do(func() { v = s.begin() }) {
		return nil, errClosed
	}
	return forLearner{s, v}, nil
}

// forLearner is a snapshot for a learner.
type forLearner struct {
	s *Replica
	v *saving
}

func (f forLearner) Zxid() int64            { return f.v.stream.Zxid() }
func (f forLearner) Send(w io.Writer) error { return f.s.drain(f.v, w) }
func (f forLearner) Abandon()               { f.s.box.put(event{run: func() { f.v.over = true }}) }

// Restore implements zab.Replica.
func (s *Replica) Restore(r io.Reader, zxid int64) error {
	tree, err := storage.ReadStream(r, zxid)
	if err != nil {
		return err
	}
	return s.Replace(tree)
}

// Replace writes another tree to disk and then replaces this member's with it, at that tree's zxid.
func (s *Replica) Replace(tree *ztree.Tree) (err error) {
	alive := s.do(func() {
		old := s.tree
		s.tree = tree
		s.showConfig()
		// The tree is fuzzy until the transactions that the leader sends next have been applied:
		// its digest does not match its zxid yet.
		options := s.snapshotOptions()
		options.NoDigest, options.Replace = true, true
		if err = s.saveNow(options); err != nil {
			s.tree = old
			return
		}
		s.fuzzy, s.changes = maxFuzzy, newChanges()
	})
	switch {
	case !alive:
		return errClosed
	case err != nil:
		return fmt.Errorf("save the new data: %w", err)
	}
	return nil
}

// Reload implements zab.Replica.
func (s *Replica) Reload() (err error) {
	s.do(func() {
		var tree = s.tree
		if tree, _, err = loadTree(s.opt, s.log); err == nil {
			s.tree, s.fuzzy = tree, 0
			s.showConfig()
		}
	})
	return err
}
