package logformatter

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ztree"
)

// directory checks every file of a data directory, and then how they fit together.
func (v *verifier) directory(ctx context.Context, path string) error {
	dir, err := storage.ReadDir(path)
	if err != nil {
		return err
	}
	if len(dir.Logs)+len(dir.Snapshots) == 0 {
		return dir.NoFiles("transaction log or snapshot")
	}
	c := &dirCheck{dir: dir, d: &verdict{Kind: kindReplay, File: kindReplay, OK: true}}
	for _, file := range dir.Logs {
		d, err := scanLog(ctx, file, dir.Snapshots)
		if err != nil {
			return err
		}
		c.log(file, d)
		if err := v.print(d); err != nil {
			return err
		}
	}
	for _, file := range dir.Snapshots {
		logs := dir.Logs
		if logs == nil {
			logs = []storage.File{}
		}
		d, err := v.snapshot(ctx, file, logs)
		if err != nil {
			return err
		}
		if d.OK {
			c.usable = append(c.usable, file)
		}
		if err := v.print(d); err != nil {
			return err
		}
	}
	if err := c.check(ctx); err != nil {
		return err
	}
	return v.print(c.d)
}

// dirCheck collects how a directory's files fit together.
type dirCheck struct {
	dir    *storage.Dir
	d      *verdict
	runs   []run
	usable []storage.File // snapshots
	prev   *verdict       // the previous log
}

// log appends a log's runs of transactions to those of the logs before it.
func (c *dirCheck) log(file storage.File, d *verdict) {
	for i, r := range d.scan.runs {
		if i == 0 && c.prev != nil {
			r.unsound += c.prev.scan.unsound
		}
		n := len(c.runs)
		switch {
		case n == 0:
			c.runs = append(c.runs, r)
		case r.first <= c.runs[n-1].last:
			c.d.add(&storage.Fault{File: file.Path, Offset: -1, Kind: storage.BadOrder, Zxid: r.first,
				Err:     fmt.Errorf("%s starts at zxid %#x, but the log before it continues to %#x", filepath.Base(file.Path), uint64(r.first), uint64(c.runs[n-1].last)),
				Meaning: "two logs contain the same zxids and a server applies both; keep the log of the server's own history and move the other away"})
			c.runs[n-1].last = max(c.runs[n-1].last, r.last)
		case i == 0 && storage.Follows(c.runs[n-1].last, r.first) && !sent(c.dir.Snapshots, c.runs[n-1].last, r.first):
			if p := c.prev; p != nil && p.cause != nil && p.cause.Kind == storage.CutOff {
				c.d.Notes = append(c.d.Notes, fmt.Sprintf("%s ends inside a record, as after a crash, but %s continues without a gap: nothing is lost", filepath.Base(p.File), filepath.Base(file.Path)))
			}
			c.runs[n-1].last = r.last
		default:
			c.runs = append(c.runs, r)
		}
	}
	c.prev = d
}

// check replays each run of transactions from the earliest usable snapshot, and explains the gaps
// between runs.
func (c *dirCheck) check(ctx context.Context) error {
	c.epochs()
	newest := int64(math.MinInt64) // the newest state that can be reached
	for _, s := range c.usable {
		newest = max(newest, s.Zxid)
	}
	for i, r := range c.runs {
		if i > 0 {
			c.gap(c.runs[i-1].last, r)
		}
		ok, err := c.replay(ctx, r)
		if err != nil {
			return err
		}
		if ok {
			newest = max(newest, r.last)
		} else if i == len(c.runs)-1 && newest < r.last {
			c.d.add(&storage.Fault{Offset: -1, Kind: storage.BadOrder, Zxid: r.last,
				Err:     fmt.Errorf("cannot replay transactions %#x..%#x: no sound snapshot precedes them, and they are not a server's first", uint64(r.first), uint64(r.last)),
				Meaning: "no server can load this state; look for a snapshot on another member or in a backup"})
		} else {
			c.d.Notes = append(c.d.Notes, fmt.Sprintf("transactions %#x..%#x were not replayed: no snapshot precedes them, as after a purge", uint64(r.first), uint64(r.last)))
		}
	}
	if len(c.runs) == 0 && len(c.usable) > 0 {
		c.d.Notes = append(c.d.Notes, "no transactions to replay")
	}
	if len(c.runs) == 0 && len(c.usable) == 0 {
		c.d.add(&storage.Fault{Offset: -1, Kind: storage.NotAFile, Err: errors.New("no sound snapshot and no transactions"), Meaning: "no server can start from this directory; copy the data of another member"})
	}
	if newest > 0 {
		c.d.Last = proto.Hex(newest)
	}
	return nil
}

