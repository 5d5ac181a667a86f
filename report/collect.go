package report

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/evidence"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/survey"
	"github.com/zkctl/zkctl/internal/ui"
)

// content is what the page shows.
type content struct {
	o        *options
	found    *evidence.Sources
	logs     *survey.Logs // nil without logs; writes and tree are nil likewise
	written  []writes
	writes   *writes // the element of written with the most transactions
	tree     *survey.Tree
	notes    []string // about the sources
	failed   bool
	findings []finding
}

// writes are what the transaction logs of one folder hold.
type writes struct {
	*survey.Writes
	data *evidence.Data
}

// collect reads all sources.
func collect(ctx context.Context, o *options, found *evidence.Sources) (*content, error) {
	c := &content{o: o, found: found, failed: len(found.Unread) > 0}
	for _, err := range found.Unread {
		c.notes = append(c.notes, err.Error())
	}
	if len(found.Logs) > 0 {
		logs, err := o.readers.Logs(ctx, survey.LogOptions{Files: found.Logs, Since: o.since, Until: o.until, Zones: o.zones, Dates: o.dates, AsLogged: o.asLogged, Top: o.top})
		if err != nil {
			return nil, err
		}
		c.logs = logs
		c.notes = append(c.notes, logs.Notes...)
		if logs.Back > 0 {
			at := &logs.BackAt
			c.notes = append(c.notes, fmt.Sprintf("warning: time goes back %s in these logs, first at %s:%d, by %s: the clock was set, or several logs were put into one",
				times(logs.Back), at.File, at.Line, ui.Duration(at.Last-at.First)))
		}
		if logs.Unclear > 0 {
			c.notes = append(c.notes, fmt.Sprintf("warning: %s without a time: the date can be read in several ways (--dates says how to read it), or does not exist", command.Counted(int(logs.Unclear), "event")))
		}
		c.failed = c.failed || logs.Failed
	}
	for _, d := range found.Data {
		if len(d.Txns) == 0 {
			continue
		}
		w, err := o.readers.Writes(ctx, o.streams, survey.WriteOptions{Files: d.TxnPaths(), Since: o.since, Until: o.until, Depth: o.depth, Top: o.top})
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			c.notes, c.failed = append(c.notes, err.Error()), true
			continue
		}
		for _, fault := range w.Faults {
			c.fault(fault)
		}
		c.written = append(c.written, writes{w, d})
	}
	for i := range c.written {
		if c.writes == nil || c.written[i].Txns > c.writes.Txns {
			c.writes = &c.written[i]
		}
	}
	if err := c.findTree(ctx); err != nil {
		return nil, err
	}
	c.find()
	return c, nil
}

// fault notes once what is wrong with a file.
func (c *content) fault(err error) {
	note := command.Advise(err).Error()
	if !slices.Contains(c.notes, note) {
		c.notes = append(c.notes, note)
	}
	var fault *storage.Fault
	c.failed = c.failed || errors.As(err, &fault)
}

// candidate is where a tree may be read from.
type candidate struct {
	path string
	dir  bool
	zxid int64 // of the newest known change
}

// findTree reads the tree with the newest zxid that can be read.
func (c *content) findTree(ctx context.Context) error {
	var list []candidate
	for _, d := range c.found.Data {
		newest := d.Newest()
		if d.Whole {
			dir := candidate{path: d.Folder, dir: true}
			if newest != nil {
				dir.zxid = newest.Zxid
			}
			if i := slices.IndexFunc(c.written, func(w writes) bool { return w.data == d }); i >= 0 {
				dir.zxid = max(dir.zxid, c.written[i].Zxid)
			}
			list = append(list, dir)
		}
		if newest != nil {
			list = append(list, candidate{path: newest.Path, zxid: newest.Zxid})
		}
	}
	slices.SortStableFunc(list, func(a, b candidate) int { return cmp.Compare(b.zxid, a.zxid) })
	for _, one := range list {
		tree, err := c.o.readers.Tree(ctx, one.path, one.dir)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			err = fmt.Errorf("the tree of %s cannot be rebuilt: %w", one.path, err)
			if errors.Is(err, storage.ErrMissing) { // the existing files are sound
				c.notes = append(c.notes, err.Error())
			} else {
				c.fault(err)
				c.failed = true
			}
			continue
		}
		for _, fault := range tree.Faults {
			c.fault(fault)
		}
		c.tree = tree
		return nil
	}
	return nil
}

// summary says what the page is about.
func (c *content) summary() string {
	var parts []string
	if c.logs != nil {
		parts = append(parts, command.Counted(c.logs.Logs, "log"))
	}
	txns, snapshots := 0, 0
	for _, d := range c.found.Data {
		txns += len(d.Txns)
		snapshots += len(d.Snapshots)
	}
	if txns > 0 {
		parts = append(parts, command.Counted(txns, "transaction log"))
	}
	if snapshots > 0 {
		parts = append(parts, command.Counted(snapshots, "snapshot"))
	}
	return strings.Join(parts, ", ")
}

// span is the time that the sources cover, in ms since 1970.
func (c *content) span() (from, to int64, ok bool) {
	take := func(first, last int64) {
		if !ok || first < from {
			from = first
		}
		if !ok || last > to {
			to = last
		}
		ok = true
	}
	if c.logs != nil && c.logs.All.Timed {
		take(c.logs.All.First, c.logs.All.Last)
	}
	if c.writes != nil && c.writes.FirstTime != nil {
		take(*c.writes.FirstTime, *c.writes.LastTime)
	}
	return from, to, ok
}

// short returns the last two names of a path.
func short(path string) string {
	dir, name := filepath.Split(filepath.Clean(path))
	if parent := filepath.Base(dir); dir != "" && parent != "." && parent != string(filepath.Separator) {
		return parent + "/" + name
	}
	return name
}
