package transfer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zkctl/zkctl/internal/apply"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/zpath"
)

// compare compares all znodes of the source with what is known of them, and then reads those that differ.
func (m *mirror) compare(ctx context.Context) error {
	if err := m.src.conn.Sync(ctx, m.src.path); err != nil {
		return err
	}
	if !m.state.whole {
		if err := m.firstCopy(ctx); err != nil {
			return err
		}
	}
	clear(m.refused)
	changed := newPathSorter()
	defer changed.close()
	gone, err := m.compareSource(ctx, changed)
	if err != nil {
		return err
	}
	if err := m.mayDelete(len(gone)); err != nil {
		return err
	}
	if err := m.compareDest(ctx, gone, changed); err != nil {
		return err
	}
	for _, paths := range []map[string]struct{}{gone, m.state.pending} {
		for path := range paths {
			changed.add(path)
		}
	}
	if err := m.patch(ctx, changed.chunks); err != nil {
		return err
	}
	if err := m.stopIf(changed.err); err != nil {
		return err
	}
	m.state.mark(false, true)
	m.stat.compared.Store(time.Now().UnixNano())
	return nil
}

// compareSource finds what has changed at the source since it was mirrored, and what is gone.
func (m *mirror) compareSource(ctx context.Context, changed *pathSorter) (gone map[string]struct{}, err error) {
	known, err := m.state.twins.beside()
	if err != nil {
		return nil, stopError{err}
	}
	defer known.done()
	gone = map[string]struct{}{}
	unread := "" // the last one whose children may not be read
	missed := func(path string, t twin) {
		switch {
		case unread != "" && zpath.Within(path, unread): // it may still be there
			changed.add(path)
		case m.delete || !t.gone:
			gone[path] = struct{}{}
		}
	}
	err = m.src.conn.Walk(ctx, m.src.path, client.WalkOptions{Stat: true, Rate: m.rate}, func(z *client.Walked) error {
		switch t, mirrored, err := known.at(z.Path, missed); {
		case err != nil:
			return stopError{err}
		case m.reserved(z.Path):
		case errors.Is(z.Err, proto.ErrNoNode), z.Known && z.Stat.EphemeralOwner != 0:
			if mirrored {
				missed(z.Path, t)
			}
		case z.Err != nil:
			unread = z.Path
			changed.add(z.Path)
		case !mirrored, t.mzxid != z.Stat.Mzxid, t.next != source.NextSequence(&z.Stat), t.aversion != z.Stat.Aversion:
			changed.add(z.Path)
		}
		return nil
	})
	if err == nil {
		err = m.stopIf(known.rest(missed))
	}
	return gone, err
}

// mayDelete stops a mirror before it deletes very much.
func (m *mirror) mayDelete(gone int) error {
	const few = 10
	if !m.delete || m.force || gone <= max(few, m.state.twins.len()/10) {
		return nil
	}
	return stopError{fmt.Errorf("%s of %s znodes are gone at the source, which looks empty; nothing was deleted at the destination; if that is right, run it with --force",
		command.Thousands(gone), command.Thousands(m.state.twins.len()))}
}