// gap reports what is missing between two runs. A snapshot fills the gap if it was started right
// before the second.
func (c *dirCheck) gap(last int64, r run) {
	if storage.Follows(last, r.first) { // as far as the zxids show
		if s, ok := between(c.dir.Snapshots, last, r.first); ok && s.Zxid&0xffffffff != 0 {
			c.d.Notes = append(c.d.Notes, fmt.Sprintf("the transactions before %s are in no log, but the snapshot, sent by the leader, has the effect; those up to %#x may never have been committed", filepath.Base(s.Path), uint64(last)))
		}
		return
	}
	missing, meaning := storage.AreMissing(last, r.first)+" in no log", "a server starts without an error, but its tree lacks them; look for the log on another member or in a backup"
	if n := r.first - last - 1; r.unsound > 0 {
		missing, meaning = storage.AreMissing(last, r.first)+" damaged", "a server does not start with this log; look for another member's log, or for a later snapshot"
		if r.first>>32 != last>>32 || int64(r.unsound) < n {
			missing += " or in no log"
		}
	}
	for _, s := range c.usable {
		if s.Zxid >= r.first-1 {
			c.d.Notes = append(c.d.Notes, fmt.Sprintf("%s; %s has the effect, but the history is missing", missing, filepath.Base(s.Path)))
			return
		}
	}
	c.d.add(&storage.Fault{Offset: -1, Kind: storage.BadOrder, Zxid: r.first,
		Err: fmt.Errorf("%s, and no sound snapshot has the effect", missing), Meaning: meaning})
}

// replay replays one run and compares the digests. ok is false if there is nothing to start from.
func (c *dirCheck) replay(ctx context.Context, r run) (ok bool, err error) {
	one := *c.dir
	one.Snapshots = nil
	for _, s := range c.usable { // the earliest usable one, to replay as much as possible
		if s.Zxid >= r.last {
			break
		}
		before := s.Zxid < r.first && storage.Follows(s.Zxid, r.first)
		if before || s.Zxid >= r.first && one.Snapshots == nil {
			one.Snapshots = []storage.File{s}
		}
	}
	for len(one.Logs) > 1 && one.Logs[1].Zxid <= r.first {
		one.Logs = one.Logs[1:]
	}
	if one.Snapshots == nil && !(r.first&0xffffffff == 1 && r.first>>32 <= 1) {
		return c.covered(r), nil
	}
	var check storage.DigestCheck
	applied := int64(0)
	tree, _, err := one.Load(ctx, storage.LoadOptions{Zxid: r.last, Digests: &check, Visit: countVisits(&applied)})
	c.d.Transactions += applied
	c.d.Compared += check.Compared
	c.d.Failed += check.Failed
	for _, f := range check.Faults {
		f.Err = fmt.Errorf("%s: %w", filepath.Base(f.File), f.Err)
		c.d.add(f)
	}
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case err != nil:
		return c.covered(r), nil
	}
	c.d.Znodes = tree.Len()
	return true, nil
}

// covered reports whether a snapshot holds the effect of the whole run.
func (c *dirCheck) covered(r run) bool {
	for _, s := range c.usable {
		if s.Zxid >= r.last {
			return true
		}
	}
	return false
}

// epochs checks the files that hold the epochs (QuorumPeer.loadDataBase).
func (c *dirCheck) epochs() {
	for _, f := range slices.Concat(c.dir.NotFiles, c.dir.EpochFaults) {
		f.Err = fmt.Errorf("%s: %w", filepath.Base(f.File), f.Err)
		c.d.add(f)
	}
	last := int64(-1)
	for _, r := range c.runs {
		last = max(last, r.last>>32)
	}
	for _, s := range c.usable {
		last = max(last, s.Zxid>>32)
	}
	current, accepted := c.dir.CurrentEpoch, c.dir.AcceptedEpoch
	bad := func(meaning, format string, args ...any) {
		c.d.add(&storage.Fault{Offset: -1, Kind: storage.BadOrder, Err: fmt.Errorf(format, args...), Meaning: meaning})
	}
	if current >= 0 && current < last {
		bad("Apache ZooKeeper refuses to start; the file may have been lost and recreated", "currentEpoch is %d, but there are transactions of epoch %d", current, last)
	}
	if accepted >= 0 && current >= 0 && accepted < current {
		bad("a server refuses to start", "acceptedEpoch is %d, less than currentEpoch %d", accepted, current)
	}
}

// countVisits counts the applied transactions.
func countVisits(n *int64) func(string, *storage.Entry, *proto.TxnEntry, *ztree.Tree) error {
	return func(string, *storage.Entry, *proto.TxnEntry, *ztree.Tree) error {
		*n++
		return nil
	}
}
