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

// directory checks every file of a data directory, and then what they are together.
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

// dirCheck gathers what a directory's files are together.
type dirCheck struct {
	dir    *storage.Dir
	d      *verdict
	runs   []run
	usable []storage.File // snapshots
	prev   *verdict       // the log before
}

// log joins a log's runs of transactions to those of the logs before it.
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
				Err:     fmt.Errorf("%s begins with zxid %#x, but the log before it goes on to %#x", filepath.Base(file.Path), uint64(r.first), uint64(c.runs[n-1].last)),
				Meaning: "the same zxids are in two logs: a server applies both; keep the log of the server's own history and move the other away"})
			c.runs[n-1].last = max(c.runs[n-1].last, r.last)
		case i == 0 && storage.Follows(c.runs[n-1].last, r.first) && !sent(c.dir.Snapshots, c.runs[n-1].last, r.first):
			if p := c.prev; p != nil && p.cause != nil && p.cause.Kind == storage.CutOff {
				c.d.Notes = append(c.d.Notes, fmt.Sprintf("%s ends inside a record, as after a crash, and %s goes on without a gap: nothing is lost", filepath.Base(p.File), filepath.Base(file.Path)))
			}
			c.runs[n-1].last = r.last
		default:
			c.runs = append(c.runs, r)
		}
	}
	c.prev = d
}

// check replays each run of transactions from the earliest snapshot that serves, and says
// what the gaps between them mean.
func (c *dirCheck) check(ctx context.Context) error {
	c.epochs()
	newest := int64(math.MinInt64) // the state that can be reached
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
				Err:     fmt.Errorf("the transactions %#x..%#x cannot be replayed: no sound snapshot goes before them, and they are not a server's first", uint64(r.first), uint64(r.last)),
				Meaning: "a server does not come up with this state; look for a snapshot on another member or in a backup"})
		} else {
			c.d.Notes = append(c.d.Notes, fmt.Sprintf("the transactions %#x..%#x could not be replayed: there is no snapshot from before them, as after a purge", uint64(r.first), uint64(r.last)))
		}
	}
	if len(c.runs) == 0 && len(c.usable) > 0 {
		c.d.Notes = append(c.d.Notes, "there is no transaction to replay")
	}
	if len(c.runs) == 0 && len(c.usable) == 0 {
		c.d.add(&storage.Fault{Offset: -1, Kind: storage.NotAFile, Err: errors.New("neither a sound snapshot nor a transaction"), Meaning: "a server does not come up on this directory; take the data of another member"})
	}
	if newest > 0 {
		c.d.Last = hexZxid(newest)
	}
	return nil
}

// gap tells what is missing between two runs. A snapshot has its effect when it was begun
// right before the second.
func (c *dirCheck) gap(last int64, r run) {
	if storage.Follows(last, r.first) { // to all appearance
		if s, ok := between(c.dir.Snapshots, last, r.first); ok && s.Zxid&0xffffffff != 0 {
			c.d.Notes = append(c.d.Notes, fmt.Sprintf("the transactions before %s are in no log, their effect is in it: the leader sent it; those up to %#x were perhaps never committed", filepath.Base(s.Path), uint64(last)))
		}
		return
	}
	missing, meaning := storage.AreMissing(last, r.first)+" in no log", "a server starts without a word, but its tree lacks them; look for the log on another member or in a backup"
	if n := r.first - last - 1; r.unsound > 0 {
		missing, meaning = storage.AreMissing(last, r.first)+" damaged", "a server does not start on the log; look for another member's, or for a snapshot from after them"
		if r.first>>32 != last>>32 || int64(r.unsound) < n {
			missing += " or in no log"
		}
	}
	for _, s := range c.usable {
		if s.Zxid >= r.first-1 {
			c.d.Notes = append(c.d.Notes, fmt.Sprintf("%s; their effect is in %s, their history is not here", missing, filepath.Base(s.Path)))
			return
		}
	}
	c.d.add(&storage.Fault{Offset: -1, Kind: storage.BadOrder, Zxid: r.first,
		Err: fmt.Errorf("%s, and no sound snapshot has their effect", missing), Meaning: meaning})
}

// replay replays one run and compares the digests. ok is false when there is nothing to
// start from.
func (c *dirCheck) replay(ctx context.Context, r run) (ok bool, err error) {
	one := *c.dir
	one.Snapshots = nil
	for _, s := range c.usable { // the earliest that serves, so that the most is replayed
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

// covered tells whether a snapshot holds the effect of the whole run.
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
		bad("Apache ZooKeeper does not start on it; was the file lost and written anew?", "currentEpoch is %d, but there are transactions of epoch %d", current, last)
	}
	if accepted >= 0 && current >= 0 && accepted < current {
		bad("a server does not start on it", "acceptedEpoch is %d, less than currentEpoch %d", accepted, current)
	}
}

// countVisits counts the transactions that are applied.
func countVisits(n *int64) func(string, *storage.Entry, *proto.TxnEntry, *ztree.Tree) error {
	return func(string, *storage.Entry, *proto.TxnEntry, *ztree.Tree) error {
		*n++
		return nil
	}
}