// compareDest finds what somebody else has changed at the destination, and adds to again what is to be compared with the source
// once more. What is gone at the source does not count.
func (m *mirror) compareDest(ctx context.Context, gone map[string]struct{}, again *pathSorter) error {
	known, err := m.state.twins.beside()
	if err != nil {
		return stopError{err}
	}
	defer known.done()
	clear(m.others)
	note := func(path, what string) {
		m.others[path] = struct{}{}
		m.foreign(path, errors.New(what))
		if m.force {
			again.add(path)
		}
	}
	unread := "" // the last one whose children may not be read
	missed := func(path string, t twin) {
		_, expected := gone[path]
		_, waits := m.state.pending[path]
		switch {
		case expected, waits, unread != "" && zpath.Within(path, unread):
		case t.gone:
			m.state.drop(path)
		case t.theirs == 0, t.mzxid == 0: // nothing is in its way any more
			again.add(path)
		default:
			note(path, "was deleted by somebody else")
		}
	}
	err = m.dst.conn.Walk(ctx, m.dst.path, client.WalkOptions{Stat: true, Rate: m.rate}, func(z *client.Walked) error {
		path := m.atSource(z.Path)
		t, mirrored, err := known.at(path, missed)
		if err != nil {
			return stopError{err}
		}
		_, expected := gone[path]
		_, waits := m.state.pending[path]
		if mirrored && z.Err == nil && source.NextSequence(&z.Stat) < t.next {
			m.parents[path] = struct{}{}
		}
		if z.Err != nil && !errors.Is(z.Err, proto.ErrNoNode) {
			unread = path
		}
		switch {
		case expected, waits, m.reserved(path):
		case errors.Is(z.Err, proto.ErrNoNode):
			if mirrored {
				missed(path, t)
			}
		case t.gone:
		case !mirrored && (!m.delete || z.Stat.EphemeralOwner != 0 || m.state.fresh && !m.state.whole):
		case !mirrored && z.Known:
			note(path, "is not at the source, and was created by somebody else")
		case !mirrored:
			m.missed(path, apply.ErrUnreadable)
			m.failed(apply.Failure{Path: z.Path, Err: apply.ErrUnreadable})
		case !z.Known: // it may be as the mirror left it
		case t.unwritten, t.theirs != z.Stat.Mzxid, t.theirACL != z.Stat.Aversion: // what it holds counts
			again.add(path)
		}
		return nil
	})
	if errors.Is(err, proto.ErrNoNode) {
		err = nil
	}
	if err == nil {
		err = m.stopIf(known.rest(missed))
	}
	m.count()
	return err
}

// foreign reports what somebody else has changed, once.
func (m *mirror) foreign(path string, what error) {
	at := m.atDest(path)
	if m.force || m.told[at] || len(m.told) >= maxTold {
		return
	}
	m.told[at] = true
	m.warn("%s: %v; left alone without --force", escape.Line(at), what)
}

// maxTold bounds the foreign changes that are named.
const maxTold = 1000

// firstCopy copies everything, in one stream. If it was interrupted, it goes on where it was; what has changed before that is
// found when everything is compared.
func (m *mirror) firstCopy(ctx context.Context) error {
	opt := m.options()
	opt.Root, opt.NoSequences = m.dst.path, false
	from := m.state.reached
	if from != "" {
		opt.From = m.atDest(from)
		if _, err := m.dst.conn.Exists(ctx, opt.From, false); errors.Is(err, proto.ErrNoNode) {
			return nil // maybe what is above it was deleted by somebody else, too, and stays deleted
		}
	}
	stats := map[string]proto.Stat{} // of what is not written yet
	res, err := m.write(stats, func(opt apply.Options) (*apply.Result, error) {
		return apply.Run(ctx, m.dst.conn, opt, func(ctx context.Context, visit func(z *source.Znode) error) error {
			return m.src.conn.Walk(ctx, m.src.path, client.WalkOptions{Stat: true, Data: true, ACL: true, From: from, Rate: m.rate}, func(w *client.Walked) error {
				z := source.OfWalk(w)
				if errors.Is(w.Err, proto.ErrNoNode) || z.Kind == source.Ephemeral || m.reserved(w.Path) {
					return nil
				}
				if from == "" || !zpath.Within(from, w.Path) { // what is known of these is still to be compared
					stats[w.Path] = w.Stat
				}
				z.Path = m.atDest(w.Path)
				return visit(z)
			})
		})
	}, opt)
	m.unwritten(res, stats)
	m.state.settled(err != nil)
	return err
}

func (m *mirror) options() apply.Options {
	rate := m.rate
	if rate == 0 {
		rate = -1
	}
	return apply.Options{OnConflict: apply.Overwrite, Rate: rate, NoSequences: true}
}
